"""The manifest of a bundle: everything that serving must know, by name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gradsim_shared.endpoints import EndpointName
from gradsim_shared.manifest_identifier import Entry, Name, Normalisation
from gradsim_shared.manifest_identifier import Identifier as Identifier  # noqa: PLC0414 - a part of it
from gradsim_shared.manifest_identifier import Policy as Policy  # noqa: PLC0414
from gradsim_shared.manifest_models import Group as Group  # noqa: PLC0414
from gradsim_shared.manifest_models import Parity as Parity  # noqa: PLC0414
from gradsim_shared.manifest_models import Precision as Precision  # noqa: PLC0414
from gradsim_shared.manifest_models import Trunk as Trunk  # noqa: PLC0414
from gradsim_shared.manifest_models import TrunkPrecision as TrunkPrecision  # noqa: PLC0414
from gradsim_shared.manifest_models import Wide as Wide  # noqa: PLC0414
from gradsim_shared.segmentation import RULES

FORMATS = (1, 2)
"""That this version reads: 1, and 2, which has a trunk."""
TRUNK = "trunk"
"""What the trunk is called where groups are named: in figures of the service; no group may have the name."""
MANIFEST_FILE = "manifest.json"

LongTexts = Literal["cut", "windows"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FileEntry(Entry):
    """One file of the bundle."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0, description="bytes")]


class Scores(Entry):
    """How a language's served answers score on one split; the manifest's metric and its companions, 0 to 1."""

    multilingual: dict[str, float] = Field(
        default={}, description="one model trained on all languages; empty: the bundle of an assigned language has none"
    )
    group: dict[str, float] = Field(description="the model of the serving group, language known")
    service: dict[str, float] = Field(description="the whole path: language identified, then routed")


class Assigned(Entry):
    """How a language that was added to a finished bundle came to its group."""

    bundle: Name = Field(description="the bundle that it was added to: name@version")
    by: Literal["gradient", "score", "user"] = Field(description="what chose the group")
    examples: Annotated[int, Field(gt=0)] = Field(description="labelled examples that it was chosen by")
    wins: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of bootstrap draws in which no group was better: by score, or by gradient if that chose"
    )
    split_half: float | None = Field(
        default=None, description="cosine between the gradients of two halves of the examples: its noise; null: none"
    )
    model: Literal["group", "beside", "alone"] = Field(
        default="group",
        description="what answers: a group's model, which knows nothing of it; the same with a linear model over the "
        "language's own n-grams beside it; the latter alone",
    )
    estimate: list[float] = Field(
        default=[],
        description="cross-validated score of it on the examples, and the ends of its 95 % interval; empty: none",
    )
    data_fingerprint: Sha256


class Language(Entry):
    """One language that the bundle serves."""

    code: Name = Field(description="ISO 639-3")
    name: Name
    aliases: list[str] = Field(default=[], description="other codes a caller may use")
    scripts: list[str] = Field(default=[], description="writing systems of its training texts, most used first")
    group: Name = Field(description="the group that serves it")
    collective_similarity: dict[str, float] = Field(
        description="per group that it is a member of; of an assigned language, per group"
    )
    counts: dict[str, int] = Field(description="examples per split")
    longer: dict[str, int] = Field(
        default={}, description="examples per split that are longer than a model reads at once; 0 is left out"
    )
    scores: dict[str, Scores] = Field(default={}, description="per split: dev, test")
    assigned: Assigned | None = Field(
        default=None, description="it was added to a finished bundle: no member of its group; null: trained"
    )


class Reliability(Entry):
    """How the similarity matrix agrees with itself between two halves of every language's texts."""

    correlation: float | None = Field(description="of the halves' matrices; null: undefined")
    reliability: float | None = Field(description="of the matrix of all texts, by Spearman and Brown, 0 to 1")
    p: float | None = Field(description="share of relabellings of one half's languages with so high a correlation")


class Similarity(Entry):
    """How the similarity matrix was measured; the matrix itself is in the file."""

    measure: Name
    file: Name = "similarity.json"
    settings: dict[str, object] = Field(default={}, description="the measure's own; JSON")
    reliability: Reliability | None = Field(default=None, description="null: the measure has no halves")


class Grouping(Entry):
    """How the groups were chosen."""

    solver: Name
    singleton_score: str | float
    score: float = Field(description="the grouping score that was reached")
    bound: float = Field(description="no grouping that the solver may choose scores higher")
    proven: bool
    reason: str = Field(default="", description="what there is to say against these groups, in words; empty: nothing")


class Baseline(Entry):
    """What the service's answers look like on dev: what drift is measured against."""

    predictions: dict[str, dict[str, float]] = Field(description="language -> label -> share of its dev predictions")
    confidence: dict[str, list[float]] = Field(
        description="language -> share of its dev texts in each of ten equal bins of the identifier's confidence"
    )


class Fallback(Entry):
    """Which group answers when the language is not known well enough."""

    group: Name


class Provenance(Entry):
    """Where the bundle comes from."""

    created: str = Field(description="ISO 8601, UTC")
    data: str
    data_fingerprint: Sha256
    model: str = Field(description="the encoder that every training started from")
    seed: int
    versions: dict[str, str]
    settings: dict[str, object] = Field(default={}, description="the resolved settings of the build")


class Assignment(Entry):
    """What finding a group for a new language needs; serving does not read it."""

    directory: Name = Field(default="assignment", description="the joint model, in Hugging Face form")
    gradients: Name = Field(
        default="assignment/gradients.safetensors",
        description="mean gradients at the joint model: [2 halves, languages, parameters] and counts [2, languages]",
    )
    layer: Name = Field(default="head.out", description="the layer of the gradients")
    split: Name = Field(description="the split that they were measured on: dev, or train where there are few dev texts")
    languages: list[str] = Field(min_length=1, description="the gradients' order")
    split_half: list[float] = Field(description="cosine between the two halves of each, in that order")


class Manifest(Entry):
    """The whole manifest."""

    format: Literal[1, 2] = Field(default=1, description="2: groups share a trunk")
    name: Name
    version: Name
    task: Name
    endpoint: EndpointName | None = Field(
        default=None, description="name of the path where it is answered; null: what the task has for its labels"
    )
    labels: list[str] = Field(min_length=2, description="in the order of the model's outputs")
    thresholds: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[],
        description="probability from which a text has each label, in their order; empty: of other tasks",
    )
    metric: Name
    segmentation: str = Field(default="none", description="the rule that splits raw text into words; none: not split")
    normalisation: Normalisation = Field(
        default=0, description="version of the text normalisation that the models were trained with; 0: none"
    )
    maximum_length: Annotated[int, Field(gt=0)] = Field(
        description="tokens that a model reads at once; longer sentences of tagged words are read in windows"
    )
    long_texts: LongTexts = Field(
        default="cut", description="how longer texts that get one label are read; windows: their logits are averaged"
    )
    languages: list[Language] = Field(min_length=1)
    trunk: Trunk | None = Field(default=None, description="null: every group reads texts by itself")
    groups: list[Group] = Field(min_length=1)
    similarity: Similarity
    grouping: Grouping
    verdict: list[str] = Field(
        default=[], description="the outcome of the build in sentences: what was chosen, what it gains, what to try"
    )
    identifier: Identifier
    fallback: Fallback
    baseline: Baseline | None = Field(default=None, description="null: drift cannot be measured")
    provenance: Provenance
    assignment: Assignment | None = Field(default=None, description="null: no new language can be assigned")
    files: dict[str, FileEntry] = Field(description="every file but the manifest, by path inside the bundle")

    @field_validator("segmentation")
    @classmethod
    def _known_segmentation(cls, rule: str) -> str:
        if rule != "none" and rule not in RULES:
            raise ValueError(f"unknown segmentation rule {rule!r}; this version knows none, {', '.join(RULES)}")
        return rule

    @model_validator(mode="after")
    def _thresholds_fit(self) -> Manifest:
        """Check that there is a threshold for each label, if there are any."""
        if self.thresholds and len(self.thresholds) != len(self.labels):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.labels)} labels")
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Manifest:
        """Check that every name that one part uses is defined by another."""
        groups = {group.id: group for group in self.groups}
        codes = {language.code for language in self.languages}
        if len(groups) != len(self.groups) or len(codes) != len(self.languages):
            raise ValueError("a group id or a language code stands twice")
        if self.fallback.group not in groups:
            raise ValueError(f"fallback names the group {self.fallback.group!r}, which does not exist")
        for language in self.languages:
            exists = language.group in groups
            if not exists or (language.assigned is None and language.code not in groups[language.group].members):
                raise ValueError(f"{language.code} is served by {language.group!r}, of which it is no member")
        profiled = self.identifier.profiles.languages if self.identifier.profiles else []
        for code in (*self.identifier.labels.values(), *profiled):
            if code not in codes:
                raise ValueError(f"the identifier knows {code!r}, which is no language of the bundle")
        return self

    @model_validator(mode="after")
    def _trunk_fits(self) -> Manifest:
        """Check that there is a trunk where a group stands on one, and that the format says so."""
        if self.format != (1 if self.trunk is None else 2):
            raise ValueError(f"format {self.format} {'with' if self.trunk else 'without'} a trunk; with one it is 2")
        for group in self.groups:
            if group.id == TRUNK:
                raise ValueError(f"a group has the name {TRUNK!r}, which is kept for what groups share")
            if group.reads == "trunk" and (self.trunk is None or group.tokenizer != self.trunk.tokenizer):
                raise ValueError(f"group {group.id} reads a trunk, but the bundle has none with its tokenizer")
        return self

    @model_validator(mode="after")
    def _files_are_listed(self) -> Manifest:
        """Check that every file that a part uses is listed under files."""
        used = [self.similarity.file, self.identifier.file, *self.model_files]
        if self.identifier.profiles is not None:
            used.append(self.identifier.profiles.file)
        if self.assignment is not None:
            used += [self.assignment.gradients, f"{self.assignment.directory}/config.json"]
        for file in used:
            if file not in self.files:
                raise ValueError(f"{file} is used but not listed under files")
        return self

    @property
    def model_files(self) -> list[str]:
        """Every file of trunk and groups, by path inside the bundle, each once."""
        parts: list[Trunk | Group] = [*self.groups] if self.trunk is None else [self.trunk, *self.groups]
        return list(dict.fromkeys(file for part in parts for file in part.model_files))

    @property
    def title(self) -> str:
        """Name and version as answers carry them: ``afrisenti@1.0.0``."""
        return f"{self.name}@{self.version}"
