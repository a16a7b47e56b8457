"""Why a comparison's groups are as they are: S by group and as a tree, method by method, and the curves over K.

The same drawings as on a build's page. S and groups are those of the first seed; the page tells the other seeds'
groups in its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradsim_offline.core.languages import name as language_name
from gradsim_offline.report.comparison_drawings import gradient_method, split_name
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.environment import metric_name
from gradsim_offline.report.heatmap import TOOLTIP_CELLS
from gradsim_offline.report.k_curve import DEV_SCORE, chosen, k_curve
from gradsim_offline.report.numbers import percent
from gradsim_offline.report.similarity_drawings import Grouped, similarity_map, similarity_tree

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Why:
    """What a method's groups were chosen from.

    Attributes:
        method: Its name.
        drawings: S by group, and as a tree.
    """

    method: str
    drawings: tuple[Drawing, ...]


def why(result: Result) -> list[Why]:
    """Return S and the groups of each method with several groups, gradient similarity first.

    A method with the very S and groups of one before it is left out, as are one group of all and every language alone:
    no S decided those. With very many languages only the first is drawn, or the page would be too heavy.
    """
    seed = str(result["seeds"][0])
    first = gradient_method(result)
    names = sorted((method["name"] for method in result["methods"]), key=lambda name: name != first)
    found: list[Why] = []
    seen: list[tuple[Any, Any]] = []
    for method in names:
        measured = result.get("similarity", {}).get(method, {}).get(seed)
        groups = result.get("groups", {}).get(method, {}).get(seed, ())
        alone = all(len(group["members"]) == 1 for group in groups)
        if not measured or len(groups) < 2 or alone or (measured, groups) in seen:
            continue
        seen.append((measured, groups))
        drawings = _draw(method, seed, measured, groups)
        found += [Why(method, drawings)] if drawings else []
        if len(measured["languages"]) > TOOLTIP_CELLS:
            break
    return found


def curves(result: Result, split: str) -> list[Drawing]:
    """Return the score against K: of a sweep over K, and of each method that chose K on dev.

    Args:
        result: The comparison.
        split: What the sweep's curve shows.
    """
    found = [_sweep(result, split)] if result.get("sweep", {}).get("over") == "groups" else []
    found += [_chosen_on_dev(method["name"], result) for method in result["methods"]]
    return [drawing for drawing in found if drawing]


def _draw(method: str, seed: str, measured: Mapping[str, Any], groups: Any) -> tuple[Drawing, ...]:  # noqa: ANN401
    languages = measured["languages"]
    matrix = np.array(measured["matrix"], dtype=np.float64)  # [N, N]
    grouped = Grouped(
        {code: language_name(code) for code in languages},
        {code: group["id"] for group in groups for code in group["served"]},
        {group["id"]: group["members"] for group in groups},
    )
    of = f"of {method}, seed {seed}"
    drawings = (
        similarity_map(matrix, languages, grouped, name=f"similarity-{method}", title=f"Similarity S {of}"),
        similarity_tree(
            matrix, languages, grouped, name=f"tree-{method}", title=f"Languages by similarity, and the groups {of}"
        ),
    )
    return tuple(drawing for drawing in drawings if drawing)


def _sweep(result: Result, split: str) -> Drawing | None:
    """Draw the plain mean of every K of a sweep, the K that dev would have chosen with a ring."""
    numbers, names = result["sweep"]["values"], [method["name"] for method in result["methods"]]
    means = {
        each: [found[name]["plain"]["mean"] for name in names] for each, found in result["averages"].items()
    }  # split -> by K
    judge = "dev" if "dev" in means else split
    marked = int(np.argmax(means[judge]))
    return k_curve(
        [{"groups": number, "score": score} for number, score in zip(numbers, means[split], strict=True)],
        name="curve",
        title=f"Plain mean of {metric_name(result['metric'])} on {split_name(split)} for every K",
        said=f"With a ring: K = {numbers[marked]}, the best on {judge} ({percent(means[judge][marked])}).",
        marked=marked,
    )


def _chosen_on_dev(method: str, result: Result) -> Drawing | None:
    """Draw the mean over seeds of a method's dev scores by K; ``None``: it was given K."""
    reached = result.get("grouping", {}).get(method, {})
    by_seed = {seed: each["curve"] for seed, each in reached.items() if each.get("curve")}
    if not by_seed:
        return None
    scores: dict[int, list[float]] = {}
    for curve in by_seed.values():
        for candidate in curve:
            scores.setdefault(int(candidate["groups"]), []).append(candidate["score"])
    picked: dict[int, list[str]] = {}
    for seed, curve in by_seed.items():
        best = chosen(curve)
        picked.setdefault(int(best["groups"]) if best else 0, []).append(seed)
    words = "; ".join(f"K = {number} with seed {', '.join(seeds)}" for number, seeds in sorted(picked.items()))
    return k_curve(
        [{"groups": number, "score": float(np.mean(found))} for number, found in sorted(scores.items())],
        name=f"curve-{method}",
        title=f"{DEV_SCORE} by {method}",
        said=f"Mean over {len(by_seed)} seeds, the best with a ring. Chosen: {words}." if len(by_seed) > 1 else "",
    )
