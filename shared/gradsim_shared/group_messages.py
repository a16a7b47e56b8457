"""What the service tells of its groups: models of which the OpenAPI document and the Python client are made."""

from __future__ import annotations

from pydantic import Field

from gradsim_shared.messages import Message


class Parity(Message):
    """How an exported model's outputs compare with those of the model that was trained."""

    texts: int = Field(description="real texts compared")
    max_difference: float = Field(description="largest absolute difference of a logit")
    label_agreement: float = Field(description="share of texts (of words, for tagging) with the same label, 0 to 1")


class ServedGroup(Message):
    """One group of one bundle."""

    task: str
    endpoint: str
    bundle: str
    id: str
    members: tuple[str, ...] = Field(description="languages that its model was trained on")
    serves: tuple[str, ...] = Field(description="languages that it answers for")
    fallback: bool = Field(description="it answers when the language is not known well enough")
    precision: str = Field(description="of the exported model that answers")
    parity: Parity | None = Field(default=None, description="how its outputs compare with the trained model's")
    latency_milliseconds: float | None = Field(
        default=None, description="median of single texts of median length, one thread, as built"
    )
    size: int = Field(default=0, description="bytes of its models, without what the bundle's groups share")
    on_trunk: bool = Field(default=False, description="it reads what the bundle's trunk says of a text")
    ngrams: bool = Field(default=False, description="a linear model over n-grams answers together with it")
    ensemble: int = Field(default=1, description="models of other seeds whose answers are averaged")


class ServedTrunk(Message):
    """The lower part of an encoder, which groups share: it reads a text once."""

    precision: str = Field(description="of the exported form that runs")
    cosine: float = Field(description="between its outputs and those of the encoder, on average")
    latency_milliseconds: float = Field(description="median of one text of median length, one thread; 0: not measured")
    size: int = Field(description="bytes of its model")


class SimilarityMatrix(Message):
    """How much training on one language is expected to help another, as it was measured."""

    measure: str
    languages: tuple[str, ...] = Field(description="of rows and columns, ISO 639-3")
    similarity: tuple[tuple[float, ...], ...] = Field(description="a row for each language that is helped")


class GroupedBundle(Message):
    """How the groups of one bundle came about."""

    endpoint: str
    bundle: str
    data: str
    model: str = Field(description="the encoder that every training started from")
    metric: str
    verdict: tuple[str, ...] = Field(description="the outcome of the build in sentences")
    reliability: float | None = Field(description="of the similarities, 0 to 1; null: not known")
    similarity: SimilarityMatrix | None = Field(description="null: the bundle holds none")
    trunk: ServedTrunk | None = Field(description="null: every group reads texts by itself")
    report: str | None = Field(description="path of the build's report, HTML; null: it is not shown")


class Groups(Message):
    """Every group of every bundle."""

    groups: tuple[ServedGroup, ...]
    bundles: tuple[GroupedBundle, ...] = ()
