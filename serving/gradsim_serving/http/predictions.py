"""The endpoints that answer texts, and the quickest correct way from results to JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic_core import to_json

from gradsim_serving.engine.engine import Engine
from gradsim_serving.engine.job import TextResult
from gradsim_serving.http.parsing import RequestParser
from gradsim_serving.http.request import Request
from gradsim_serving.http.responses import Response
from gradsim_serving.http.timeouts import Timeouts
from gradsim_serving.options import HttpOptions
from gradsim_shared.routing import Route

LONG_CHARACTERS = 4096
"""Responses to more than this are written in a thread: of so many characters `/pos` makes some 800 words, which take
about 2 ms, and of a megabyte half a second, in which the event loop would be blocked. A thread costs 0.1 ms."""

CHARACTERS_OF_A_ROUTE = 40
"""A route takes about as long to write as so many characters' words."""


def prediction_endpoint(
    endpoint: str, engine: Engine, parser: RequestParser, options: HttpOptions, timeouts: Timeouts
) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that answers the requests to one endpoint.

    Args:
        endpoint: Such as ``/sentiment``.
        engine: Answers texts.
        parser: Parses bodies.
        options: How long an answer may take.
        timeouts: Cancel the work for clients that disconnect.
    """

    async def respond(request: Request) -> Response:
        deadline = request.deadline(options.timeout_seconds)
        asked, cut = parser.parse(request.body)
        request.texts = len(asked.texts)
        work = engine.answer(endpoint, asked.texts, asked.language, policy=asked.policy, deadline=deadline)
        results = await timeouts.unless_disconnected(work, request.receive)
        request.groups = tuple({result.route.group: None for result in results})
        request.stages = results.seconds
        if sum(map(len, asked.texts)) + CHARACTERS_OF_A_ROUTE * len(asked.texts) <= LONG_CHARACTERS:
            return Response(results_json(results, cut))
        return Response(await asyncio.to_thread(results_json, results, cut))

    return respond


def results_json(results: Sequence[TextResult], cut: frozenset[int] = frozenset()) -> bytes:
    """Return the body of a response.

    Plain dictionaries go to pydantic-core's writer, which is several times as fast with them as with dataclasses.

    Args:
        results: One for each text.
        cut: Texts that were cut before the engine got them.
    """
    predictions = [
        {
            **plain(result.prediction),
            "truncated": result.truncated or row in cut,
            "route": plain_route(result.route),
        }
        for row, result in enumerate(results)
    ]
    return to_json({"predictions": predictions, "bundle": results[0].bundle})


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a prediction holds
    """Return dataclasses as dictionaries and tuples as lists, all the way down; the rest stays as it is."""
    kind = type(value)
    if kind is str or kind is float:
        return value
    if kind is list or kind is tuple:
        return [plain(entry) for entry in value]
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(part.name for part in fields(kind)) if is_dataclass(kind) else ()
    return {name: plain(getattr(value, name)) for name in names} if names else value


_FIELDS: dict[type[Any], tuple[str, ...]] = {}
"""A cache of each type's fields, none where it is no dataclass: to ask each time costs more than all the rest."""


def plain_route(route: Route) -> dict[str, Any]:
    """Return a route as it stands in JSON."""
    return {
        "language": route.language,
        "confidence": route.confidence,
        "group": route.group,
        "collective_similarity": route.collective_similarity,
        "reason": route.reason,
        "group_confidence": route.group_confidence,
        "candidates": [
            {"language": candidate.language, "confidence": candidate.confidence, "group": candidate.group}
            for candidate in route.candidates
        ],
        "mixture": [{"group": group, "weight": weight} for group, weight in route.mixture],
        "code_mixed": route.code_mixed,
    }
