"""The endpoints that answer texts: requests validated from their bytes, results written as JSON the quickest way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, TypeVar, get_type_hints

from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from gradsim_runtime.text_checks import is_visible
from gradsim_serving.engine.engine import Engine
from gradsim_serving.engine.job import JobResult
from gradsim_serving.http.bodies import json_of, parsed
from gradsim_serving.http.errors import BODY_FORM, explained, explained_by_name
from gradsim_serving.http.record import Record, record_of
from gradsim_serving.http.results import results_json
from gradsim_serving.http.waiting import unless_disconnected
from gradsim_serving.options import HttpOptions
from gradsim_shared.decode import (
    multi_label_classification,
    question_answering,
    text_classification,
    token_classification,
)
from gradsim_shared.errors import RequestError
from gradsim_shared.messages import (
    Answer,
    AnswerPrediction,
    AskedQuestion,
    EntitiesPrediction,
    LabelPrediction,
    LabelsPrediction,
    Pairs,
    Policy,
    Prediction,
    Questions,
    Texts,
    WordsPrediction,
)
from gradsim_shared.segments import Languages, Pair, Question, Sent, field_of, length_of, segments

B = TypeVar("B", bound=BaseModel)

LONG_CHARACTERS = 4096
"""Responses to more than this are written in a thread: of so many characters `/pos` makes some 800 words, which take
about 2 ms, and of a megabyte half a second, in which the event loop would be blocked. A thread costs 0.1 ms."""

CHARACTERS_OF_A_ROUTE = 40
"""A route takes about as long to write as so many characters' words."""

_MILLISECONDS = re.compile(rb"[0-9]{1,9}")


class JsonRoute(APIRoute):
    """A route whose handler takes one validated body and the request, and returns a response.

    FastAPI's own handling of a request (three exit stacks, its dependencies, the body parsed and validated apart) costs
    as much as all else that the service does for one text: docs/design/http.md. The OpenAPI document is FastAPI's.
    """

    limit = 2**20
    """Bytes of a body, inflated."""
    form = BODY_FORM
    """What messages say that a body must be."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers requests."""
        model: type[BaseModel] = get_type_hints(self.endpoint, include_extras=True)["body"]

        async def handler(request: Request) -> Response:
            body = validated(model, self.content(record_of(request.scope)), self.explain)
            response: Response = await self.endpoint(body=body, request=request)
            return response

        return handler

    def content(self, record: Record) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what the body says, before it is validated."""
        return parsed(json_of(record, self.limit), self.form)

    @staticmethod
    def explain(errors: Sequence[Any]) -> RequestError:
        """Return pydantic's errors in plain words."""
        return explained_by_name(errors)


def validated(model: type[B], content: object, explain: Callable[[Sequence[Any]], RequestError]) -> B:
    """Return what a body says as its model.

    Raises:
        RequestError: It is none.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    raise explain(errors)


def json_route(options: HttpOptions, base: type[JsonRoute] = JsonRoute, **settings: object) -> type[JsonRoute]:
    """Return a class of routes with this service's limits."""
    return type(base.__name__, (base,), {"limit": options.max_body_bytes, **settings})


@dataclass(slots=True)
class Asked:
    """What a request asks, in whatever form it came.

    Attributes:
        texts: To be answered.
        language: Of all, or of each.
        policy: For those of uncertain language; ``None``: the bundle's.
    """

    texts: list[Sent]
    language: Languages
    policy: Policy | None

    @classmethod
    def of(cls, body: Texts | Pairs | Questions) -> Asked:
        """Return what a body in our own form asks."""
        texts: list[Sent]
        if isinstance(body, Questions):
            texts = [Question(one.question, one.context) for one in body.questions]
        else:
            texts = [Pair(*pair) for pair in body.pairs] if isinstance(body, Pairs) else [*body.texts]
        return cls(texts, body.language, body.policy)


def texts_model(options: HttpOptions) -> type[Texts]:
    """Return the model of requests with this service's limits."""
    texts: Any = Annotated[
        list[_text(options)],  # type: ignore[misc]
        Field(min_length=1, max_length=options.max_texts, description="answered in this order"),
    ]
    return create_model("Texts", __base__=Texts, __doc__=Texts.__doc__, texts=(texts, ...))


def pairs_model(options: HttpOptions) -> type[Pairs]:
    """Return the model of requests for pairs of texts with this service's limits."""
    pair: Any = Annotated[list[_text(options)], Field(min_length=2, max_length=2)]  # type: ignore[misc]
    pairs: Any = Annotated[
        list[pair], Field(min_length=1, max_length=options.max_texts, description="answered in this order")
    ]
    return create_model("Pairs", __base__=Pairs, __doc__=Pairs.__doc__, pairs=(pairs, ...))


def questions_model(options: HttpOptions) -> type[Questions]:
    """Return the model of requests for answers to questions with this service's limits."""
    text = _text(options)
    one = create_model(
        "AskedQuestion",
        __base__=AskedQuestion,
        __doc__=AskedQuestion.__doc__,
        question=(text, ...),
        context=(text, ...),
    )
    questions: Any = Annotated[
        list[one],
        Field(min_length=1, max_length=options.max_texts, description="answered in this order"),
    ]
    return create_model("Questions", __base__=Questions, __doc__=Questions.__doc__, questions=(questions, ...))


def _text(options: HttpOptions) -> Any:  # noqa: ANN401 - a type
    longest = None if options.cut_texts else options.max_characters
    cut = f"; what is beyond {options.max_characters} characters is cut off" if options.cut_texts else ""
    return Annotated[
        str,
        Field(max_length=longest, min_length=1, description=f"has a visible character{cut}"),
        AfterValidator(visible),
    ]


def visible(text: str) -> str:
    """Refuse a text without a visible character."""
    if is_visible(text):
        return text
    raise PydanticCustomError("empty_text", "the text is empty")


class LabelAnswer(Answer[LabelPrediction]):
    """One prediction for each text, in the order of the request."""


class LabelsAnswer(Answer[LabelsPrediction]):
    """One prediction for each text, in the order of the request."""


class EntitiesAnswer(Answer[EntitiesPrediction]):
    """One prediction for each text, in the order of the request."""


class WordsAnswer(Answer[WordsPrediction]):
    """One prediction for each text, in the order of the request."""


class AnsweredQuestions(Answer[AnswerPrediction]):
    """One prediction for each question, in the order of the request."""


_ANSWERS: dict[type[Any], type[Answer[Any]]] = {
    text_classification.Prediction: LabelAnswer,
    multi_label_classification.Prediction: LabelsAnswer,
    token_classification.Entities: EntitiesAnswer,
    token_classification.Words: WordsAnswer,
    question_answering.Prediction: AnsweredQuestions,
}


def answer_model(prediction: type[Any]) -> type[Answer[Any]]:
    """Return the model of responses whose predictions have the fields of this dataclass; a task may bring its own."""
    if prediction in _ANSWERS:
        return _ANSWERS[prediction]
    types = get_type_hints(prediction, include_extras=True)
    parts: dict[str, Any] = {part.name: (types[part.name], ...) for part in fields(prediction)}
    name = prediction.__name__.removesuffix("Prediction")
    one = create_model(f"{name}Prediction", __base__=Prediction, __doc__=prediction.__doc__, **parts)
    return create_model(f"{name}Answer", __base__=Answer[one], __doc__=Answer.__doc__)


class Texting:
    """Answers texts, for whatever API they came through.

    Args:
        engine: Answers them.
        options: How long an answer may take, and how many and how long texts may be.

    Attributes:
        models: Of requests, with this service's limits, by the field that holds the texts: ``texts``, ``pairs`` or
            ``questions``.
    """

    def __init__(self, engine: Engine, options: HttpOptions) -> None:
        self.engine, self.options = engine, options
        self.models: dict[str, type[Texts | Pairs | Questions]] = {
            "texts": texts_model(options),
            "pairs": pairs_model(options),
            "questions": questions_model(options),
        }

    def explain(self, errors: Sequence[Any], holds: str = "texts") -> RequestError:
        """Return pydantic's errors about `Texts`, `Pairs` or `Questions` in plain words."""
        limits = {"max_texts": self.options.max_texts, "max_characters": self.options.max_characters}
        return explained(errors, **limits, holds=holds)

    def asked(self, holds: str, texts: object, language: object = None, policy: object = None) -> Asked:
        """Return a request that came in another form; ``holds``: ``texts``, ``pairs`` or ``questions``.

        Raises:
            RequestError: It is none.
        """
        content = {holds: texts, "language": language, "policy": policy}
        return Asked.of(validated(self.models[holds], content, partial(self.explain, holds=holds)))

    async def answer(self, request: Request, endpoint: str, asked: Asked) -> tuple[JobResult, frozenset[int]]:
        """Return the results, and which texts were cut to the service's limit.

        Args:
            request: Tells deadline and disconnect.
            endpoint: Such as ``/sentiment``.
            asked: Texts, languages, policy; texts that are too long are cut in place, where the service does so.

        Raises:
            RequestError: As of ``Engine.answer``; ``invalid_header``; ``empty_text``: nothing is left of a text.
            ClientDisconnected: Nobody reads a response.
        """
        record = record_of(request.scope)
        deadline = record.begun + seconds_of(record, self.options.timeout_seconds)
        cut = cut_texts(asked.texts, self.options.max_characters) if self.options.cut_texts else frozenset()
        record.texts = len(asked.texts)
        work = self.engine.answer(endpoint, asked.texts, asked.language, policy=asked.policy, deadline=deadline)
        results = await unless_disconnected(work, request.receive)
        record.groups = tuple({result.route.group: None for result in results})
        record.stages = results.seconds
        return results, cut


def texts_handler(endpoint: str, texting: Texting, holds: str = "texts") -> Callable[..., Awaitable[Response]]:
    """Return the function that answers the requests to one endpoint."""

    async def answer_texts(body: Texts | Pairs | Questions, request: Request) -> Response:
        asked = Asked.of(body)
        results, cut = await texting.answer(request, endpoint, asked)
        content = await written(asked, results_json, results, cut)
        return Response(content, media_type="application/json")

    answer_texts.__annotations__["body"] = texting.models[holds]
    return answer_texts


async def written(asked: Asked, write: Callable[..., bytes], *arguments: object) -> bytes:
    """Return what a function writes for these texts, in a thread where there is much to write."""
    size = sum(map(length_of, asked.texts)) + CHARACTERS_OF_A_ROUTE * len(asked.texts)
    return write(*arguments) if size <= LONG_CHARACTERS else await asyncio.to_thread(write, *arguments)


def seconds_of(record: Record, most: float) -> float:
    """Return how long an answer may take: less than ``most`` where ``X-Request-Timeout-Ms`` says so.

    Raises:
        RequestError: ``invalid_header``.
    """
    asked = record.headers.get(b"x-request-timeout-ms")
    if asked is None:
        return most
    if _MILLISECONDS.fullmatch(asked) is None or int(asked) == 0:
        message = "X-Request-Timeout-Ms must be a whole number of milliseconds from 1 to 999999999"
        raise RequestError(message, code="invalid_header")
    return min(most, int(asked) / 1000)


def cut_texts(texts: list[Sent], limit: int) -> frozenset[int]:
    """Cut long texts, or segments of pairs, where they stand; return which.

    Raises:
        RequestError: ``empty_text``: nothing visible is left of one.
    """
    long = frozenset(index for index, text in enumerate(texts) if max(map(len, segments(text))) > limit)
    for index in long:
        cut = [segment[:limit] for segment in segments(texts[index])]
        texts[index] = type(sent)(*cut) if isinstance(sent := texts[index], Pair) else cut[0]
        if not all(map(is_visible, cut)):
            message = f"{field_of([texts[index]])[:-1]} {index} has no visible character among its first {limit}"
            raise RequestError(message, code="empty_text", index=index)
    return long
