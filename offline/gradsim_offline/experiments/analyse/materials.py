"""What an analysis works with: the request, what the runs hold, the data, its keywords, measures taken on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.experiments.analyse.keywords import Keyword, keywords
from gradsim_offline.experiments.analyse.sources import Similarity, Sources
from gradsim_offline.experiments.analyse.topics import CAUTION, topic_similarity
from gradsim_offline.experiments.analyse.untrained import ORIGIN, measure_untrained
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import DataError, GradsimError, SettingsError

_CONTROL = "labels"  # class balance: what of a similarity is no more than that?


@dataclass(frozen=True)
class Request:
    """What to analyse, and how.

    Attributes:
        runs: Directories of builds or comparisons.
        files: Matrices of the user's.
        measures: To be measured here; they need no training.
        data: Data set; ``None``: the first run's.
        data_dir: Where its files lie; ``None``: the first run's, or the data set's own rule.
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
    encoder: str | None
    top: int
    most_texts: float
    permutations: int
    draws: int
    seed: int
    device: str


@dataclass
class Work:
    """A request with what was found for it so far."""

    request: Request
    sources: Sources
    progress: Progress
    notes: list[str] = field(default_factory=list)

    @property
    def encoder(self) -> str:
        """What embeds the keywords; empty if nothing is known."""
        return self.request.encoder or self.sources.encoder

    @property
    def maximum_length(self) -> int:
        """Tokens, as the run's models read."""
        return int(self.sources.settings.get("maximum_length", 128))


def load_data(work: Work) -> Dataset | None:
    """Load the data set; one that nobody asked for may be missing: no keywords and topics then.

    Raises:
        GradsimError: A data set that was asked for cannot be loaded.
    """
    request, settings = work.request, work.sources.settings
    name = request.data or settings.get("data")
    if name is None:
        work.notes.append("no data set is known (--data): no keywords, no topic similarity")
        return None
    mine = request.data in (None, settings.get("data"))
    directory = request.data_dir or (settings.get("data_dir") if mine else None)
    try:
        return load_dataset(
            name,
            Path(directory) if directory else None,
            settings.get("languages") if mine else None,
            settings.get("data_options") if mine else None,
        )
    except GradsimError as error:
        if request.data or request.data_dir or request.measures:
            raise
        work.notes.append(f"no keywords, no topic similarity: {error}")
        return None


def find_keywords(work: Work, dataset: Dataset | None) -> dict[str, tuple[Keyword, ...]]:
    """Return the keywords of each language's training texts; empty without data."""
    if dataset is None:
        return {}
    work.progress.note(f"keywords of {len(dataset.languages)} languages")
    texts = {code: [example.text for example in dataset.split(code, "train")] for code in dataset.languages}
    try:
        return keywords(texts, top=work.request.top, most_texts=work.request.most_texts)
    except DataError as error:
        work.notes.append(f"{error}; or all words are in too many texts: --common-words 1 keeps them")
        return {}


def measured_here(work: Work, dataset: Dataset | None) -> list[Similarity]:
    """Measure what was asked for and is not in the runs, and class balance; what cannot be measured is noted.

    Raises:
        SettingsError: There is no data set whose languages to measure.
    """
    there = {similarity.measured.measure for similarity in work.sources.similarities}
    measured: list[Similarity] = []
    control = [_CONTROL] if dataset is not None and _CONTROL not in {*there, *work.request.measures} else []
    for name in (*work.request.measures, *control):
        if name in there:
            work.notes.append(f"{name}: found in the runs, not measured again")
            continue
        if dataset is None:
            raise SettingsError("--measures needs the data set whose languages to measure; name it with --data")
        work.progress.note(f"measuring {name}")
        try:
            measured.append(
                measure_untrained(
                    name,
                    dataset,
                    encoder=work.encoder,
                    maximum_length=work.maximum_length,
                    seed=work.request.seed,
                    device=resolve_device(work.request.device),
                    progress=work.progress,
                )
            )
        except (GradsimError, ImportError) as error:
            work.notes.append(f"{name} could not be measured here: {error}")
    return measured


def topics(work: Work, words: Mapping[str, Sequence[Keyword]]) -> list[Similarity]:
    """Embed the keywords; an encoder that nobody asked for may be missing.

    Raises:
        ModelError: An encoder that was asked for cannot be loaded.
    """
    if not words:
        return []
    if not work.encoder:
        work.notes.append("no topic similarity: the run has no encoder directory; name one with --encoder")
        return []
    work.progress.note(f"topic similarity: keywords in {work.encoder}")
    device = resolve_device(work.request.device)
    try:
        matrix = topic_similarity(words, encoder=work.encoder, maximum_length=work.maximum_length, device=device)
    except GradsimError as error:
        if work.request.encoder:
            raise
        work.notes.append(f"no topic similarity: {error}")
        return []
    if work.request.encoder is None:
        work.notes.append(CAUTION)
    return [Similarity("topic", ORIGIN, Measured("topic", tuple(words), matrix, None, (), {}, {}, 0.0))]
