"""The forms of requests and answers: what clients send and get."""

from __future__ import annotations

import unicodedata
from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

from gradsim_serving.validation import MAX_CHARACTERS, MAX_CODE_CHARACTERS, MAX_TEXTS
from gradsim_shared.manifest import Parity

_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}  # not Cn: Python may not know the newest emoji yet


def _visible(text: str) -> str:
    """Refuse a text of nothing but spaces, control and format characters."""
    if all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise PydanticCustomError("empty_text", "the text is empty")
    return text


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_visible)]
Code = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_CODE_CHARACTERS,
        description="ISO 639-3, or an alias that /languages lists; script or region, as in en-US, are ignored",
    ),
]


class Texts(BaseModel):
    """Texts to answer, and their languages where the caller knows them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    language: Annotated[
        Code | list[Code | None] | None,
        Field(description="of all texts, or of each; null: identify it"),
    ] = None


class RouteForm(BaseModel):
    """Which language a text was taken for, which group answered, and why."""

    language: str | None = Field(description="ISO 639-3; null: the text's script belongs to no language of the bundle")
    confidence: float | None = Field(description="the identifier's probability of it; null: the caller named it")
    group: str
    collective_similarity: float | None = Field(description="of the language in that group; null: it is no member")
    reason: Literal["given", "identified", "fallback", "unknown"]


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


def answer_form(name: str, prediction: type[Any]) -> type[BaseModel]:
    """Return the form of a whole answer: one prediction for each text, in the order of the request.

    Args:
        name: Of the endpoint, without its slash.
        prediction: The dataclass whose fields a prediction has, beside its route.
    """
    form: Any = _prediction_form(name, prediction)
    return create_model(
        f"{name.capitalize()}Answer",
        __doc__="One prediction for each text, in the order of the request.",
        predictions=(list[form], ...),
        bundle=(str, Field(description="name@version", examples=["afrisenti@1.0.0"])),
    )


def _prediction_form(name: str, prediction: type[Any]) -> type[BaseModel]:
    types = get_type_hints(prediction, include_extras=True)  # with their descriptions
    parts: dict[str, Any] = {part.name: (types[part.name], ...) for part in fields(prediction)}
    return create_model(
        f"{name.capitalize()}Prediction",
        __doc__=f"The {name} answer for one text, and its route.",
        **parts,
        route=(RouteForm, ...),
    )
