"""What every method cost, and how often its training met a conflict, as a table for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from gradsim_offline.report.text_tables import UNDEFINED, figure

_COSTS = {
    "steps": "training steps",
    "texts_seen": "texts seen",
    "train_seconds": "training seconds",
    "measure_seconds": "measuring seconds",
}
_CONFLICTS = ("gradients in conflict, %", "mean cosine")


def cost_table(result: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the titles of the columns, and each method's name with its cells: means over seeds.

    The costs are those of all its groups, also those that it shares with other methods. What a comparison of before
    does not tell is marked as undefined; conflicts have columns where some method's strategy compared gradients.
    """
    conflicts = result.get("conflicts", {})
    titles = [*_COSTS.values(), *(_CONFLICTS if conflicts else ())]
    lines = []
    for name, by_seed in result.get("cost", {}).items():
        cells = []
        for key in _COSTS:
            told = [costs[key] for costs in by_seed.values() if key in costs]
            cells.append(figure(fmean(told), ".0f") if told else UNDEFINED)
        if conflicts:
            own = conflicts.get(name)
            cells += [f"{100 * own['share']:.1f}", f"{own['cosine']:.3f}"] if own else [UNDEFINED] * 2
        lines.append((name, cells))
    return titles, lines
