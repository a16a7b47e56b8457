"""The outcome of few-shot transfer in words: who is ahead with how many shots, and what shots bring at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.report.numbers import percent, points

NO_SHOTS = "zero-shot"


def verdict(content: Mapping[str, Any]) -> list[str]:
    """Return the outcome in sentences, that of the most shots first.

    Args:
        content: Of few-shot.json.
    """
    said = [_ahead(content, shots) for shots in sorted(content["shots"], reverse=True)]
    if len(content["seeds"]) == 1:
        said.append("One seed: which shots were drawn is not in these differences; --seeds 5 says more.")
    return said


def _ahead(content: Mapping[str, Any], shots: int) -> str:
    means = {name: cell["plain"]["mean"] for name, cell in content["averages"][str(shots)].items()}
    order = sorted(means, key=lambda name: -means[name])
    where = f"With {shots} {'shot' if shots == 1 else 'shots'}, {order[0]} is ahead with {percent(means[order[0]])} %"
    if len(order) == 1:
        return f"{where}."
    said = f"{where}, {_over(content, means, shots, order[0], order[1])}"
    if NO_SHOTS not in order[:2]:
        said += f", and {_over(content, means, shots, order[0], NO_SHOTS)}"
    return f"{said}."


def _over(content: Mapping[str, Any], means: Mapping[str, float], shots: int, name: str, other: str) -> str:
    gain = points(means[name] - means[other]).removeprefix("+")
    for test in content["tests"]:
        if (test["shots"], test["average"]) == (shots, "plain") and {test["method"], test["against"]} == {name, other}:
            sure = f"p = {test['p']:.4f}" + ("" if test["p"] < SIGNIFICANT else ": it may be chance")
            return f"{gain} points more than {other} ({sure})"
    return f"{gain} points more than {other}"
