"""The endpoints that answer texts: requests validated from their bytes, results written as JSON the quickest way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import fields
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
from gradsim_serving.http.errors import explained, explained_by_name
from gradsim_serving.http.record import Record, record_of
from gradsim_serving.http.results import results_json
from gradsim_serving.http.waiting import unless_disconnected
from gradsim_serving.options import HttpOptions
from gradsim_shared.decode import multi_label_classification, text_classification, token_classification
from gradsim_shared.errors import RequestError
from gradsim_shared.messages import (
    Answer,
    EntitiesPrediction,
    LabelPrediction,
    LabelsPrediction,
    Prediction,
    Texts,
    WordsPrediction,
)

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
        return parsed(json_of(record, self.limit))

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


def texts_model(options: HttpOptions) -> type[Texts]:
    """Return the model of requests with this service's limits."""
    longest = None if options.cut_texts else options.max_characters
    cut = f"; what is beyond {options.max_characters} characters is cut off" if options.cut_texts else ""
    text = Annotated[
        str,
        Field(max_length=longest, min_length=1, description=f"has a visible character{cut}"),
        AfterValidator(visible),
    ]
    texts: Any = Annotated[
        list[text],
        Field(min_length=1, max_length=options.max_texts, description="answered in this order"),
    ]
    return create_model("Texts", __base__=Texts, __doc__=Texts.__doc__, texts=(texts, ...))


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


_ANSWERS: dict[type[Any], type[Answer[Any]]] = {
    text_classification.Prediction: LabelAnswer,
    multi_label_classification.Prediction: LabelsAnswer,
    token_classification.Entities: EntitiesAnswer,
    token_classification.Words: WordsAnswer,
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
        model: Of requests, with this service's limits.
    """

    def __init__(self, engine: Engine, options: HttpOptions) -> None:
        self.engine, self.options = engine, options
        self.model = texts_model(options)

    def explain(self, errors: Sequence[Any]) -> RequestError:
        """Return pydantic's errors about `Texts` in plain words."""
        return explained(errors, max_texts=self.options.max_texts, max_characters=self.options.max_characters)

    def asked(self, texts: object, language: object = None, policy: object = None) -> Texts:
        """Return a request that came in another form.

        Raises:
            RequestError: It is none.
        """
        return validated(self.model, {"texts": texts, "language": language, "policy": policy}, self.explain)

    async def answer(self, request: Request, endpoint: str, asked: Texts) -> tuple[JobResult, frozenset[int]]:
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
        cut = cut_texts(asked, self.options.max_characters) if self.options.cut_texts else frozenset()
        record.texts = len(asked.texts)
        work = self.engine.answer(endpoint, asked.texts, asked.language, policy=asked.policy, deadline=deadline)
        results = await unless_disconnected(work, request.receive)
        record.groups = tuple({result.route.group: None for result in results})
        record.stages = results.seconds
        return results, cut


def texts_handler(endpoint: str, texting: Texting) -> Callable[..., Awaitable[Response]]:
    """Return the function that answers the requests to one endpoint."""

    async def answer_texts(body: Texts, request: Request) -> Response:
        results, cut = await texting.answer(request, endpoint, body)
        content = await written(body, results_json, results, cut)
        return Response(content, media_type="application/json")

    answer_texts.__annotations__["body"] = texting.model
    return answer_texts


async def written(asked: Texts, write: Callable[..., bytes], *arguments: object) -> bytes:
    """Return what a function writes for these texts, in a thread where there is much to write."""
    size = sum(map(len, asked.texts)) + CHARACTERS_OF_A_ROUTE * len(asked.texts)
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


def cut_texts(asked: Texts, limit: int) -> frozenset[int]:
    """Cut long texts where they stand; return which.

    Raises:
        RequestError: ``empty_text``: nothing visible is left of one.
    """
    long = frozenset(index for index, text in enumerate(asked.texts) if len(text) > limit)
    for index in long:
        asked.texts[index] = asked.texts[index][:limit]
        if not is_visible(asked.texts[index]):
            message = f"text {index} has no visible character among its first {limit}"
            raise RequestError(message, code="empty_text", index=index)
    return long
