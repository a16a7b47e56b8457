"""The models of a bundle as the manifest names them: the trunk that groups share, and each group's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gradsim_shared.manifest_identifier import Entry, Name


class Parity(Entry):
    """How the exported model's outputs compare with those of the model that was trained."""

    texts: int = Field(description="real dev texts compared (training texts where there is no dev split)")
    max_difference: float = Field(description="largest absolute difference of a logit")
    label_agreement: float = Field(
        description="share of texts (for tagging words; where a text may have several labels, of these) with the same "
        "label, 0 to 1"
    )


class Precision(Entry):
    """One exported form of a model."""

    file: Name
    parity: Parity
    latency_milliseconds: float = Field(
        description="median of single texts of median length, one thread; of a group that reads a trunk with it"
    )


class Wide(Entry):
    """A linear model over n-grams whose logits are added to those of the group's model."""

    file: Name
    tokenizer: Name = Field(description="file: the table of its n-grams")
    weight: float = Field(description="what its logits are multiplied with")
    model_weight: float = Field(description="what those of the group's model are multiplied with")
    parity: Parity


class TrunkPrecision(Entry):
    """One exported form of a trunk, and how its outputs compare with those of the encoder."""

    file: Name
    texts: int = Field(description="real training texts compared")
    cosine: float = Field(description="between the two outputs of a text, on average")
    max_difference: float = Field(description="largest absolute difference of an output")
    latency_milliseconds: float = Field(
        default=0.0, description="median of one text of median length, token ids, one thread; 0: not measured"
    )


class Trunk(Entry):
    """The frozen lower part of a pre-trained encoder, which groups share: it runs once, then the groups' models."""

    tokenizer: Name = Field(description="file: a tokenizer.json")
    precisions: dict[str, TrunkPrecision] = Field(min_length=1, description="by name: fp32, ...")
    inputs: list[str] = Field(description="names of its inputs, in order")
    pad_id: int
    pad_multiple: int = Field(default=1, description="pad a batch to a multiple of this many tokens")
    output: Literal["pooled", "hidden"] = Field(
        description="its first output, float32: [texts, width], or [texts, tokens, width]"
    )
    width: Annotated[int, Field(gt=0)] = Field(description="numbers that it says of a text, or of each token")

    @property
    def model_files(self) -> list[str]:
        """Every file of it, by path inside the bundle."""
        return [self.tokenizer, *(precision.file for precision in self.precisions.values())]


class Group(Entry):
    """One group: languages trained together, and the model that came of it."""

    id: Name
    members: list[str] = Field(description="ISO 639-3 codes; a member that it does not serve is source-only")
    tokenizer: Name = Field(description="file: a tokenizer.json, or the table of n-grams that takes its place")
    precisions: dict[str, Precision] = Field(min_length=1, description="by name: fp32, ...")
    reads: Literal["tokens", "trunk"] = Field(
        default="tokens", description="what its model gets: token ids, or what the bundle's trunk says of them"
    )
    inputs: list[str] = Field(
        description="names of the model's inputs, in order; where it reads a trunk: features of pooled outputs, "
        "hidden_states and attention_mask of hidden ones"
    )
    pad_id: int
    pad_multiple: int = Field(default=1, description="pad a batch to a multiple of this many tokens")
    ensemble: Annotated[int, Field(gt=0)] = Field(
        default=1, description="models of other seeds inside the file, whose answers are averaged; 1: a single model"
    )
    wide: Wide | None = Field(default=None, description="null: the model answers by itself")
    refused: dict[str, str] = Field(default={}, description="smaller forms that were not taken, and what they lose")

    @property
    def model_files(self) -> list[str]:
        """Every file of its models, by path inside the bundle; groups may share some."""
        wide = [self.wide.file, self.wide.tokenizer] if self.wide else []
        return [self.tokenizer, *(precision.file for precision in self.precisions.values()), *wide]
