"""What the service is sent and what it answers: models of which the OpenAPI document and the Python client are made."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from gradsim_shared.manifest_identifier import Policy as Policy  # noqa: PLC0414 - a part of requests

MAX_CODE_CHARACTERS = 40

Reason = Literal["given", "identified", "same_group", "soft", "too_short", "unknown", "fallback", "two_languages"]

Code = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CODE_CHARACTERS,
        description="ISO 639-3, or an alias that /languages lists; script and region, as in en-US, are ignored",
    ),
]


class Texts(BaseModel):
    """Texts to answer, and their languages where the caller knows them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str]
    language: Annotated[
        Code | Annotated[list[Code | None], Field(fail_fast=True)] | None,
        Field(description="of all texts, or of each; null: identify it"),
    ] = None
    policy: Annotated[
        Policy | None,
        Field(
            description="what to do with a text whose language is not sure: best, the likeliest group answers; soft, "
            "the two likeliest answer together; reject, an error; fallback, the bundle's fallback group answers; null: "
            "what the bundle says"
        ),
    ] = None


Two = Annotated[list[Code | None], Field(min_length=2, max_length=2, fail_fast=True)]


class Pairs(BaseModel):
    """Pairs of texts to answer, and their languages where the caller knows them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    language: Annotated[
        Code | Annotated[list[Code | Two | None], Field(fail_fast=True)] | None,
        Field(
            description="of all pairs, or of each: a code, or a list of two, that of each text; null: identify it, or, "
            "beside a code, as that of the other text"
        ),
    ] = None
    policy: Annotated[Policy | None, Field(description="as of texts; null: what the bundle says")] = None


class AskedQuestion(BaseModel):
    """A question and the context that it is answered from."""

    model_config = ConfigDict(extra="forbid", strict=True)

    question: str
    context: str


class Questions(BaseModel):
    """Questions to answer, and their languages where the caller knows them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    questions: list[AskedQuestion]
    language: Annotated[
        Code | Annotated[list[Code | Two | None], Field(fail_fast=True)] | None,
        Field(description="as of pairs: of question and context, or of each of both"),
    ] = None
    policy: Annotated[Policy | None, Field(description="as of texts; null: what the bundle says")] = None


class Message(BaseModel):
    """A part of an answer; fields that a newer service adds are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_serialization_defaults_required=True)


class Candidate(Message):
    """A language that a text may be of."""

    language: str = Field(description="ISO 639-3")
    confidence: float = Field(description="the identifier's probability of it, calibrated")
    group: str = Field(description="the group that serves it")


class Share(Message):
    """The part of one group in an answer."""

    group: str
    weight: float = Field(description="of its probabilities; the weights of an answer sum to 1")


class Route(Message):
    """Which language a text, or a pair, was taken for, which group answered, and why."""

    language: str | None = Field(description="ISO 639-3; null: it was taken for none of the bundle's languages")
    confidence: float | None = Field(description="the identifier's probability of it; null: it was not asked")
    group: str = Field(description="the group that answered; of two, the likelier")
    collective_similarity: float | None = Field(description="of the language in that group; null: it is no member")
    reason: str = Field(
        description="given: the caller named the language; identified: the likeliest group answered, under the policy "
        "best however probable it was, else because it was sure; same_group: no language was sure, but their group "
        "was; soft: no group was sure, the two likeliest answered together; too_short: to be sure; unknown: of no "
        "language of the bundle; fallback: no group was sure, the bundle's fallback group answered; two_languages: the "
        "texts of a pair are of two, their groups answered together",
        json_schema_extra={"enum": list(get_args(Reason))},
    )
    group_confidence: float | None = Field(
        default=None, description="of the group, the sum over its languages; null: as above"
    )
    candidates: tuple[Candidate, ...] = Field(default=(), description="the likeliest languages, the likeliest first")
    mixture: tuple[Share, ...] = Field(
        default=(),
        description="the groups that answered; more than one with reason soft, or where the texts of a pair are of two "
        "languages",
    )
    code_mixed: bool = Field(default=False, description="parts of the text look like different languages")
    second_language: str | None = Field(
        default=None, description="of a pair's second text, where it is another than the first's; null: it is not"
    )


class Prediction(Message):
    """The answer for one text of whatever task, and its route."""

    truncated: bool = Field(
        default=False,
        description="not all of the text was read: it, or a word of it, is longer than is possible",
    )
    route: Route


class LabelPrediction(Prediction):
    """The likeliest label of one text, and its route."""

    label: str = Field(description="one of the endpoint's labels")
    score: float = Field(description="its probability, 0 to 1")
    scores: dict[str, float] = Field(description="the probability of each label")


class LabelsPrediction(Prediction):
    """The labels of one text, of which there may be none, and its route."""

    labels: tuple[str, ...] = Field(
        description="those whose probability reaches the bundle's threshold, in the order of the endpoint's labels"
    )
    scores: dict[str, float] = Field(description="the probability of each label")


Start = Annotated[int, Field(description="of its first character, from 0; counted in Unicode code points, not bytes")]
End = Annotated[int, Field(description="behind its last character; counted in Unicode code points, not bytes")]


class Entity(Message):
    """A named entity: ``text[start:end]`` of the text as it was sent."""

    type: str = Field(description="such as PER, LOC, ORG", examples=["LOC"])
    text: str = Field(description="as it stands in the text that was sent", examples=["Lagos"])
    start: Start
    end: End
    score: float = Field(description="mean probability of its words' tags, 0 to 1")


class EntitiesPrediction(Prediction):
    """The named entities of one text, and its route."""

    entities: tuple[Entity, ...] = Field(description="in the order of the text; none overlap")


class Word(Message):
    """A word with its part of speech: ``text[start:end]`` of the text as it was sent."""

    text: str = Field(description="as it stands in the text that was sent", examples=["Lagos"])
    start: Start
    end: End
    tag: str = Field(description="part of speech, one of the endpoint's labels", examples=["PROPN"])
    score: float = Field(description="probability of the tag, 0 to 1")


class WordsPrediction(Prediction):
    """The words of one text with their parts of speech, and its route."""

    words: tuple[Word, ...] = Field(description="in the order of the text")


class AnswerSpan(Message):
    """A span that may be the answer: ``context[start:end]`` of the context as it was sent."""

    text: str = Field(description="as it stands in the context", examples=["Lagos"])
    start: Start
    end: End
    score: float = Field(description="its probability among all spans that could be the answer, 0 to 1")


class AnswerPrediction(Prediction):
    """The answer to one question, and its route."""

    answer: str = Field(description="as it stands in the context; empty: nothing of it can be read", examples=["Lagos"])
    start: Start
    end: End
    score: float = Field(description="its probability among all spans that could be the answer, 0 to 1")
    answers: tuple[AnswerSpan, ...] = Field(description="the likeliest spans of different texts, the likeliest first")


class OtherPrediction(Prediction):
    """The answer of a task that has no model here, as a newer service may have: what it holds stands in its fields."""

    model_config = ConfigDict(extra="allow")


P = TypeVar("P", bound=Prediction)


class Answer(Message, Generic[P]):
    """One prediction for each text, in the order of the request."""

    predictions: tuple[P, ...]
    bundle: str = Field(description="name@version", examples=["afrisenti@1.0.0"])


class ErrorDetail(Message):
    """What is wrong."""

    code: str = Field(description="machine-readable name of the error", examples=["empty_text"])
    message: str = Field(description="what is wrong and what is allowed", examples=["text 1 is empty"])
    index: int | None = Field(description="which text of the request, from 0; null: the request as a whole")


class ErrorAnswer(Message):
    """The form of every answer that is not 2xx."""

    error: ErrorDetail


class ServedLanguage(Message):
    """One language that one endpoint serves."""

    task: str
    endpoint: str = Field(description="where it is answered")
    code: str = Field(description="ISO 639-3")
    name: str
    aliases: tuple[str, ...]
    scripts: tuple[str, ...]
    group: str
    collective_similarity: float | None = Field(description="in the group that serves it")
    scores: dict[str, dict[str, float]] = Field(description="of the whole service path, per split and metric")
    multilingual: dict[str, dict[str, float]] = Field(
        default={}, description="of one model for all languages, per split and metric"
    )
    texts: dict[str, int] = Field(default={}, description="labelled texts per split")
    estimate: tuple[float, ...] = Field(
        default=(),
        description="of a language that was added later: its score and the ends of the 95 % interval; empty: none",
    )


class Languages(Message):
    """Every language that is served, and where."""

    endpoints: dict[str, tuple[str, ...]] = Field(
        description="ISO 639-3 codes that each endpoint knows", examples=[{"/sentiment": ["hau"], "/ner": ["hau"]}]
    )
    languages: tuple[ServedLanguage, ...]


class ServedBundle(Message):
    """One bundle and where it answers."""

    bundle: str
    task: str
    endpoint: str
    labels: tuple[str, ...]
    examples: dict[str, str | tuple[str, str]] = Field(
        default={}, description="a short text, or pair of texts, in each language that has one here"
    )


class Index(Message):
    """What this service offers."""

    service: Literal["gradsim"] = "gradsim"
    bundles: tuple[ServedBundle, ...]
    endpoints: tuple[str, ...]
    openapi: str = "/openapi.json"
    max_texts: int = Field(description="of a request")
    max_characters: int = Field(description="of a text")


class State(Message):
    """Whether the service is live, or ready."""

    status: Literal["live", "ready"]


class Swap(Message):
    """What a reload did at one endpoint."""

    before: str = Field(description="name@version of the bundle that answered", examples=["afrisenti@1.0.0"])
    after: str = Field(description="of the one that answers now", examples=["afrisenti@1.1.0"])


class Reloaded(Message):
    """What a reload did."""

    bundles: dict[str, Swap] = Field(description="by endpoint")
