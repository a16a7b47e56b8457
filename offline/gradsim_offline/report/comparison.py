"""The report of a comparison: one HTML page that needs nothing beside itself, from what compare.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from markupsafe import Markup

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.report import comparison_drawings as draw
from gradsim_offline.report.comparison_tables import (
    AVERAGES,
    GIVEN_GROUPS,
    TITLES,
    cost_table,
    group_members,
    legend,
    method_scores,
    splits,
)
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.numbers import MISSING, decimal, points
from gradsim_offline.report.pages import environment, metric_name, upper_first, written
from gradsim_offline.report.table import Table
from gradsim_offline.report.verdicts.comparison import main_split, verdict

Result = Mapping[str, Any]


def render_comparison(content: Result) -> str:
    """Return the page; the same content always gives the same page.

    Args:
        content: What compare.json or the JSON of a sweep holds (docs/comparing.md).
    """
    split = main_split(content)
    costs = cost_table(content)
    tests = [(name, average, _test_table(content, name, average)) for name in splits(content) for average in AVERAGES]
    page = environment().get_template("comparison.html.j2")
    return page.render(
        result=content,
        verdict=verdict(content),
        tables=[(name, _score_table(content, name)) for name in splits(content)],
        averages=AVERAGES,
        legend=legend(content),
        drawings={drawing.name: drawing for drawing in _drawings(content, split)},
        tests=[(name, AVERAGES[average], table) for name, average, table in tests if table.rows],
        groups=_group_table(content),
        methods=_method_table(content),
        decisions=draw.decisions(content),
        curves=draw.curves(content, split),
        costs=replace(
            costs,
            title="Cost, mean over seeds; trainings that methods share are counted for each of them",
            columns=[upper_first(column) for column in costs.columns],
        ),
        provenance=written(content["provenance"]),
    )


def comparison_drawings(content: Result) -> list[Drawing]:
    """Return the figures of the page, for files beside it."""
    split = main_split(content)
    decided = [drawing for drawings in draw.decisions(content).values() for drawing in drawings]
    return [*_drawings(content, split), *draw.curves(content, split), *decided]


def _drawings(content: Result, split: str) -> list[Drawing]:
    """Return the figures that stand at a place of their own."""
    drawings = [draw.means(content, split), draw.differences(content, split), draw.together(content)]
    return [drawing for drawing in drawings if drawing]


def _score_table(content: Result, split: str) -> Table:
    """Lay out the scores with the averages first, and the numbers of texts below."""
    counts = content["counts"][split]
    rows = [
        (line.label, *(each.cell() for each in (*line.scores[len(counts) :], *line.scores[: len(counts)])))
        for line in method_scores(content, split)
    ]
    texts = ("Texts", "", str(sum(counts.values())), *map(str, counts.values()))
    title = f"{metric_name(content['metric'])} on {TITLES[split]}, in percent"
    columns = ("Method", *map(upper_first, AVERAGES.values()), *counts)
    return Table(title, columns, [*rows, texts], totals=1)


def _test_table(content: Result, split: str, average: str) -> Table:
    """Lay out the tests of an average, each from the side of the better method, the surest first."""
    tests = []
    for test in content["tests"]:
        if (test["split"], test["average"]) == (split, average):
            turned = {"method": test["against"], "against": test["method"], "difference": -test["difference"]}
            tests.append({**test, **turned} if test["difference"] < 0 else test)
    rows = [
        (test["method"], test["against"], points(test["difference"]), *(_sure(test[p]) for p in ("p", "p_holm")))
        for test in sorted(tests, key=lambda test: (test["p"], -test["difference"]))
    ]
    mean = AVERAGES[average] if "mean" in AVERAGES[average] else f"mean {AVERAGES[average]}"
    title = f"Differences of the {mean} on {split}, in percentage points"
    return Table(title, ("Better", "than", "Difference", "p", "p (Holm, all pairs)"), rows, words=2)


def _sure(p: float) -> str:
    return decimal(p, 4) + ("*" if p < SIGNIFICANT else "")


def _group_table(content: Result) -> Table:
    """Lay out the groups of each method, seeds that led to the same ones together."""
    rows = []
    searched = {method["name"] for method in content["methods"] if method["solver"] not in GIVEN_GROUPS}
    for method, by_seed in content["groups"].items():
        alike: dict[frozenset[tuple[str, ...]], tuple[list[tuple[str, ...]], list[str]]] = {}
        for seed, groups in by_seed.items():
            sets = [tuple(group_members(group)) for group in groups]
            alike.setdefault(frozenset(sets), (sets, []))[1].append(seed)
        for sets, seeds in alike.values():
            reached = [content["grouping"][method][seed] for seed in seeds]
            proven = sum(bool(each["proven"]) for each in reached)
            figures = (
                decimal(fmean(each["score"] for each in reached)),
                decimal(max(max(0.0, each["bound"] - each["score"]) for each in reached)),
                "yes" if proven == len(seeds) else f"{proven} of {len(seeds)}",
            )
            rows.append(
                (
                    method,
                    Markup('<span class="seeds">{}</span>').format(" ".join(seeds)),
                    Markup('<ul class="sets">{}</ul>').format(
                        Markup("").join(Markup("<li>{}</li>").format(" ".join(names)) for names in sets)
                    ),
                    *(figures if method in searched else (MISSING,) * 3),
                )
            )
    title = "Groups of every method; in parentheses languages that only help and are served elsewhere"
    columns = ("Method", "Seeds", "Groups", "Grouping score", "Gap to bound", "Proven")
    return Table(title, columns, rows, words=3)


def _method_table(content: Result) -> Table:
    rows = [
        (draw.label(method), method["description"], method["measure"], method["solver"])
        for method in content["methods"]
    ]
    return Table("The methods", ("Method", "What it is", "Similarity", "Solver"), rows, words=4)
