"""The manifest's part on language identification: the model, its calibration, and when not to believe it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gradsim_shared.normalisation import NEWEST

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Policy = Literal["best", "soft", "reject", "fallback"]


def _known_normalisation(version: int) -> int:
    if version not in range(NEWEST + 1):
        known = ", ".join(map(str, range(1, NEWEST + 1)))
        raise ValueError(f"unknown normalisation {version}; this version knows 0 (none), {known}")
    return version


Normalisation = Annotated[int, AfterValidator(_known_normalisation)]


class Entry(BaseModel):
    """A part of the manifest: nothing changes it, nothing unknown stands in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Profiles(Entry):
    """How probable each character n-gram is in each language: a table of its own."""

    file: Name = Field(default="profiles.npy", description="uint8 [languages, buckets], steps of the log probability")
    languages: list[str] = Field(min_length=1, description="ISO 639-3, in the order of its rows")
    order: Annotated[int, Field(ge=1)] = Field(description="characters in an n-gram")


class Usual(Entry):
    """The mean log probability of a language's own dev texts: around which value, and how far it strays below it."""

    centre: float = Field(description="median, in nats per n-gram")
    variance: Annotated[float, Field(gt=0)] = Field(description="of a very long text")
    variance_per_ngram: Annotated[float, Field(ge=0)] = Field(description="over the number of n-grams: added to it")


class Known(Entry):
    """When a text is taken for one of no language of the bundle."""

    threshold: Share = Field(description="below this figure: of no language; the share of dev texts given up for it")
    usual: dict[str, Usual] = Field(description="per language")
    scores: list[float] = Field(description="quantiles of (mean - centre) / deviation over dev texts, ascending")
    shares: list[float] = Field(description="of dev texts below each; between them: a straight line")
    accepted: dict[str, float] = Field(default={}, description="language -> share of its dev texts not below threshold")

    @model_validator(mode="after")
    def _ascending(self) -> Known:
        if len(self.scores) != len(self.shares) or not self.scores:
            raise ValueError("known: as many scores as shares are needed")
        if sorted(self.scores) != self.scores or sorted(self.shares) != self.shares:
            raise ValueError("known: scores and shares must ascend")
        return self


class CodeMixing(Entry):
    """When a text is said to be in two languages: cut in two, two of them explain it so much better than one."""

    words: Annotated[int, Field(ge=2)] = Field(description="texts of fewer words are not looked at")
    threshold: float = Field(description="nats gained by the cut, over the square root of the number of n-grams")


class Reliability(Entry):
    """How often the identifier is right at each confidence, over ten equal bins of it (dev, languages weigh alike)."""

    share: list[float] = Field(description="of the texts in each bin; they sum to 1")
    confidence: list[float] = Field(description="mean probability of the likeliest language, 0 to 1; empty bin: 0")
    accuracy: list[float] = Field(description="share of those texts that are of that language; empty bin: 0")
    expected_calibration_error: float = Field(description="mean of |confidence - accuracy|, weighted by share")


class Identifier(Entry):
    """The fastText language identifier, and what becomes of a text whose language it is not sure of."""

    file: Name = "identifier.ftz"
    labels: dict[str, str] = Field(description="fastText label -> language code")
    threshold: Share = Field(
        description="a group, or a language, of at least this probability is sure; below it the policy decides"
    )
    temperature: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="probabilities are raised to 1/temperature and renormalised"
    )
    accuracy: dict[str, float] = Field(default={}, description="per split, over all texts")
    policy: Policy = Field(
        default="fallback",
        description="when not sure: best, the likeliest group answers; soft, the two likeliest; reject, an error; "
        "fallback, the fallback group",
    )
    soft_threshold: Share = Field(
        default=0.5, description="policy soft runs two groups where the likeliest has less than this probability"
    )
    minimum_letters: Annotated[int, Field(ge=0)] = Field(
        default=0, description="a text of fewer letters is too short to be sure of its language"
    )
    normalisation: Normalisation = Field(
        default=0, description="version of the text normalisation that it was trained with; 0: none"
    )
    profiles: Profiles | None = Field(default=None, description="null: neither known nor code_mixing can be said")
    known: Known | None = Field(default=None, description="null: only the script shows that a language is unknown")
    code_mixing: CodeMixing | None = Field(default=None, description="null: not looked for")
    reliability: dict[Literal["before", "after"], Reliability] = Field(
        default={}, description="on dev, before and after the temperature"
    )

    @model_validator(mode="after")
    def _profiles_are_there(self) -> Identifier:
        if self.profiles is None and (self.known or self.code_mixing):
            raise ValueError("known and code_mixing need profiles")
        if self.profiles is not None and self.known is not None:
            missing = set(self.profiles.languages) ^ set(self.known.usual)
            if missing:
                raise ValueError(f"profiles and known do not agree about {', '.join(sorted(missing))}")
        return self
