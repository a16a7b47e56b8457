"""What a build has cost: the seconds of its stages, as their records say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.grouping.result import Groups

_STAGES = {
    "encoder": "Make the encoder",
    "adapt": "Adapt the encoder to the training texts",
    "measure": "Measure S in one joint training",
    "group": "Choose the groups",
    "train": "Train the models",
    "export": "Export to ONNX and compare",
    "identify": "Train the language identifier",
    "evaluate": "Score everything",
    "assignment": "Keep gradients to assign later languages by",
}


@dataclass(frozen=True)
class Cost:
    """A kind of stage, how many of it there were, and their seconds together."""

    title: str
    count: int
    seconds: float


def build_stages(groups: Groups, multilingual: Path) -> list[str]:
    """Return the folders of a build's stages, all but the bundle's own.

    Args:
        groups: That it chose.
        multilingual: Directory of the multilingual model; that of the measurement if the joint model is it.
    """
    folders = [group.folder for group in groups.groups]
    trained = [f"train/{folder}" for folder in (multilingual.name, *folders)]
    exported = [f"export/{folder}" for folder in folders]
    return ["encoder", "adapt", "measure", "group", *trained, *exported, "identify", "evaluate", "assignment"]


def stage_seconds(directory: Path, names: Iterable[str]) -> dict[str, float]:
    """Return the seconds of stages, by name; those without a record are left out.

    Args:
        directory: The run directory.
        names: Folders of stages below it.
    """
    found = {}
    for name in names:
        try:
            record = json.loads((directory / name / "stage.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if "seconds" in record:
            found[name] = float(record["seconds"])
    return found


def costs(seconds: Mapping[str, float]) -> list[Cost]:
    """Sum the seconds by kind of stage, in the order of a build; ``train/ab`` is of the kind ``train``."""
    kinds: dict[str, list[float]] = {kind: [] for kind in _STAGES}
    for name, value in seconds.items():
        kinds.setdefault(name.partition("/")[0], []).append(value)
    return [Cost(_STAGES.get(kind, kind), len(own), sum(own)) for kind, own in kinds.items() if own]
