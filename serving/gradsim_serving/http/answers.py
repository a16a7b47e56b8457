"""Answers: their form for the documents, the endpoint that gives them, and the cheapest correct way to JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic_core import to_json

from gradsim_serving.http.calls import Call
from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.patience import Patience
from gradsim_serving.http.ports import Answer, Engine
from gradsim_serving.http.questions import Questions
from gradsim_serving.http.replies import Reply
from gradsim_shared.routing import Route

LONG_CHARACTERS = 4096
"""Answers to more than this are written in a thread: of so many characters `/pos` makes some 800 words, which take
about 2 ms, and of a megabyte half a second, in which nobody else would be heard. A thread costs 0.1 ms."""

CHARACTERS_OF_A_ROUTE = 40
"""A route takes about as long to write as so many characters' words."""


def answering(
    endpoint: str, engine: Engine, questions: Questions, options: HttpOptions, patience: Patience
) -> Callable[[Call], Awaitable[Reply]]:
    """Return what answers the requests to one endpoint.

    Args:
        endpoint: Such as ``/sentiment``.
        engine: Answers texts.
        questions: Reads bodies.
        options: How long an answer may take.
        patience: Notices clients that have gone.
    """

    async def answer(call: Call) -> Reply:
        deadline = call.deadline(options.timeout_seconds)
        asked, cut = questions.read(call.body)
        call.texts = len(asked.texts)
        work = engine.answer(endpoint, asked.texts, asked.language, policy=asked.policy, deadline=deadline)
        answers = await patience.for_work(work, call.receive)
        call.groups = tuple({one.route.group: None for one in answers})
        call.stages = getattr(answers, "seconds", None)
        if sum(map(len, asked.texts)) + CHARACTERS_OF_A_ROUTE * len(asked.texts) <= LONG_CHARACTERS:
            return Reply(answers_json(answers, cut))
        return Reply(await asyncio.to_thread(answers_json, answers, cut))

    return answer


def answers_json(answers: Sequence[Answer], cut: frozenset[int] = frozenset()) -> bytes:
    """Return a whole answer in JSON.

    Plain dictionaries go to pydantic-core's writer, which is several times as fast with them as with dataclasses.

    Args:
        answers: One for each text.
        cut: Texts that were cut before the engine saw them.
    """
    predictions = [
        {
            **plain(one.prediction),
            "truncated": one.truncated or row in cut,
            "route": plain_route(one.route),
        }
        for row, one in enumerate(answers)
    ]
    return to_json({"predictions": predictions, "bundle": answers[0].bundle})


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a prediction holds
    """Return dataclasses as dictionaries and tuples as lists, all the way down; the rest stays as it is."""
    kind = type(value)
    if kind is str or kind is float:
        return value
    if kind is list or kind is tuple:
        return [plain(one) for one in value]
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(part.name for part in fields(kind)) if is_dataclass(kind) else ()
    return {name: plain(getattr(value, name)) for name in names} if names else value


_NAMES: dict[type[Any], tuple[str, ...]] = {}
"""The fields of each kind of value, none where it is no dataclass: to ask each time costs more than all the rest."""


def plain_route(route: Route) -> dict[str, Any]:
    """Return a route as clients see it."""
    return {
        "language": route.language,
        "confidence": route.confidence,
        "group": route.group,
        "collective_similarity": route.collective_similarity,
        "reason": route.reason,
        "group_confidence": route.group_confidence,
        "candidates": [
            {"language": one.language, "confidence": one.confidence, "group": one.group} for one in route.candidates
        ],
        "mixture": [{"group": group, "weight": weight} for group, weight in route.mixture],
        "code_mixed": route.code_mixed,
    }
