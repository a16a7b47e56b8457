"""What is answered right and what is taken for what: F1 per label, confusion matrices, examples of errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.groups import by_group, who
from gradsim_offline.report.heatmap import share_map
from gradsim_offline.report.identifier import answered_split
from gradsim_offline.report.numbers import MISSING, percent
from gradsim_offline.report.table import Cell, Content, Table
from gradsim_shared.iob import OUTSIDE, is_iob
from gradsim_shared.manifest import Language, Manifest

NOTHING = NO_ENTITY, NO_LABEL = "no entity", "no label"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        labels: Of rows and columns; of entities their types, and at the end ``NO_ENTITY``, or ``NO_LABEL`` where a text
            may have several.
        counts: ``[gold, answered]``.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def recall(self) -> list[float | None]:
        """Share of each label's gold that was answered so; ``None``: there is none."""
        return self._shares(self.counts.sum(axis=1))

    @property
    def precision(self) -> list[float | None]:
        """Share of each label's answers that are right; ``None``: there is none."""
        return self._shares(self.counts.sum(axis=0))

    @property
    def f1(self) -> list[float | None]:
        """The harmonic mean of both; ``None``: the label stands nowhere."""
        return self._shares((self.counts.sum(axis=0) + self.counts.sum(axis=1)) / 2)

    def _shares(self, of: NDArray[Any]) -> list[float | None]:
        pairs = zip(self.labels, self.counts.diagonal(), of, strict=True)
        return [float(right / whole) if whole and label not in NOTHING else None for label, right, whole in pairs]


def unit(manifest: Manifest) -> str:
    """Return what is counted."""
    if manifest.task == "pair_classification":
        return "pairs"
    if manifest.task == "question_answering":
        return "questions"
    if manifest.thresholds:
        return "labels"
    if manifest.task == "text_classification":
        return "texts"
    return "entities" if is_iob(manifest.labels) else "words"


def matrices(manifest: Manifest, evaluated: Mapping[str, Any]) -> list[tuple[Language, Matrix]]:
    """Return the confusion matrix of each language's served answers; none where nothing was scored."""
    kinds = list(manifest.labels)
    if is_iob(kinds):
        kinds = [*dict.fromkeys(label[2:] for label in kinds if label != OUTSIDE), OUTSIDE]
    if manifest.thresholds:
        kinds.append(OUTSIDE)
    nothing = NO_ENTITY if is_iob(manifest.labels) else NO_LABEL if manifest.thresholds else OUTSIDE
    labels = tuple(nothing if kind == OUTSIDE else kind for kind in kinds)
    found = evaluated.get("labels", {})
    return [
        (language, Matrix(labels, np.array([[counts.get(a, {}).get(b, 0) for b in kinds] for a in kinds])))
        for language in by_group(manifest)
        if (counts := found.get(language.code))
    ]


def f1_table(found: Sequence[tuple[Language, Matrix]], split: str, counted: str) -> Table:
    """Lay out the F1 of each label in each language, and over the answers of all."""
    whole = _whole(found)
    shown = [i for i, label in enumerate(whole.labels) if label not in NOTHING]
    rows = [(who(language), *(percent(matrix.f1[i]) for i in shown)) for language, matrix in found]
    total = ("All languages", *(percent(whole.f1[i]) for i in shown))
    title = f"F1 per label on {split}, in percent, over {counted}"
    return Table(title, ("Language", *(whole.labels[i] for i in shown)), [*rows, total], totals=1)


def confusion_tables(found: Sequence[tuple[Language, Matrix]], counted: str) -> list[tuple[str, Table]]:
    """Lay out the counts of each language, with the recall of each row and the precision of each column."""
    title = f"{counted} annotated as the row and answered as the column"
    return [(language.name, _confusion_table(matrix, f"{language.name}: {title}")) for language, matrix in found]


def _confusion_table(matrix: Matrix, title: str) -> Table:
    rows: list[Sequence[Content]] = [
        (
            label,
            *(_count(int(count), i, j, matrix) for j, count in enumerate(matrix.counts[i])),
            str(matrix.counts[i].sum()),
            percent(matrix.recall[i]),
        )
        for i, label in enumerate(matrix.labels)
    ]
    sums = ("Answered", *map(str, matrix.counts.sum(axis=0)), str(matrix.counts.sum()), "")
    precision = ("Precision, %", *map(percent, matrix.precision), "", "")
    columns = ("Annotated as", *matrix.labels, "Annotated", "Recall, %")
    return Table(title, columns, [*rows, sums, precision], totals=2)


def _count(count: int, row: int, column: int, matrix: Matrix) -> Cell:
    nothing = row == column and matrix.labels[row] in NOTHING  # that is right and not counted
    return Cell(MISSING if nothing else str(count), best=row == column and not nothing)


def confusion(manifest: Manifest, evaluated: Mapping[str, Any]) -> Drawing | None:
    """Draw what is taken for what over all languages; nothing where nothing was scored."""
    found = matrices(manifest, evaluated)
    if not found:
        return None
    whole, counted = _whole(found), unit(manifest)
    return share_map(
        whole.counts,
        whole.labels,
        whole.labels,
        Caption(
            "labels",
            f"Labels taken for others, on {answered_split(evaluated)}",
            f"All languages together, as the service answers. Row: the label of the annotators. Column: the answer, in "
            f"percent of the row's {counted}. Grey: right."
            + (
                f" {whole.labels[-1]}, as a row: what was answered where there is none."
                if whole.labels[-1] in NOTHING
                else ""
            ),
        ),
        tip=lambda i, j: f"{whole.labels[i]} answered as {whole.labels[j]}",
        muted=np.eye(len(whole.labels), dtype=bool),
        unit=counted,
    )


def _whole(found: Sequence[tuple[Language, Matrix]]) -> Matrix:
    """Return the matrix of all languages together."""
    return Matrix(found[0][1].labels, np.sum([matrix.counts for _, matrix in found], axis=0))


def error_tables(manifest: Manifest, evaluated: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Yield each language's examples of errors, where the build was asked to keep some."""
    text = Markup('<span lang="{}" dir="auto">{}</span>')
    for language in by_group(manifest):
        shown = evaluated.get("errors", {}).get(language.code, ())
        scored = [each["score"] for each in shown if each["score"] is not None]  # tagged sentences have no score
        rows = [
            (
                text.format(language.code, each["text"]),
                each["gold"],
                each["answer"],
                *([percent(each["score"])] if scored else ()),
            )
            for each in shown
        ]
        columns = ("Text", "Annotated", "Answered", *(["Probability, %"] if scored else ()))
        if rows:
            title = f"{language.name}: annotated and answered" + (", the surest first" if scored else "")
            yield language.name, Table(title, columns, rows, words=3)
