"""How often languages' gradients were in conflict during training, by model and epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.grouping.result import Groups
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.lines import Strip, strips
from gradsim_offline.report.numbers import decimal, percent, rounded
from gradsim_offline.report.table import Table

_RESULT = "training.json"  # training.fine_tune.RESULT; not imported from there, for it imports torch
_TWO_LANGUAGES = "the gradients of every two languages in a batch"
_PAIRS = {
    "surgery": "the gradient of the training batch with that of a batch of a random target language",
    **dict.fromkeys(("pcgrad", "gradvac", "cagrad", "nash_mtl", "upgrad"), _TWO_LANGUAGES),
}

_FIGURES = ("Pairs compared", "In conflict, %", "Mean cosine")


@dataclass(frozen=True)
class Training:
    """One model's training, as its ``training.json`` tells it.

    Attributes:
        model: ``multilingual``, or the group's id.
        members: Languages it was trained on.
        strategy: What its steps did with the gradients.
        kept: The epoch whose model was kept, counted from 1.
        history: Figures of each epoch.
    """

    model: str
    members: tuple[str, ...]
    strategy: str
    kept: int
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class Counts:
    """Pairs of gradients of one or more epochs.

    Attributes:
        compared: How many pairs.
        share: Of them in conflict; ``None`` where none was compared.
        cosine: Their mean; ``None`` where none was compared.
    """

    compared: int
    share: float | None
    cosine: float | None

    @property
    def cells(self) -> tuple[str, str, str]:
        """Its figures in a table."""
        return str(self.compared), percent(self.share), decimal(self.cosine)


@dataclass(frozen=True)
class TrainingConflicts:
    """A model's line in the table: all its epochs together, and each of them."""

    training: Training
    together: Counts
    epochs: tuple[Counts, ...]


@dataclass(frozen=True)
class Conflicts:
    """The section.

    Attributes:
        strategy: As in the settings.
        pairs: Words for which gradients it compares.
        rows: One per model.
        drawings: Share of conflicts, mean cosine; none where nothing was compared.
    """

    strategy: str
    pairs: str
    rows: tuple[TrainingConflicts, ...]
    drawings: tuple[Drawing, ...]

    @property
    def table(self) -> Table:
        """A line for each model, all its epochs together."""
        rows = [(row.training.model, " ".join(row.training.members), *row.together.cells) for row in self.rows]
        title = "Pairs of gradients in conflict, all epochs together"
        return Table(title, ("Model", "Trained on", *_FIGURES), rows, words=2)

    @property
    def epoch_table(self) -> Table:
        """A line for each epoch of each model."""
        rows = [
            ("" if i else row.training.model, str(i + 1), *counts.cells)
            for row in self.rows
            for i, counts in enumerate(row.epochs)
        ]
        return Table("Pairs of gradients in conflict, epoch by epoch", ("Model", "Epoch", *_FIGURES), rows)


def read_trainings(directory: Path, groups: Groups, multilingual: Path) -> list[Training]:
    """Read how the multilingual model and each group's model were trained; a model without a record is left out.

    Args:
        directory: The run directory.
        groups: That the build chose; one whose model is the multilingual one is not told twice.
        multilingual: Directory of the multilingual model.
    """
    places = {"multilingual": multilingual}
    places |= {group.id: directory / "train" / group.folder for group in groups.groups}
    return [training for model, place in places.items() for training in _read(model, place / _RESULT)]


def _read(model: str, path: Path) -> Iterator[Training]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    yield Training(
        model, tuple(content["members"]), content["strategy"], int(content["best_epoch"]), tuple(content["history"])
    )


def conflicts(trainings: Sequence[Training]) -> Conflicts | None:
    """Return the section; ``None`` where no strategy compared gradients, as in plain training."""
    watched = [training for training in trainings if any("compared" in epoch for epoch in training.history)]
    if not watched:
        return None
    rows = tuple(_row(training) for training in watched)
    strategy = watched[0].strategy
    return Conflicts(
        strategy, _PAIRS.get(strategy, "pairs of gradients, as the strategy chose them"), rows, tuple(_drawings(rows))
    )


def drawings(trainings: Sequence[Training]) -> tuple[Drawing, ...]:
    """Return the section's figures; none where there is no section."""
    section = conflicts(trainings)
    return section.drawings if section else ()


def _row(training: Training) -> TrainingConflicts:
    epochs = tuple(_counts([epoch]) for epoch in training.history)
    return TrainingConflicts(training, _counts(training.history), epochs)


def _counts(epochs: Sequence[Mapping[str, float]]) -> Counts:
    """Count the pairs of some epochs together; their mean cosine weighs each pair alike."""
    compared = sum(epoch.get("compared", 0) for epoch in epochs)
    if not compared:
        return Counts(0, None, None)
    cosines = sum(epoch["compared"] * epoch["cosine"] for epoch in epochs if epoch.get("compared"))
    return Counts(int(compared), sum(epoch.get("conflicts", 0) for epoch in epochs) / compared, cosines / compared)


def _drawings(rows: Sequence[TrainingConflicts]) -> Iterator[Drawing]:
    """Draw both figures, a strip for each model that compared anything."""
    told = [row for row in rows if row.together.compared]
    reading = "A strip for each model, all on one scale; the figure at the right is the last epoch's; a ring marks the "
    reading += "epoch whose model was kept."
    kinds = (
        ("conflicts", "share", "Share of gradient pairs in conflict, in percent", percent, rounded),
        ("cosines", "cosine", "Mean cosine of the gradient pairs", decimal, lambda value: decimal(value, 2)),
    )
    for name, figure, title, write, tick in kinds:
        lines = [
            Strip(row.training.model, [getattr(counts, figure) for counts in row.epochs], row.training.kept - 1)
            for row in told
        ]
        drawing = strips(lines, Caption(name, title, reading), write=write, tick=tick)
        if drawing:
            yield drawing
