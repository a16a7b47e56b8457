"""The results of an analysis, and their files: JSON for programs, CSV for spreadsheets, Markdown for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.experiments.analyse.groupings import Regrouped
from gradsim_offline.experiments.analyse.keywords import Keyword
from gradsim_offline.experiments.analyse.stability import Halves, Interval
from gradsim_offline.report.table import Table, markdown
from gradsim_offline.similarity.correlations import Correlation
from gradsim_offline.similarity.reliability import Reliability

Matrix = NDArray[np.float64]
REFERENCES = ("transfer", "typology", "topic", "labels")  # the columns of the paper's Table 5, and class balance
_CORRELATION = ("pairs", "ordered", "pearson", "spearman", "within", "p", "mantel", "reason")


@dataclass(frozen=True)
class Pairing:
    """Two matrices and how they correlate."""

    first: str
    second: str
    correlation: Correlation


@dataclass(frozen=True)
class Stability:
    """The stability of one measured S; ``None`` or empty: what it takes was not kept.

    Attributes:
        name: The measure.
        origin: The run.
        languages: N codes.
        own: Split-half similarity of each language with itself, ``[N]``.
        epochs: Each epoch's S against the final one.
        halves: S from each half of the data.
        reliability: The test of whether it repeats between them.
        interval: Bootstrap intervals.
        regrouped: Groups of the halves and the epochs.
    """

    name: str
    origin: str
    languages: tuple[str, ...]
    own: Matrix | None
    epochs: tuple[Correlation, ...]
    halves: Halves | None
    reliability: Reliability | None
    interval: Interval | None
    regrouped: Regrouped | None


@dataclass(frozen=True)
class Seeds:
    """One measure, or method, over several runs or seeds.

    Attributes:
        name: The measure or method.
        origins: The runs.
        correlations: S of every two of them.
        together: Share of their groupings in which one group serves both languages, ``[N, N]``; ``None``: fewer than
            two groupings.
        languages: Of ``together``.
        grouped: How many groupings ``together`` is about; a run that only measured has none.
    """

    name: str
    origins: tuple[str, ...]
    correlations: tuple[Correlation, ...]
    together: Matrix | None
    languages: tuple[str, ...]
    grouped: int


@dataclass(frozen=True)
class Agreement:
    """Mean adjusted Rand index of the groupings of two methods, or of one method over seeds."""

    first: str
    second: str
    index: float
    pairs: int


@dataclass(frozen=True)
class AnalysisResults:
    """All results of an analysis.

    Attributes:
        languages: Those that every matrix has; correlations are over them.
        similarities: S of each measure, ``[N, N]``, mean over its runs.
        origins: The runs that each measure was found in.
        permutations: Of the Mantel tests.
        correlations: Every two measures.
        keywords: Per language of the data set, best first; empty without data.
        stability: Per measured S with epochs or gradients.
        seeds: Per measure or method that was found more than once.
        agreement: Every two methods that were grouped by.
        notes: What was left out, and why; what to know.
    """

    languages: tuple[str, ...]
    similarities: Mapping[str, Matrix]
    origins: Mapping[str, tuple[str, ...]]
    permutations: int
    correlations: tuple[Pairing, ...]
    keywords: Mapping[str, tuple[Keyword, ...]]
    stability: tuple[Stability, ...]
    seeds: tuple[Seeds, ...]
    agreement: tuple[Agreement, ...]
    notes: tuple[str, ...]


def write(results: AnalysisResults, tables: Sequence[Table], verdict: Sequence[str], directory: Path) -> None:
    """Write ``analysis.json``, ``correlations.csv``, ``keywords.csv`` and ``analysis.md``, the verdict first."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "analysis.json", plain(results))
    _write_csv(
        directory / "correlations.csv",
        ("first", "second", *_CORRELATION),
        (
            (pairing.first, pairing.second, *(getattr(pairing.correlation, name) for name in _CORRELATION))
            for pairing in results.correlations
        ),
    )
    _write_csv(
        directory / "keywords.csv",
        ("language", "rank", "keyword", "weight"),
        (
            (code, rank, keyword.word, f"{keyword.weight:.6f}")
            for code, best in results.keywords.items()
            for rank, keyword in enumerate(best, start=1)
        ),
    )
    notes = "".join(f"\n- {note}" for note in results.notes)
    said = "".join(f"{sentence}\n" for sentence in verdict)
    text = f"# Analysis\n\n{said}\n{markdown(tables)}" + (f"\n## Notes\n{notes}\n" if notes else "")
    (directory / "analysis.md").write_text(text, encoding="utf-8")


def plain(value: object) -> object:
    """Return a result as plain JSON; a figure that is not finite becomes null."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; an undefined figure is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
