"""What a training cost, and how often its strategy met a conflict, read from its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from gradsim_offline.core.run_directory import RECORD
from gradsim_offline.training.batching import steps_per_epoch
from gradsim_offline.training.fine_tune import RESULT


def cost(model: Path, batch_size: int) -> dict[str, float]:
    """Return the steps, texts and seconds of a training, and the conflicts that its strategy counted.

    Args:
        model: Its directory.
        batch_size: Texts per step.

    Returns:
        ``steps``, ``texts_seen`` and ``train_seconds``, of an ensemble those of all its trainings; over all epochs
        ``compared`` (pairs of gradients, 0 in plain training), ``conflicts`` and ``cosines`` (summed), of an ensemble
        those of the first model.
    """
    trained = json.loads((model / RESULT).read_text(encoding="utf-8"))
    seconds = json.loads((model / RECORD).read_text(encoding="utf-8"))["seconds"]
    passes = trained.get("trainings", 1) * trained["epochs"]  # an ensemble says how many trainings it took
    history = trained["history"]
    return {
        "steps": passes * steps_per_epoch(trained["rows"], batch_size),
        "texts_seen": passes * trained["texts"],
        "train_seconds": seconds,
        "compared": sum(epoch.get("compared", 0) for epoch in history),
        "conflicts": sum(epoch.get("conflicts", 0) for epoch in history),
        "cosines": sum(epoch.get("compared", 0) * epoch.get("cosine", 0.0) for epoch in history),
    }


def conflicts(costs: Iterable[Mapping[str, float]]) -> dict[str, float] | None:
    """Return the ``share`` of compared pairs in conflict and their mean ``cosine``, each pair weighing alike.

    Args:
        costs: Of trainings, as ``cost`` returns them.

    Returns:
        ``None`` where no pair was compared, as in plain training.
    """
    rows = list(costs)
    compared, against, cosines = (sum(row[name] for row in rows) for name in ("compared", "conflicts", "cosines"))
    return {"share": against / compared, "cosine": cosines / compared} if compared else None
