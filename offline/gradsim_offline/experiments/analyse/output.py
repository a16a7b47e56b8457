"""Write the results of an analysis: JSON for programs, CSV for spreadsheets, Markdown for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np

from gradsim_offline.core.run_directory import write_json
from gradsim_offline.experiments.analyse.results import AnalysisResults
from gradsim_offline.report.table import Table, markdown

_CORRELATION = ("pairs", "ordered", "pearson", "spearman", "within", "p", "mantel", "reason")


def write(results: AnalysisResults, tables: Sequence[Table], directory: Path) -> None:
    """Write ``analysis.json``, ``correlations.csv``, ``keywords.csv`` and ``analysis.md``."""
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
    text = f"# Analysis\n\n{markdown(tables)}" + (f"\n## Notes\n{notes}\n" if notes else "")
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
