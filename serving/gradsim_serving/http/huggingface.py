"""The Hugging Face task form: ``POST /models/{endpoint}`` as pipelines and inference endpoints have it.

Clients such as ``huggingface_hub.InferenceClient`` work unchanged; ``POST /predict`` is that of
text-embeddings-inference, where one bundle is served. Errors are as that server gives them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from gradsim_serving.engine.job import TextResult
from gradsim_serving.http.openapi import ANSWERED, responses
from gradsim_serving.http.results import route_header
from gradsim_serving.http.texts import Texting, json_route, written
from gradsim_shared.decode import (
    multi_label_classification,
    question_answering,
    text_classification,
    token_classification,
)
from gradsim_shared.decoding import decoder_of, holds_of
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.messages import Message

PREFIX, PREDICT = "/models", "/predict"

_PAIR_FORM = 'an object {"text": "...", "text_pair": "..."}, or a list of two texts'
_KINDS = {408: "Validation", 429: "Overloaded", 503: "Unhealthy"}


class TaskError(Message):
    """The form of errors."""

    error: str
    error_type: Literal["Validation", "Overloaded", "Unhealthy", "Backend"]


def error_form(status: int, _code: str, message: str, _index: int | None) -> Mapping[str, Any]:
    """Return the body of an error."""
    return {"error": message, "error_type": _KINDS.get(status, "Validation" if status < 500 else "Backend")}


Inputs = str | Annotated[list[str], Field(fail_fast=True)]
"""One text, or several."""


_PAIR_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"text": {"type": "string"}, "text_pair": {"type": "string"}},
            "required": ["text", "text_pair"],
            "additionalProperties": False,
        },
        {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
    ]
}
PairInputs = Annotated[
    Any, WithJsonSchema({"anyOf": [*_PAIR_SCHEMA["anyOf"], {"type": "array", "items": _PAIR_SCHEMA, "minItems": 1}]})
]
"""One pair, or several: each as the pipelines of transformers take it, or as text-embeddings-inference does, a list."""


_QUESTION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "context": {"type": "string"}},
    "required": ["question", "context"],
    "additionalProperties": False,
}
QuestionInputs = Annotated[
    Any, WithJsonSchema({"anyOf": [_QUESTION_SCHEMA, {"type": "array", "items": _QUESTION_SCHEMA, "minItems": 1}]})
]
"""One question with its context, or several."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Parameters(_Form):
    """What every task may be told."""

    language: str | Annotated[list[str | None], Field(fail_fast=True)] | None = Field(
        default=None, description="of the inputs; null: identify it"
    )
    policy: Policy | None = Field(default=None, description="what to do with a text whose language is not sure")


class LabelParameters(Parameters):
    """What text classification may be told."""

    top_k: int | None = Field(default=None, ge=1, description="so many of the likeliest labels; null: all")
    function_to_apply: Literal["softmax"] | None = Field(default=None, description="scores are probabilities, always")


class SeveralLabelsParameters(LabelParameters):
    """What text classification may be told where a text may have several labels."""

    function_to_apply: Literal["sigmoid"] | None = Field(default=None, description="scores are probabilities, always")  # type: ignore[assignment]


class TokenParameters(Parameters):
    """What token classification may be told."""

    aggregation_strategy: Literal["simple"] | None = Field(default=None, description="answers are whole entities")


class QuestionParameters(Parameters):
    """What question answering may be told."""

    top_k: int | None = Field(default=None, ge=1, description="so many of the likeliest spans; null: the likeliest")


class LabelTask(_Form):
    """Texts to classify."""

    inputs: Inputs
    parameters: LabelParameters = LabelParameters()


class PairTask(_Form):
    """Pairs of texts to classify."""

    inputs: PairInputs
    parameters: LabelParameters = LabelParameters()


class SeveralLabelsTask(_Form):
    """Texts to classify, of which each may have several labels."""

    inputs: Inputs
    parameters: SeveralLabelsParameters = SeveralLabelsParameters()


class TokenTask(_Form):
    """Texts whose words to tag."""

    inputs: Inputs
    parameters: TokenParameters = TokenParameters()


class QuestionTask(_Form):
    """Questions to answer, each from its context."""

    inputs: QuestionInputs
    parameters: QuestionParameters = QuestionParameters()


class FoundAnswer(Message):
    """An answer: ``answer == context[start:end]``."""

    score: float
    start: int
    end: int
    answer: str


class LabelScore(Message):
    """A label and its probability."""

    label: str
    score: float


class Span(Message):
    """A named entity, or a word with its part of speech: ``word == sent[start:end]``."""

    entity_group: str
    score: float
    word: str
    start: int
    end: int


_OF_TEXTS = (text_classification.Prediction, multi_label_classification.Prediction)
_FORMS: Mapping[type[Any], type[_Form]] = {
    text_classification.Prediction: LabelTask,
    multi_label_classification.Prediction: SeveralLabelsTask,
    token_classification.Entities: TokenTask,
    token_classification.Words: TokenTask,
    question_answering.Prediction: QuestionTask,
}
_TITLES: Mapping[type[_Form], str] = {TokenTask: "Token classification", QuestionTask: "Question answering"}
_FOUND: Any = FoundAnswer | list[FoundAnswer] | list[list[FoundAnswer]]


def add_tasks(router: APIRouter, texting: Texting, manifests: Mapping[str, Manifest]) -> None:
    """Add a route for each endpoint that has a task of Hugging Face, and ``/predict`` where there is one bundle."""
    for endpoint, manifest in manifests.items():
        kind = decoder_of(manifest.task).prediction_type(manifest.labels)
        if kind in _FORMS:
            model = PairTask if holds_of(manifest.task) == "pairs" else _FORMS[kind]
            _add(router, texting, f"{PREFIX}{endpoint}", endpoint, kind, model)
            if len(manifests) == 1:
                _add(router, texting, PREDICT, endpoint, kind, model)


def task_paths(manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the paths where such routes may be."""
    return [*(f"{PREFIX}{endpoint}" for endpoint in manifests), *([PREDICT] if len(manifests) == 1 else [])]


def _add(router: APIRouter, texting: Texting, path: str, endpoint: str, kind: type[Any], model: type[_Form]) -> None:
    labels = kind in _OF_TEXTS
    answer: Any = list[list[LabelScore]] | list[LabelScore] if labels else list[list[Span]] | list[Span]
    answer = _FOUND if model is QuestionTask else answer
    router.add_api_route(
        path,
        _handler(texting, endpoint, model, nested=labels and path != PREDICT),
        methods=["POST"],
        name=path.strip("/").replace("/", "_"),
        summary=f"{_TITLES.get(model, 'Text classification')} as a task of Hugging Face: {endpoint.strip('/')}",
        response_model=answer,
        response_description="For each text labels, spans or an answer; the route stands in `X-Gradsim-Route`.",
        responses=responses(bool(texting.options.keys), *ANSWERED, form=TaskError),
        route_class_override=json_route(texting.options),
    )


def _handler(
    texting: Texting, endpoint: str, model: type[_Form], *, nested: bool
) -> Callable[..., Awaitable[Response]]:
    """Return the function that answers one path; ``nested``: one text is answered as a list of one, as the Hub does."""
    holds = {PairTask: "pairs", QuestionTask: "questions"}.get(model, "texts")

    async def answer_task(
        body: LabelTask | PairTask | SeveralLabelsTask | TokenTask | QuestionTask, request: Request
    ) -> Response:
        alone = _is_pair(body.inputs) if model is PairTask else isinstance(body.inputs, str | dict)
        inputs = [body.inputs] if alone else body.inputs
        if model is PairTask:
            inputs = _pairs(inputs)
        asked = texting.asked(holds, inputs, body.parameters.language, body.parameters.policy)
        results, _ = await texting.answer(request, endpoint, asked)
        most = getattr(body.parameters, "top_k", None)
        content = await written(asked, _json, results, most, alone and not nested)
        routes = route_header([result.route for result in results])
        return Response(content, media_type="application/json", headers=routes)

    answer_task.__annotations__["body"] = model
    return answer_task


def _is_pair(value: object) -> bool:
    """Return whether a value is one pair: an object, or a list of two strings."""
    return isinstance(value, dict) or (
        isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    )


def _pairs(inputs: object) -> list[object]:
    """Return pairs as lists of two; what a text is, is looked at later.

    Raises:
        RequestError: One is no pair.
    """
    if not isinstance(inputs, list):
        raise RequestError(f"inputs must be {_PAIR_FORM}, or a list of these", code="invalid_request")
    pairs: list[object] = []
    for index, each in enumerate(inputs):
        values = [each.get("text"), each.get("text_pair")] if isinstance(each, dict) else each
        named = each.keys() == {"text", "text_pair"} if isinstance(each, dict) else isinstance(each, list)
        if not named or len(values) != 2:
            raise RequestError(f"input {index} must be {_PAIR_FORM}", code="invalid_text", index=index)
        pairs.append(values)
    return pairs


def _json(results: Sequence[TextResult], most: int | None, alone: bool) -> bytes:
    """Return the body of an answer: a list, or an answer, for each text; ``alone``: that of the only one."""
    answers = [_answer(result.prediction, most) for result in results]
    return to_json(answers[0] if alone else answers)


def _answer(prediction: Any, most: int | None) -> dict[str, Any] | list[dict[str, Any]]:  # noqa: ANN401 - of a task
    if isinstance(prediction, question_answering.Prediction):
        spans = [
            {"score": one.score, "start": one.start, "end": one.end, "answer": one.text} for one in prediction.answers
        ]
        found = spans or [{"score": prediction.score, "start": 0, "end": 0, "answer": ""}]
        return found[:most] if most is not None and most > 1 else found[0]
    if isinstance(prediction, _OF_TEXTS):
        ranked = sorted(prediction.scores.items(), key=lambda scored: -scored[1])
        return [{"label": label, "score": score} for label, score in ranked[:most]]
    if isinstance(prediction, token_classification.Entities):
        return [_span(one.type, one) for one in prediction.entities]
    return [_span(one.tag, one) for one in prediction.words]


def _span(group: str, one: token_classification.Entity | token_classification.Word) -> dict[str, Any]:
    return {"entity_group": group, "score": one.score, "word": one.text, "start": one.start, "end": one.end}
