"""A comparison as drawings: means with their seeds, differences per language, who is grouped with whom, and why.

S and groups are those of the first seed; the page tells the other seeds' groups in its table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.languages import name as language_name
from gradsim_offline.report.charts import Point, Series, dots
from gradsim_offline.report.dendrogram import leaves, linkage
from gradsim_offline.report.drawing import Caption, Drawing
from gradsim_offline.report.grouping_drawings import (
    DEV_SCORE,
    Grouped,
    chosen,
    k_curve,
    similarity_map,
    similarity_tree,
)
from gradsim_offline.report.heatmap import TOOLTIP_CELLS, Aside, heatmap
from gradsim_offline.report.numbers import percent, points, rounded
from gradsim_offline.report.pages import metric_name, upper_first

Result = Mapping[str, Any]


def means(result: Result, split: str) -> Drawing:
    """Draw each method's plain mean with its standard deviation over seeds, and every seed; best first."""
    averages = result["averages"][split]
    methods = sorted(
        result["methods"], key=lambda method: (method["oracle"], -averages[method["name"]]["plain"]["mean"])
    )
    spread = (
        " Bars: mean \u00b1 standard deviation over seeds; small rings: the seeds." if len(result["seeds"]) > 1 else ""
    )
    metric = metric_name(result["metric"])
    return dots(
        [label(method) for method in methods],
        [Series("plain mean", [_mean_point(label(method), averages[method["name"]]["plain"]) for method in methods])],
        Caption(
            "means",
            f"Plain mean over languages of every method on {split_name(split)}",
            f"{upper_first(metric)} in percent, best first, oracles last.{spread}",
        ),
        write=percent,
        tick=rounded,
        axis=f"plain mean of {metric}, %",
    )


def differences(result: Result, split: str) -> Drawing | None:
    """Draw what every method gains over one model of all languages; nothing where that was not compared."""
    base = _one_model(result)
    methods = [method for method in result["methods"] if method["name"] != base]
    if base is None or not methods:
        return None
    codes = list(result["counts"][split])
    reference = by_language(result, split, base)
    values = np.array(
        [[by_language(result, split, method["name"])[code] - reference[code] for code in codes] for method in methods]
    )  # [methods, languages]

    def tip(i: int, j: int) -> str:
        where, value = ("plain mean", values[i].mean()) if j == len(codes) else (codes[j], values[i, j])
        return f"{methods[i]['name']}, {where}: {points(float(value))} points"

    return heatmap(
        values,
        [label(method) for method in methods],
        codes,
        Caption(
            "differences",
            f"Difference to {base}, per language, on {split_name(split)}",
            "In percentage points, means over seeds; to the right the plain mean over languages.",
        ),
        tip=tip,
        write=points,
        aside=Aside("mean", values.mean(axis=1)),
    )


def together(result: Result) -> Drawing | None:
    """Draw the share of seeds in which two languages share a group of gradient similarity; needs two seeds."""
    method = gradient_method(result)
    if method is None or len(result["seeds"]) < 2 or len(result["languages"]) < 2:
        return None
    codes = list(result["languages"])
    shares = co_membership(result["groups"][method], codes)
    linked = linkage(shares)
    order = leaves(linked) if linked is not None else list(range(len(codes)))
    names, shown = [codes[i] for i in order], shares[np.ix_(order, order)]
    seeds = len(result["groups"][method])

    def tip(i: int, j: int) -> str:
        return f"{names[i]} with {names[j]}: {round(shown[i, j] * seeds)} of {seeds} seeds"

    return heatmap(
        shown,
        names,
        names,
        Caption(
            "together",
            f"How often two languages are members of one group ({method})",
            f"Share of the {seeds} seeds; languages that are often together stand side by side.",
        ),
        muted=np.eye(len(codes), dtype=bool),
        tip=tip,
        colour="positive",
    )


def co_membership(groups: Mapping[str, Sequence[Mapping[str, Any]]], codes: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of seeds in which two languages are members of one group, ``[N, N]``; 1 on the diagonal."""
    place = {code: i for i, code in enumerate(codes)}
    shares = np.zeros((len(codes), len(codes)))
    for of_seed in groups.values():
        pairs = np.zeros(shares.shape, dtype=bool)
        for group in of_seed:
            rows = [place[code] for code in group["members"] if code in place]
            pairs[np.ix_(rows, rows)] = True
        shares += pairs
    return shares / max(len(groups), 1)


def by_language(result: Result, split: str, method: str) -> dict[str, float]:
    """Return a method's scores per language, mean over seeds."""
    seeds = list(result["scores"][split][method].values())
    return {code: float(np.mean([scores[code] for scores in seeds])) for code in result["counts"][split]}


def label(method: Mapping[str, Any]) -> str:
    """Name a method, and say if it is an oracle."""
    return f"{method['name']} (oracle)" if method["oracle"] else str(method["name"])


def split_name(split: str) -> str:
    """Name a set in a few words."""
    return {"test_unseen": "test without seen texts"}.get(split, split)


def _mean_point(name: str, average: Mapping[str, Any]) -> Point:
    mean, spread = average["mean"], average["sd"]
    interval = None if spread is None else (mean - spread, mean + spread)
    seeds = tuple(average["seeds"].values()) if spread is not None else ()
    words = f"{name}: {percent(mean)}" + ("" if spread is None else f" \u00b1 {percent(spread)}")
    return Point(mean, interval, seeds, words)


def _one_model(result: Result) -> str | None:
    """Return the method with one model of all languages: multilingual, or K = 1 of a sweep; ``None``: there is none."""
    names = [method["name"] for method in result["methods"]]
    sweep = result.get("sweep", {"over": ""})
    if sweep["over"] == "groups" and 1 in sweep["values"]:
        return str(names[sweep["values"].index(1)])
    return "multilingual" if "multilingual" in names else None


def gradient_method(result: Result) -> str | None:
    """Return the method of gradient similarity that makes groups; the one of that name before others."""
    names = [method["name"] for method in result["methods"] if method["measure"] == "gradient"]
    names = [name for name in names if any(len(groups) > 1 for groups in result["groups"][name].values())]
    names = [name for name in names if name != "monolingual"]
    return "gradient" if "gradient" in names else names[0] if names else None


def decisions(result: Result) -> dict[str, tuple[Drawing, ...]]:
    """Return S by group and as a tree, for each method with several groups, gradient similarity first.

    A method with the very S and groups of one before it is left out, as are one group of all and every language alone:
    no S decided those. With very many languages only the first is drawn, or the page would be too heavy.
    """
    seed = str(result["seeds"][0])
    first = gradient_method(result)
    names = sorted((method["name"] for method in result["methods"]), key=lambda name: name != first)
    drawn: dict[str, tuple[Drawing, ...]] = {}
    seen: list[tuple[Any, Any]] = []
    for method in names:
        measured = result["similarity"].get(method, {}).get(seed)
        groups = result["groups"][method][seed]
        alone = all(len(group["members"]) == 1 for group in groups)
        if not measured or len(groups) < 2 or alone or (measured, groups) in seen:
            continue
        seen.append((measured, groups))
        drawings = _draw(method, seed, measured, groups)
        drawn |= {method: drawings} if drawings else {}
        if len(measured["languages"]) > TOOLTIP_CELLS:
            break
    return drawn


def curves(result: Result, split: str) -> list[Drawing]:
    """Return the score against K: of a sweep over K, and of each method that chose K on dev.

    Args:
        result: The comparison.
        split: What the sweep's curve shows.
    """
    drawings = [_sweep(result, split)] if result.get("sweep", {}).get("over") == "groups" else []
    drawings += [_chosen_on_dev(method["name"], result) for method in result["methods"]]
    return [drawing for drawing in drawings if drawing]


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
        each: [averages[name]["plain"]["mean"] for name in names] for each, averages in result["averages"].items()
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
    by_seed = {seed: each["curve"] for seed, each in result["grouping"][method].items() if "curve" in each}
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
        [{"groups": number, "score": float(np.mean(values))} for number, values in sorted(scores.items())],
        name=f"curve-{method}",
        title=f"{DEV_SCORE} by {method}",
        said=f"Mean over {len(by_seed)} seeds, the best with a ring. Chosen: {words}." if len(by_seed) > 1 else "",
    )
