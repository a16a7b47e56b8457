"""The report of a comparison: one HTML page that needs nothing beside itself, from what compare.json holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradsim_offline.report import comparison_drawings as draw
from gradsim_offline.report.comparison_groups import curves, why
from gradsim_offline.report.comparison_tables import AVERAGES, TITLES, legend, rows, splits
from gradsim_offline.report.cost_table import cost_table
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.environment import environment
from gradsim_offline.report.verdict import main_split, verdict

TEMPLATE = "comparison.html.j2"
Result = Mapping[str, Any]
Members = tuple[tuple[str, bool], ...]  # of a group: language, and whether the group serves it


@dataclass(frozen=True)
class Chosen:
    """Groups that a method chose with some of the seeds.

    Attributes:
        method: Its name.
        seeds: Those that led to these very groups.
        groups: Each as members with whether it is served.
        score: Grouping score, mean over these seeds; ``None``: not told.
        gap: To the bound, the largest of these seeds.
        proven: With how many of these seeds no choice is known to score higher.
    """

    method: str
    seeds: tuple[str, ...]
    groups: tuple[Members, ...]
    score: float | None
    gap: float | None
    proven: int


def render_comparison(content: Result) -> str:
    """Return the page; the same content always gives the same page.

    Args:
        content: What compare.json or the JSON of a sweep holds (docs/comparing.md).
    """
    names = splits(content)
    split = main_split(content)
    cost_titles, costs = cost_table(content)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            result=content,
            verdict=verdict(content),
            split=split,
            tables=[(name, TITLES.get(name, name), rows(content, name)) for name in names],
            averages=AVERAGES,
            legend=legend(content),
            drawings={drawing.name: drawing for drawing in _drawings(content, split)},
            tests=[
                (name, average, title, _tests(content, name, average))
                for name in names
                for average, title in AVERAGES.items()
            ],
            chosen=_chosen(content),
            why=why(content),
            curves=curves(content, split),
            costs=costs,
            cost_titles=cost_titles,
            provenance=json.dumps(content.get("provenance", {}), indent=2, ensure_ascii=False, default=str),
        )
    )


def comparison_drawings(content: Result) -> list[Drawing]:
    """Return the figures of the page, for files beside it."""
    split = main_split(content)
    decided = [drawing for each in why(content) for drawing in each.drawings]
    return [*_drawings(content, split), *curves(content, split), *decided]


def _drawings(content: Result, split: str) -> list[Drawing]:
    """Return the figures that stand at a place of their own."""
    found = [draw.means(content, split), draw.differences(content, split), draw.together(content)]
    return [drawing for drawing in found if drawing]


def _tests(content: Result, split: str, average: str) -> list[Mapping[str, Any]]:
    """Return the tests of a table, each from the side of the better method, the surest first."""
    found = []
    for test in content.get("tests", ()):
        if (test["split"], test["average"]) == (split, average):
            turned = {"method": test["against"], "against": test["method"], "difference": -test["difference"]}
            found.append({**test, **turned} if test["difference"] < 0 else test)
    return sorted(found, key=lambda test: (test["p"], -test["difference"]))


def _chosen(content: Result) -> list[Chosen]:
    """Return the groups of each method, seeds that led to the same ones together."""
    found = []
    for method, by_seed in content.get("groups", {}).items():
        alike: dict[frozenset[Members], tuple[tuple[Members, ...], list[str]]] = {}
        for seed, groups in by_seed.items():
            sets = tuple(tuple((code, code in group["served"]) for code in group["members"]) for group in groups)
            alike.setdefault(frozenset(sets), (sets, []))[1].append(seed)
        reached = content.get("grouping", {}).get(method, {})
        for sets, seeds in alike.values():
            mine = [reached[seed] for seed in seeds if seed in reached]
            found.append(
                Chosen(
                    method,
                    tuple(seeds),
                    sets,
                    sum(each["score"] for each in mine) / len(mine) if mine else None,
                    max(max(0.0, each["bound"] - each["score"]) for each in mine) if mine else None,
                    sum(bool(each["proven"]) for each in mine),
                )
            )
    return found
