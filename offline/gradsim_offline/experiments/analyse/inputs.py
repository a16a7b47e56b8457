"""The inputs of an analysis: the options, what the runs hold, the data, its keywords, measures taken on the spot."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.experiments.analyse.keywords import CAUTION, Keyword, keywords, topic_similarity
from gradsim_offline.experiments.analyse.sources import Similarity, Sources
from gradsim_offline.similarity.measure import MeasureContext, load_measure
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import DataError, GradsimError, SettingsError

ORIGIN = "measured here"
_CONTROL = "labels"  # class balance: what of a similarity is no more than that?


@dataclass(frozen=True)
class AnalysisOptions:
    """What to analyse, and how.

    Attributes:
        runs: Directories of builds or comparisons.
        files: Matrices of the user's.
        measures: To be measured here; they need no training.
        data: Data set; ``None``: the first run's.
        data_dir: Where its files lie; ``None``: the first run's, or the data set's own rule.
        data_options: The data set's own settings; empty: the first run's.
        encoder: Embeds keywords; ``None``: the first run's.
        top: Keywords per language.
        most_texts: Words in more than this share of a language's texts are no keywords.
        permutations: Of a Mantel test.
        draws: Of a bootstrap.
        seed: Of both.
        device: Where to embed.
    """

    runs: tuple[Path, ...]
    files: tuple[Path, ...]
    measures: tuple[str, ...]
    data: str | None
    data_dir: Path | None
    data_options: Mapping[str, Any]
    encoder: str | None
    top: int
    most_texts: float
    permutations: int
    draws: int
    seed: int
    device: str


@dataclass
class Analysis:
    """Options with what there is for it so far, and the notes for the reader."""

    options: AnalysisOptions
    sources: Sources
    progress: Progress
    notes: list[str] = field(default_factory=list)

    @property
    def encoder(self) -> str:
        """What embeds the keywords; empty if nothing is known."""
        return self.options.encoder or self.sources.encoder

    @property
    def maximum_length(self) -> int:
        """Tokens, as the run's models read."""
        return int(self.sources.settings.get("maximum_length", 128))


def load_data(analysis: Analysis) -> Dataset | None:
    """Load the data set; ``None``: there is none, and none was asked for.

    Raises:
        GradsimError: A data set that was asked for cannot be loaded.
    """
    options, settings = analysis.options, analysis.sources.settings
    name = options.data or settings.get("data")
    if name is None:
        analysis.notes.append("no data set is known (--data): no keywords, no topic similarity")
        return None
    of_run = options.data in (None, settings.get("data"))
    directory = options.data_dir or (settings.get("data_dir") if of_run else None)
    try:
        return load_dataset(
            name,
            Path(directory) if directory else None,
            settings.get("languages") if of_run else None,
            options.data_options or (settings.get("data_options") if of_run else None),
        )
    except GradsimError as error:
        if options.data or options.data_dir or options.measures:
            raise
        analysis.notes.append(f"no keywords, no topic similarity: {error}")
        return None


def language_keywords(analysis: Analysis, dataset: Dataset | None) -> dict[str, tuple[Keyword, ...]]:
    """Return the keywords of each language's training texts; empty without data."""
    if dataset is None:
        return {}
    analysis.progress.note(f"keywords of {len(dataset.languages)} languages")
    texts = {code: dataset.texts(code, "train") for code in dataset.languages}
    try:
        return keywords(texts, top=analysis.options.top, most_texts=analysis.options.most_texts)
    except DataError as error:
        analysis.notes.append(f"{error}; or all words are in too many texts: --common-words 1 keeps them")
        return {}


def measured_here(analysis: Analysis, dataset: Dataset | None) -> list[Similarity]:
    """Take the measures that were asked for and are not in the runs, and class balance; note those that fail.

    Raises:
        SettingsError: There is no data set whose languages to measure.
    """
    there = {similarity.measured.measure for similarity in analysis.sources.similarities}
    measured: list[Similarity] = []
    control = [_CONTROL] if dataset is not None and _CONTROL not in {*there, *analysis.options.measures} else []
    for name in (*analysis.options.measures, *control):
        if name in there:
            analysis.notes.append(f"{name}: found in the runs, not measured again")
            continue
        if dataset is None:
            raise SettingsError("--measures needs the data set whose languages to measure; name it with --data")
        analysis.progress.note(f"measuring {name}")
        try:
            measured.append(
                measure_untrained(
                    name,
                    dataset,
                    encoder=analysis.encoder,
                    maximum_length=analysis.maximum_length,
                    seed=analysis.options.seed,
                    device=resolve_device(analysis.options.device),
                    progress=analysis.progress,
                )
            )
        except (GradsimError, ImportError) as error:
            analysis.notes.append(f"{name} could not be measured here: {error}")
    return measured


def topics(analysis: Analysis, words: Mapping[str, Sequence[Keyword]]) -> list[Similarity]:
    """Return the topic similarity, from embedded keywords; nothing if no encoder was asked for and none is there.

    Raises:
        ModelError: An encoder that was asked for cannot be loaded.
    """
    if not words:
        return []
    if not analysis.encoder:
        analysis.notes.append("no topic similarity: the run has no encoder directory; name one with --encoder")
        return []
    analysis.progress.note(f"topic similarity: keywords in {analysis.encoder}")
    device = resolve_device(analysis.options.device)
    try:
        matrix = topic_similarity(
            words, encoder=analysis.encoder, maximum_length=analysis.maximum_length, device=device
        )
    except GradsimError as error:
        if analysis.options.encoder:
            raise
        analysis.notes.append(f"no topic similarity: {error}")
        return []
    if analysis.options.encoder is None:
        analysis.notes.append(CAUTION)
    return [Similarity("topic", ORIGIN, Measured("topic", tuple(words), matrix, None, (), {}, {}, 0.0))]


def check_untrained(name: str) -> None:
    """Check early that a measure is known and needs no training.

    Raises:
        SettingsError: It does.
    """
    if load_measure(name).needs_training:
        raise SettingsError(f"{name} needs training: `gradsim-offline measure --measure {name}`, then analyse that run")


def measure_untrained(
    name: str,
    dataset: Dataset,
    *,
    encoder: str,
    maximum_length: int,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> Similarity:
    """Return S of a measure with its default settings, for the languages of a data set.

    Raises:
        GradsimError: The measure is unknown, needs training, or what it reads is missing.
    """
    check_untrained(name)
    with tempfile.TemporaryDirectory() as directory:
        measured = load_measure(name).measure(
            MeasureContext(
                dataset=dataset,
                directory=Path(directory),
                training=TrainingContext(
                    task=load_task(dataset.task),
                    encoder=encoder,
                    maximum_length=maximum_length,
                    seed=seed,
                    device=device,
                    progress=progress,
                    log=lambda **_: None,
                ),
                measuring=Measuring(),
                options=plugins.options("similarity", name, {}),
                train=_refuse,
            )
        )
    return Similarity(name, ORIGIN, measured)


def _refuse(members: Sequence[str], _served: Sequence[str]) -> Path:
    raise SettingsError(f"this measure wants a model trained on {' '.join(members)}; measure it in a build")
