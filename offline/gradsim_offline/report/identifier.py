"""How well languages are told apart: accuracy per language, and which are taken for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.groups import by_group, group_blocks, row_label
from gradsim_offline.report.heatmap import heatmap
from gradsim_offline.report.numbers import percent
from gradsim_shared.manifest import Language, Manifest

UNKNOWN = "unknown"
_LISTED = 8  # mix-ups that are listed in words
_FINE = 0.0995  # shares below are written with one decimal of a percent


@dataclass(frozen=True)
class Accuracy:
    """How often a language's texts were taken for it, 0 to 1, by split."""

    language: Language
    shares: tuple[float | None, ...]


@dataclass(frozen=True)
class MixUp:
    """Texts of one language that were taken for another."""

    language: str
    taken_for: str
    texts: int
    share: float
    same_group: bool


def accuracies(manifest: Manifest, evaluated: Mapping[str, Any]) -> tuple[list[str], list[Accuracy]]:
    """Return the splits on which identification was judged, and each language's accuracy on them."""
    found = evaluated.get("identifier", {})
    splits = [split for split in ("test", "dev") if found.get(split)]
    rows = [
        Accuracy(language, tuple(found[split].get(language.code) for split in splits))
        for language in by_group(manifest)
    ]
    return splits, rows if splits else []


def mix_ups(manifest: Manifest, evaluated: Mapping[str, Any]) -> list[MixUp]:
    """Return the most frequent mix-ups by the share of a language's texts that they take."""
    languages = {language.code: language for language in manifest.languages}
    found = []
    for code, taken in evaluated.get("confusion", {}).items():
        for other, texts in taken.items():
            if other != code and texts and code in languages:
                same = other in languages and languages[other].group == languages[code].group
                name = languages[other].name if other in languages else other
                found.append(MixUp(languages[code].name, name, texts, texts / sum(taken.values()), same))
    return sorted(found, key=lambda mix_up: (-mix_up.share, mix_up.language, mix_up.taken_for))[:_LISTED]


def confusion(manifest: Manifest, evaluated: Mapping[str, Any]) -> Drawing | None:
    """Draw which languages were taken for which, as shares of a row; nothing where it was not judged."""
    found = evaluated.get("confusion", {})
    rows = [language for language in by_group(manifest) if sum(found.get(language.code, {}).values())]
    if not rows:
        return None
    codes = [language.code for language in rows]
    names = {language.code: language.name for language in manifest.languages}
    columns = [*codes, *sorted({other for code in codes for other in found[code]} - set(codes))]
    counts = np.array([[found[code].get(other, 0) for other in columns] for code in codes])  # [languages, taken for]
    shares = counts / counts.sum(axis=1, keepdims=True)

    def tip(i: int, j: int) -> str:
        return (
            f"{rows[i].name} taken for {names.get(columns[j], columns[j])}: "
            f"{counts[i, j]} of {counts[i].sum()} texts, {percent(float(shares[i, j]))} %"
        )

    return heatmap(
        shares,
        [row_label(language) for language in rows],
        [code if code != UNKNOWN else "none" for code in columns],
        name="confusion",
        title="Languages taken for others",
        description="A row is the language of the texts, a column what they were taken for, in percent of the row; "
        "outlined are mix-ups inside one group, which reach the same model.",
        muted=np.eye(len(rows), len(columns), dtype=bool),
        tip=tip,
        write=_cell,
        colour="negative",
        blocks=group_blocks(manifest, rows, source_only=False),
    )


def routing(manifest: Manifest, evaluated: Mapping[str, Any]) -> Drawing | None:
    """Draw which group answered the texts of each language, as shares of a row; nothing where it was not judged."""
    found = evaluated.get("routing", {})
    rows = [language for language in by_group(manifest) if sum(found.get(language.code, {}).values())]
    if not rows or len(manifest.groups) < 2:
        return None
    columns = [group.id for group in manifest.groups]
    counts = np.array([[found[row.code].get(group, 0) for group in columns] for row in rows])  # [languages, groups]
    shares = counts / counts.sum(axis=1, keepdims=True)

    def tip(i: int, j: int) -> str:
        return f"{rows[i].name} answered by {columns[j]}: {counts[i, j]} texts, {percent(float(shares[i, j]))} %"

    return heatmap(
        shares,
        [row_label(language) for language in rows],
        columns,
        name="routing",
        title="Which group answered",
        description="A row is the language of the texts, a column the group whose model answered, in percent of the "
        "row; grey is the group that serves the language.",
        muted=np.array([[row.group == group for group in columns] for row in rows]),
        tip=tip,
        write=_cell,
        colour="negative",
    )


def _cell(share: float) -> str:
    """Write a share in percent, short; nothing for none."""
    if not share:
        return ""
    return f"{100 * share:.1f}" if share < _FINE else f"{100 * share:.0f}"
