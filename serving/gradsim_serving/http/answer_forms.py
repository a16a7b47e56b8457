"""The form of answers and of routes, as the documents describe them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import BaseModel, Field, create_model

from gradsim_shared.routing import Reason


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


def answer_form(name: str, prediction: type[Any]) -> type[BaseModel]:
    """Return the form of a whole answer: one prediction for each text, in the order of the request.

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
