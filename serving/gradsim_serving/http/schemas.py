"""The schemas of responses: predictions and routes, errors, index, languages, groups, health, reload."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, Field, create_model

from gradsim_shared.manifest import Parity
from gradsim_shared.routing import Reason


class ErrorDetail(BaseModel):
    """What is wrong."""

    code: str = Field(description="machine-readable name of the error", examples=["empty_text"])
    message: str = Field(description="what is wrong and what is allowed", examples=["text 1 is empty"])
    index: int | None = Field(description="which text of the request, from 0; null: the request as a whole")


class ErrorAnswer(BaseModel):
    """The form of every answer that is not 2xx."""

    error: ErrorDetail


class LanguageForm(BaseModel):
    """One language that one endpoint serves."""

    task: str
    endpoint: str = Field(description="where it is answered")
    code: str = Field(description="ISO 639-3")
    name: str
    aliases: list[str]
    scripts: list[str]
    group: str
    collective_similarity: float | None = Field(description="in the group that serves it")
    scores: dict[str, dict[str, float]] = Field(description="of the whole service path, per split and metric")


class Languages(BaseModel):
    """Every language that is served, and where."""

    endpoints: dict[str, list[str]] = Field(
        description="ISO 639-3 codes that each endpoint knows", examples=[{"/sentiment": ["hau"], "/ner": ["hau"]}]
    )
    languages: list[LanguageForm]


class GroupForm(BaseModel):
    """One group of one bundle."""

    task: str
    endpoint: str
    bundle: str
    id: str
    members: list[str] = Field(description="languages that its model was trained on")
    serves: list[str] = Field(description="languages that it answers for")
    fallback: bool = Field(description="it answers when the language is not known well enough")
    precision: str = Field(description="of the exported model that answers")
    parity: Parity = Field(description="how its outputs compare with those of the model that was trained")
    latency_milliseconds: float = Field(description="median of single texts of median length, one thread, as built")


class Groups(BaseModel):
    """Every group of every bundle."""

    groups: list[GroupForm]


class BundleForm(BaseModel):
    """One bundle and where it answers."""

    bundle: str
    task: str
    endpoint: str
    labels: list[str]


class Index(BaseModel):
    """What this service offers."""

    service: Literal["gradsim"] = "gradsim"
    bundles: list[BundleForm]
    endpoints: list[str]
    openapi: str = "/openapi.json"


class State(BaseModel):
    """Whether the service is live, or ready."""

    status: Literal["live", "ready"]


class Swap(BaseModel):
    """What a reload did at one endpoint."""

    before: str = Field(description="name@version of the bundle that answered", examples=["afrisenti@1.0.0"])
    after: str = Field(description="of the one that answers now", examples=["afrisenti@1.1.0"])


class Reloaded(BaseModel):
    """What a reload did."""

    bundles: dict[str, Swap] = Field(description="by endpoint")


class CandidateForm(BaseModel):
    """A language that a text may be of."""

    language: str = Field(description="ISO 639-3")
    confidence: float = Field(description="the identifier's probability of it, calibrated")
    group: str = Field(description="the group that serves it")


class ShareForm(BaseModel):
    """The part of one group in an answer."""

    group: str
    weight: float = Field(description="of its probabilities; the weights of an answer sum to 1")


class RouteForm(BaseModel):
    """Which language a text was taken for, which group answered, and why."""

    language: str | None = Field(description="ISO 639-3; null: it was taken for none of the bundle's languages")
    confidence: float | None = Field(description="the identifier's probability of it; null: it was not asked")
    group: str = Field(description="the group that answered; of two, the likelier")
    collective_similarity: float | None = Field(description="of the language in that group; null: it is no member")
    reason: Reason = Field(
        description="given: the caller named the language; identified: the likeliest group answered, under the policy "
        "best however probable it was, else because it was sure; same_group: no language was sure, but their group "
        "was; soft: no group was sure, the two likeliest answered together; too_short: to be sure; unknown: of no "
        "language of the bundle; fallback: no group was sure, the bundle's fallback group answered"
    )
    group_confidence: float | None = Field(description="of the group, the sum over its languages; null: as above")
    candidates: list[CandidateForm] = Field(description="the likeliest languages, the likeliest first")
    mixture: list[ShareForm] = Field(description="the groups that answered; more than one with reason soft")
    code_mixed: bool = Field(description="parts of the text look like different languages")


def response_schema(name: str, prediction: type[Any]) -> type[BaseModel]:
    """Return the schema of a response: one prediction for each text, in the order of the request.

    Args:
        name: Of the endpoint, without its slash.
        prediction: The dataclass whose fields a prediction has, beside ``truncated`` and ``route``.
    """
    types = get_type_hints(prediction, include_extras=True)  # with their descriptions
    parts: dict[str, Any] = {part.name: (types[part.name], ...) for part in fields(prediction)}
    form: Any = create_model(
        f"{name.capitalize()}Prediction",
        __doc__=f"The {name} answer for one text, and its route.",
        **parts,
        truncated=(
            bool,
            Field(description="not all of the text was read: it, or a word of it, is longer than is possible"),
        ),
        route=(RouteForm, ...),
    )
    return create_model(
        f"{name.capitalize()}Answer",
        __doc__="One prediction for each text, in the order of the request.",
        predictions=(list[form], ...),
        bundle=(str, Field(description="name@version", examples=["afrisenti@1.0.0"])),
    )
