"""The settings of a build, section by section: defaults, meanings, limits; ``pipeline/recipes.py`` reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from gradsim_offline.core.section import Positive, Rate, Section
from gradsim_offline.core.training_settings import Adapting, Measuring, NGrams, Pretraining, Training
from gradsim_shared.endpoints import NewEndpoint

NGRAMS = "ngrams"
"""The model that is no encoder: linear classifiers over n-grams."""
AUTO = "auto"
"""Of ``--model``: a build chooses it (``pipeline/auto_model.py``); no settings have it."""
E5_SMALL = "e5-small"
"""The pre-trained encoder that can be had without the Hub."""
SINGLETON_RULES = ("self", "split-half", "zero", "forbid")

BundleName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]

CONSTRAINTS = ("must_link", "cannot_link", "largest_group", "budget")


class GroupingSettings(Section):
    """How groups are chosen."""

    solver: str = Field("exact", description="see `gradsim-offline list solvers`")
    groups: Positive | Literal["auto"] = Field(
        "auto", description="K, the number of groups, at most; auto: the K whose models answer dev texts best"
    )
    candidates: list[Positive] | None = Field(
        None, description="K that auto tries, beside 1 and N; none: 2, 4 and 8, and only while more bring something"
    )
    must_link: list[str] = Field([], description="languages that one group serves, as in hau+yor")
    cannot_link: list[str] = Field([], description="languages that are never in one group, as in arq+pcm")
    largest_group: Positive | None = Field(None, description="members of a group, at most; none: no limit")
    budget: Rate | None = Field(
        None, description="summed training texts of all groups' members, at most, as a multiple of all texts"
    )
    effort: Rate = Field(
        1.0, description="iterations after which a solver returns the best that it has, as a multiple of the usual"
    )
    singleton_score: str | float = Field(
        "self", description="a group of one: self, split-half, zero, forbid or a number"
    )

    @field_validator("singleton_score")
    @classmethod
    def _known_rule(cls, rule: str | float) -> str | float:
        known = isinstance(rule, str) and rule in SINGLETON_RULES
        try:
            if known or math.isfinite(float(rule)):
                return rule
        except ValueError:
            pass
        raise ValueError(f"it is one of {', '.join(SINGLETON_RULES)}, or a number")


class Identifying(Section):
    """The language identifier."""

    maximum_megabytes: Rate = Field(3.0, description="of the quantised model")
    threshold: Annotated[float, Field(ge=0, le=1)] = Field(
        0.4, description="below this probability of the best group a language is not sure"
    )
    policy: Literal["best", "soft", "reject", "fallback"] = Field(
        "best", description="what the service does where it is not sure; a request may say otherwise"
    )


class Exporting(Section):
    """Export and its check."""

    tolerance: Rate = Field(1e-3, description="largest allowed difference of a logit between ONNX and torch")
    parity_texts: Positive = Field(256, description="dev texts compared per group, at most")
    precision: Literal["auto", "fp32", "int8"] = Field(
        "auto",
        description="auto: 8 bits where that loses next to nothing on dev; fp32, as for GPUs",
    )
    assignment: bool = Field(
        True, description="keep the joint model in the bundle, so that assign can also compare gradients"
    )


class Reporting(Section):
    """What the build's report shows."""

    examples: Annotated[int, Field(ge=0)] = Field(
        0,
        description="errors per language that are shown with their texts, which are then in the bundle, and shown by "
        "the service where it has keys; 0: none",
    )


class Settings(Section):
    """All settings of a build."""

    data: str = Field("demo", description="see `gradsim-offline list datasets`")
    data_dir: Path | None = Field(None, description="where its files lie; none: the data set's own rule")
    data_options: dict[str, Any] = Field(
        {}, description="the data set's own settings; `settings --data NAME` shows them"
    )
    languages: list[str] | None = Field(None, description="codes; none: all")
    model: str = Field("mini", description="ngrams, mini, e5-small, a Hugging Face name, or a directory")
    keep: Literal["best", "groups", "one", "each"] | None = Field(
        None, description="what the bundle holds: what answers dev best, or the best of a kind; none: best for auto K"
    )
    maximum_milliseconds: Rate | None = Field(
        None, description="what an answer may cost: one text of median length, one thread; none: any"
    )
    trim_vocabulary: bool = Field(
        True, description="of a pre-trained encoder: keep only the pieces that the training texts use"
    )
    common_pieces: Annotated[int, Field(ge=0)] = Field(
        50_000, description="of these, the most frequent of the encoder's, those in the texts' scripts are kept, too"
    )
    extra_texts: Path | None = Field(
        None, description="directory of <lang>.txt or <lang>/*.txt whose pieces are kept, too"
    )
    measure: str = Field("gradient", description="see `gradsim-offline list similarity`")
    maximum_length: Annotated[int, Field(ge=8)] = Field(128, description="tokens that a model reads at once")
    long_texts: Literal["auto", "cut", "windows"] = Field(
        "auto",
        description="how longer texts with one label are answered: cut, or as the mean over windows; auto: windows "
        "where dev says that they help. Training reads the beginning",
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(0, description="all randomness comes from it")
    device: str = Field("auto", description="auto, cpu, cuda, mps")
    trackers: list[Literal["tensorboard", "mlflow", "wandb"]] = Field(
        [], description="tensorboard, mlflow, wandb: get the figures of metrics.jsonl, too"
    )
    name: BundleName | None = Field(None, description="of the bundle; none: the data set's")
    version: BundleName = Field("1.0.0", description="of the bundle")
    endpoint: NewEndpoint | None = Field(
        None,
        description="where the service answers; none: sentiment, ner, pos, nli or paraphrase by the labels, else the "
        "data's name",
    )
    similarity: dict[str, Any] = Field({}, description="the measure's own settings; `gradsim-offline list` names them")
    pretraining: Pretraining = Pretraining()
    ngrams: NGrams = NGrams()
    adapting: Adapting = Adapting()
    measuring: Measuring = Measuring()
    grouping: GroupingSettings = GroupingSettings()
    training: Training = Training()
    identifying: Identifying = Identifying()
    exporting: Exporting = Exporting()
    report: Reporting = Reporting()

    @model_validator(mode="after")
    def _what_linear_models_can(self) -> Settings:
        if not self.linear:
            return self
        asked = {
            "training.strategy": self.training.strategy != "mixed",
            "training.ensemble": self.training.ensemble > 1,
            "adapting.mode": self.adapting.mode == "tapt-group"
            or (self.adapting.mode != "none" and self.model == NGRAMS),
            "measuring.balanced": self.measuring.balanced,
            "measuring.layers": self.measuring.layers != ["head.out"],
            "measuring.projection": self.measuring.projection is not None,
            "measuring.skipped_epochs": self.measuring.skipped_epochs > 0,
        }
        if names := [name for name, set_so in asked.items() if set_so]:
            what = (
                "model ngrams" if self.model == NGRAMS else "a head over a frozen encoder (training.trained_blocks = 0)"
            )
            raise ValueError(f"{what} is linear and has no steps: {', '.join(names)} cannot be set for it")
        return self

    @model_validator(mode="after")
    def _what_stands_on_a_trunk(self) -> Settings:
        blocks = self.training.trained_blocks
        if blocks == "all":
            return self
        given = f"training.trained_blocks = {blocks}"
        if self.model in ("mini", NGRAMS):
            raise ValueError(f"{given} is for pre-trained encoders; {self.model} is trained whole")
        if self.adapting.mode == "tapt-group":
            raise ValueError(f"{given}: groups share what lies below; use adapting.mode tapt, which adapts it once")
        if blocks and self.training.ensemble > 1:
            raise ValueError(f"{given}: what stands on a trunk is no ensemble; use all, or training.ensemble = 1")
        return self

    @property
    def linear(self) -> bool:
        """Whether the models of the asked-for kind are linear."""
        return self.model == NGRAMS or self.training.trained_blocks == 0

    @property
    def trains_whole_models(self) -> bool:
        """Whether a trained model is one of texts by itself: not linear, nor on a trunk."""
        return self.model != NGRAMS and self.training.trained_blocks == "all"

    @property
    def kept(self) -> str:
        """What the bundle holds: as set, else the groups where K was given as a number."""
        return self.keep or ("best" if self.grouping.groups == "auto" else "groups")

    @field_validator("model")
    @classmethod
    def _named(cls, model: str) -> str:
        if model == AUTO:
            raise ValueError(
                "only a build chooses the model; name ngrams, mini, e5-small, another encoder or a directory"
            )
        return model

    @field_validator("languages")
    @classmethod
    def _not_empty(cls, languages: list[str] | None) -> list[str] | None:
        if languages is not None and not languages:
            raise ValueError("name at least one language, or leave it out for all")
        return languages
