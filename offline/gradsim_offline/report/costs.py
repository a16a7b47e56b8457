"""What a build has cost: the seconds of its stages, as their records say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from gradsim_offline.grouping.result import Groups
from gradsim_offline.report.numbers import decimal
from gradsim_offline.report.table import Table

_STAGES = {
    "encoder": "Make the encoder",
    "adapt": "Adapt the encoder to the training texts",
    "measure": "Measure S in one joint training",
    "group": "Choose the groups",
    "train": "Train the models",
    "export": "Export to ONNX and compare",
    "identify": "Train the language identifier",
    "long-texts": "Try long texts in windows",
    "evaluate": "Score everything",
    "assignment": "Keep gradients to assign later languages by",
}


def build_stages(groups: Groups, multilingual: Path) -> list[str]:
    """Return the folders of a build's stages, all but the bundle's own.

    Args:
        groups: That it chose.
        multilingual: Directory of the multilingual model; that of the measurement if the joint model is it.
    """
    folders = [group.folder for group in groups.groups]
    trained = [f"train/{folder}" for folder in (multilingual.name, *folders)]
    exported = [f"export/{folder}" for folder in folders]
    last = ["identify", "long-texts", "evaluate", "assignment"]
    return ["encoder", "adapt", "measure", "group", *trained, *exported, *last]


def stage_seconds(directory: Path, names: Iterable[str]) -> dict[str, float]:
    """Return the seconds of stages, by name; those without a record are left out.

    Args:
        directory: The run directory.
        names: Folders of stages below it.
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


def cost_table(seconds: Mapping[str, float], *, total: bool) -> Table:
    """Sum the seconds by kind of stage, in the order of a build; ``train/ab`` is of the kind ``train``."""
    kinds: dict[str, list[float]] = {kind: [] for kind in _STAGES}
    for name, value in seconds.items():
        kinds.setdefault(name.partition("/")[0], []).append(value)
    rows = [
        (_STAGES.get(kind, kind), str(len(values)), decimal(sum(values), 1)) for kind, values in kinds.items() if values
    ]
    together = [("Together", "", decimal(sum(seconds.values()), 1))] if total and rows else []
    return Table("Cost of the build", ("Stage", "Runs", "Seconds"), [*rows, *together], totals=len(together))
