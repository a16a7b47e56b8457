"""What a build has cost: the seconds of its stages, as their records say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from gradsim_offline.report.numbers import decimal
from gradsim_offline.report.table import Table

_STAGES = {
    "encoder": "Make the encoder",
    "reading": "Try what the encoder reads",
    "trim": "Trim the vocabulary",
    "adapt": "Adapt the encoder to the training texts",
    "trunk": "Export the frozen encoder",
    "trunk-texts": "Read all texts by the frozen encoder",
    "top": "Take the upper blocks",
    "heads": "Set up the heads",
    "measure": "Measure S in one joint training",
    "group": "Choose the groups",
    "train": "Train the models",
    "ngrams": "Train n-gram models",
    "choose": "Choose what the bundle holds",
    "export": "Export to ONNX and compare",
    "identify": "Train the language identifier",
    "long-texts": "Try long texts in windows",
    "evaluate": "Score everything",
    "assignment": "Keep gradients to assign later languages by",
}


def stage_seconds(directory: Path, names: Iterable[str]) -> dict[str, float]:
    """Return the seconds of stages, by name; those without a record are left out.

    Args:
        directory: The run directory.
        names: Folders of stages below it, as the run directory went through them.
    """
    known = {}
    for name in names:
        try:
            record = json.loads((directory / name / "stage.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if "seconds" in record:
            known[name] = float(record["seconds"])
    return known


def cost_table(seconds: Mapping[str, float]) -> Table:
    """Sum the seconds by kind of stage, in the order of a build; ``train/ab`` is of the kind ``train``."""
    kinds: dict[str, list[float]] = {kind: [] for kind in _STAGES}
    for name, value in seconds.items():
        kinds.setdefault(name.partition("/")[0], []).append(value)
    rows = [
        (_STAGES.get(kind, kind), str(len(values)), decimal(sum(values), 1)) for kind, values in kinds.items() if values
    ]
    together = [("Together", "", decimal(sum(seconds.values()), 1))] if rows else []
    return Table("Cost of the build", ("Stage", "Runs", "Seconds"), [*rows, *together], totals=len(together))
