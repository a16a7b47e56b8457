"""The settings of trainings, section by section: defaults, meanings, limits."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gradsim_offline.core import plugins
from gradsim_offline.core.section import Positive, Rate, Section, Share


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
