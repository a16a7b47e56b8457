"""A comparison as drawings: the means with their seeds, the differences per language, who is grouped with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.report.charts import Point, Series, dots
from gradsim_offline.report.dendrogram import leaves, linkage
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.environment import metric_name
from gradsim_offline.report.heatmap import Aside, heatmap
from gradsim_offline.report.numbers import percent, points, rounded

Result = Mapping[str, Any]


def means(result: Result, split: str) -> Drawing:
    """Draw each method's plain mean with its standard deviation over seeds, and every seed; best first."""
    averages = result["averages"][split]
    methods = sorted(
        result["methods"], key=lambda method: (method["oracle"], -averages[method["name"]]["plain"]["mean"])
    )
    found = [averages[method["name"]]["plain"] for method in methods]
    spread = (
        " Bars: mean \u00b1 standard deviation over seeds; small rings: the seeds." if len(result["seeds"]) > 1 else ""
    )
    metric = metric_name(result["metric"])
    return dots(
        [label(method) for method in methods],
        [Series("plain mean", [_mean_point(label(method), each) for method, each in zip(methods, found, strict=True)])],
        name="means",
        title=f"Plain mean over languages of every method on {split_name(split)}",
        description=f"{metric[:1].upper()}{metric[1:]} in percent, best first, oracles last.{spread}",
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
        name="differences",
        title=f"Difference to {base}, per language, on {split_name(split)}",
        description="In percentage points, means over seeds; to the right the plain mean over languages.",
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
        name="together",
        title=f"How often two languages are members of one group ({method})",
        description=f"Share of the {seeds} seeds; languages that are often together stand side by side.",
        muted=np.eye(len(codes), dtype=bool),
        tip=tip,
        colour="positive",
    )


def co_membership(groups: Mapping[str, Sequence[Mapping[str, Any]]], codes: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of seeds in which two languages are members of one group, ``[N, N]``; 1 on the diagonal."""
    place = {code: i for i, code in enumerate(codes)}
    shares = np.zeros((len(codes), len(codes)))
    for chosen in groups.values():
        pairs = np.zeros(shares.shape, dtype=bool)
        for group in chosen:
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


def _mean_point(name: str, found: Mapping[str, Any]) -> Point:
    mean, spread = found["mean"], found["sd"]
    interval = None if spread is None else (mean - spread, mean + spread)
    seeds = tuple(found["seeds"].values()) if spread is not None else ()
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
    found = [method["name"] for method in result["methods"] if method["measure"] == "gradient"]
    found = [name for name in found if any(len(groups) > 1 for groups in result["groups"][name].values())]
    found = [name for name in found if name != "monolingual"]
    return "gradient" if "gradient" in found else found[0] if found else None
