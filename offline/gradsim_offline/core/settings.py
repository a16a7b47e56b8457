"""The settings of a build, section by section: defaults, meanings, limits; ``pipeline/recipes.py`` reads them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gradsim_offline.core import plugins
from gradsim_shared.endpoints import EndpointName

NGRAMS = "ngrams"
"""The model that is no encoder: linear classifiers over n-grams."""
AUTO = "auto"
"""Of ``--model``: a build chooses it (``pipeline/auto_model.py``); no settings have it."""
E5_SMALL = "e5-small"
"""The pre-trained encoder that can be had without the Hub."""
SINGLETON_RULES = ("self", "split-half", "zero", "forbid")

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
BundleName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]


class Section(BaseModel):
    """A section of the settings; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Schedule(Section):
    """How long and how fast a model is trained."""

    epochs: Positive = Field(3, description="passes over the group's training texts")
    minimum_steps: Annotated[int, Field(ge=0)] = Field(0, description="more epochs for small groups, up to this many")
    batch_size: Positive = Field(32, description="texts per step")
    learning_rate: Rate = Field(2e-5, description="peak of a linear schedule")
    sparse_rate: Rate = Field(1.0, description="rate of sparse embeddings (mini's n-grams), as a multiple")
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.06, description="share of the steps with a rising rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW, on linear weights only")
    clip: Rate = Field(1.0, description="largest norm of the gradient")
    fraction: Share = Field(1.0, description="share of each language's training texts, as for learning curves")


class Training(Schedule):
    """How one model is fine-tuned."""

    trained_blocks: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        "all",
        description="upper blocks of an encoder that are trained; the others are a frozen trunk, whose outputs are "
        "kept; 0: linear heads over its outputs and n-grams",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="of matrix products in all trainings, weights and gradients are fp32; auto: bf16 for pre-trained "
        "encoders where the GPU, or the CPU by AMX or AVX512-BF16, has it",
    )
    strategy: str = Field("mixed", description="what a step does with the languages' gradients; see `list strategies`")
    strategy_options: dict[str, Any] = Field(
        {}, description="the strategy's own settings; `settings --strategy NAME` shows them"
    )
    ensemble: Positive = Field(1, description="models per group, of other seeds, whose answers are averaged")
    average: Literal["probabilities", "logits"] = Field("probabilities", description="what an ensemble averages")
    distil: bool = Field(False, description="train one model on the ensemble's probabilities, and serve that")
    distil_weight: Share = Field(0.5, description="of the ensemble's answers in its loss; the labels have the rest")
    distil_temperature: Rate = Field(2.0, description="softens both models' probabilities in that loss")

    @field_validator("distil")
    @classmethod
    def _something_to_distil(cls, distil: bool, info: ValidationInfo) -> bool:
        if distil and info.data.get("ensemble") == 1:
            raise ValueError("it takes an ensemble; set training.ensemble, as in training.ensemble=3")
        if distil and (strategy := info.data.get("strategy", "mixed")) != "mixed":
            raise ValueError(f"the loss of an ensemble's student leaves no room for strategy {strategy}; use mixed")
        return distil

    @model_validator(mode="after")
    def _known_strategy(self) -> Training:
        plugins.check("strategies", self.strategy)
        if self.strategy != "mixed" or self.strategy_options:  # else torch need not be loaded
            plugins.options("strategies", self.strategy, self.strategy_options)
        return self


class Measuring(Schedule):
    """The joint run in which the languages' gradients are compared (GradSim step I)."""

    fraction: Share = Field(1.0, description="share of each language's training texts that the joint run sees")
    layers: Annotated[list[str], Field(min_length=1)] = Field(
        ["head.out"], description="tracked layers: head.out, head, encoder.<n>; the first decides"
    )

    skipped_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="gradient only: so many epochs, from the first, do not count in S: a warm start"
    )
    averaged_epochs: Positive | None = Field(
        None, description="gradient only: S is the mean over so many epochs, from the first that counts; none: all"
    )
    balanced: bool = Field(
        False, description="gradient only: weigh the labels of a language alike, so that class balance does not count"
    )
    projection: Positive | None = Field(
        None, description="numbers kept of a tracked layer's weight gradient, at most (65536 for big layers); none: all"
    )

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Measuring:
        if self.skipped_epochs + (self.averaged_epochs or 1) > self.epochs:
            skipped = f"skipped_epochs = {self.skipped_epochs}, " if self.skipped_epochs else ""
            raise ValueError(
                f"{skipped}averaged_epochs = {self.averaged_epochs}, and epochs = {self.epochs}: "
                "skipped and averaged must be no more than there are"
            )
        return self

    @field_validator("layers")
    @classmethod
    def _known_layers(cls, layers: list[str]) -> list[str]:
        for name in layers:
            if not re.fullmatch(r"head|head\.out|encoder\.\d+", name):
                raise ValueError(f"tracked layer {name!r} is not known; use head.out, head or encoder.<number>")
        return layers


class Pretraining(Section):
    """How ``mini`` is made: tokenizer, sizes, masked-language modelling on the build's training texts."""

    vocabulary: Annotated[int, Field(ge=100)] = Field(12_000, description="pieces of the tokenizer, at most")
    lowercase: bool = Field(True, description="fold case; false where capitals tell, as in names")
    hidden_size: Annotated[int, Field(ge=32, multiple_of=32)] = Field(
        128, description="width of the transformer; a multiple of 32, one head each"
    )
    layers: Annotated[int, Field(ge=0)] = Field(2, description="blocks of the transformer")
    ngram_buckets: Annotated[int, Field(ge=16)] = Field(1 << 19, description="hash buckets of the character n-grams")
    ngram_size: Positive = Field(32, description="width of the n-gram embeddings")
    ngram_dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="share of n-grams left out in training")
    view_dropout: Annotated[float, Field(ge=0, le=0.5)] = Field(0.25, description="chance that one view is left out")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="in the transformer and the head")
    epochs: Annotated[int, Field(ge=0)] = Field(2, description="passes of masked-language modelling, at most")
    tokens: Positive = Field(8_000_000, description="tokens that masked-language modelling reads, at most")
    batch_size: Positive = Field(64, description="texts per step")
    learning_rate: Rate = Field(1e-3, description="peak of a linear schedule")
    masked: Share = Field(0.2, description="share of the pieces that are to be predicted")


class NGrams(Section):
    """The linear classifier over n-grams: model ``ngrams``, and the part of it in other models."""

    characters: tuple[Positive, Positive] = Field((2, 5), description="shortest and longest n-gram within a word")
    words: Annotated[int, Field(ge=0)] = Field(2, description="longest n-gram of words; 0: none")
    minimum_texts: Positive | None = Field(
        None, description="training texts that an n-gram must stand in; none: 2, or 1 where there are few texts"
    )

    @field_validator("characters")
    @classmethod
    def _shortest_first(cls, lengths: tuple[int, int]) -> tuple[int, int]:
        if lengths[0] > lengths[1]:
            raise ValueError("the shortest n-gram comes first, as in [2, 5]")
        return lengths

    beside: bool = Field(
        True, description="try them alone, and beside the models of the asked-for kind; what answers dev best is kept"
    )
    strengths: Annotated[list[Rate], Field(min_length=1)] = Field(
        [0.5, 2.0, 8.0, 32.0, 128.0], description="C of the logistic regression, chosen by cross-validation on train"
    )


class Adapting(Section):
    """Continued masked-language-model pre-training of the encoder on unlabelled texts, before anything else."""

    mode: Literal["none", "tapt", "tapt-group"] = Field(
        "none",
        description="none; tapt: on all training texts, once; tapt-group: for each model, on its members' texts",
    )
    epochs: Positive = Field(10, description="passes over the texts")
    batch_size: Positive = Field(32, description="texts per step")
    learning_rate: Rate = Field(1e-4, description="peak of a linear schedule")
    masked: Share = Field(0.15, description="share of the pieces that are to be predicted")
    most_texts: Positive | None = Field(
        None, description="texts of a language in an epoch, at most, drawn anew for each; none: no limit"
    )
    held_out: Positive = Field(500, description="texts of a language that perplexity is measured on, at most")


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
        0, description="errors per language that are shown with their texts, which are then in the bundle; 0: none"
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
    name: BundleName | None = Field(None, description="of the bundle; none: the data set's")
    version: BundleName = Field("1.0.0", description="of the bundle")
    endpoint: EndpointName | None = Field(
        None, description="where the service answers; none: sentiment, ner or pos by the labels, else the data's name"
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
