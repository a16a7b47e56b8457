"""A comparison as tables: in the terminal, in Markdown and in LaTeX, all from what the JSON holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.report.table import Cell, Table, figure, markdown, print_tables, printed_width, share
from gradsim_offline.report.table import latex as latex_tables

TITLES = {
    "test": "test",
    "test_unseen": "test without the texts that also stand in train or dev",
    "dev": "dev",
}
AVERAGES = {"plain": "plain mean", "weighted": "weighted by texts"}
GIVEN_GROUPS = ("single", "each", "family", "random")  # solvers that look for no score: its gap says nothing of them
_COSTS = {
    "steps": "training steps",
    "texts_seen": "texts seen",
    "train_seconds": "training seconds",
    "measure_seconds": "measuring seconds",
}
_CONFLICTS = ("gradients in conflict, %", "mean cosine")

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """A number of a table.

    Attributes:
        mean: Over seeds, 0 to 1.
        spread: Standard deviation over seeds; ``None``: there is one seed.
        best: It is the best of its column, oracles aside.
        star: It is better than the second best at p < 0.05.
    """

    mean: float
    spread: float | None = None
    best: bool = False
    star: bool = False

    def cell(self, *, spread: bool = True) -> Cell:
        """Return it in percent, with its deviation if that is wanted."""
        return share(self.mean, self.spread if spread else None, best=self.best, star=self.star)


@dataclass(frozen=True)
class MethodScores:
    """A method's line: a score per language, then one per average."""

    name: str
    oracle: bool
    scores: list[Score]

    @property
    def label(self) -> Cell:
        """Its name; an oracle is called so."""
        return Cell(self.name, "(oracle)" if self.oracle else "", oracle=self.oracle)


def method_scores(result: Result, split: str) -> list[MethodScores]:
    """Return a table's lines: the methods in their order, oracles last."""
    methods = sorted(result["methods"], key=lambda method: method["oracle"])
    scores, averages = result["scores"][split], result["averages"][split]
    names = [method["name"] for method in methods]
    columns = {
        code: {name: _over_seeds([by_code[code] for by_code in scores[name].values()]) for name in names}
        for code in result["counts"][split]
    }  # mean and standard deviation
    for average in AVERAGES:
        columns[average] = {name: (averages[name][average]["mean"], averages[name][average]["sd"]) for name in names}
    rivals = [method["name"] for method in methods if not method["oracle"]]
    stars = {average: starred(result, split, average) for average in AVERAGES}
    highest = {
        column: max((values[name][0] for name in rivals), default=math.inf) for column, values in columns.items()
    }
    return [
        MethodScores(
            name,
            method["oracle"],
            [
                Score(*values[name], name in rivals and values[name][0] >= highest[column], stars.get(column) == name)
                for column, values in columns.items()
            ],
        )
        for name, method in zip(names, methods, strict=True)
    ]


def ranking(result: Result, split: str, average: str) -> list[str]:
    """Return the methods by an average, best first, oracles left out."""
    rivals = [method["name"] for method in result["methods"] if not method["oracle"]]
    return sorted(rivals, key=lambda name: -result["averages"][split][name][average]["mean"])


def starred(result: Result, split: str, average: str) -> str | None:
    """Return the best method if it is better than its runner-up at p < 0.05, oracles left out."""
    order = ranking(result, split, average)
    test = pair(result, split, average, *order[:2]) if len(order) > 1 else None
    return order[0] if test and test["p"] < SIGNIFICANT else None


def pair(result: Result, split: str, average: str, method: str, against: str) -> dict[str, Any] | None:
    """Return the test of two methods, its difference from the first one's side; ``None`` if there was none."""
    for test in result["tests"]:
        if (test["split"], test["average"]) == (split, average) and {test["method"], test["against"]} == {
            method,
            against,
        }:
            sign = 1 if test["method"] == method else -1
            return {**test, "method": method, "against": against, "difference": sign * test["difference"]}
    return None


def write_tables(result: Result, markdown_path: Path, latex_path: Path) -> None:
    """Write both files."""
    markdown_path.write_text(markdown_page(result), encoding="utf-8")
    latex_path.write_text(latex(result), encoding="utf-8")


def splits(result: Result) -> list[str]:
    """Return the names of what was scored, test before dev."""
    return [name for name in TITLES if name in result["scores"]]


def markdown_page(result: Result) -> str:
    """Return the whole comparison as Markdown."""
    parts = [f"# {result['data']}: {result['metric']}, in percent\n\n{result['equal']}\n"]
    for split in splits(result):
        counts = result["counts"][split]
        texts = f"Texts: {', '.join(f'{code} {count}' for code, count in counts.items())}."
        title = f"On {TITLES[split]}"
        parts.append(markdown([replace(score_table(result, split), title=title, remark=texts)]))
        parts += [markdown([table]) for table in _best_against(result, split)]
    parts.append(f"{legend(result)}\n")
    parts.append(markdown([cost_table(result)]))
    seed = str(result["seeds"][0])
    groups = [
        f"- {name}: {' '.join('{' + ' '.join(group_members(group)) + '}' for group in by_seed[seed])}\n"
        for name, by_seed in result["groups"].items()
    ]
    parts.append(f"## Groups with seed {seed}\n\n{''.join(groups)}")
    return "\n".join(parts)


def legend(result: Result) -> str:
    """Say what the marks mean, and how it was tested."""
    count = len(result["seeds"])
    lonely = len(result["methods"]) < 2
    seeds = f"Means over {count} seeds, ± standard deviation. " if count > 1 else "One seed. "
    if not result["tests"]:
        why = "that needs at least two seeds" if count < 2 else "that needs two methods" if lonely else "as was asked"
        return f"{seeds}Differences were not tested; {why}."
    return seeds + (
        f"* better than the second best method, oracles aside, at p < {SIGNIFICANT}: two-sided paired permutation test "
        f"over texts, {result['permutations']} permutations, the answers of all seeds to a text swapped together. "
        "It says how sure the difference is for other texts; ± says how much it varies with the seed."
    )


def latex(result: Result) -> str:
    """Return the tables of all test sets in LaTeX."""
    return latex_tables([replace(score_table(result, split), remark=legend(result)) for split in splits(result)])


def print_comparison(result: Result, console: Console | None = None) -> None:
    """Print the tables of the test set, or of dev where there is none.

    The deviations of single languages are left out where they would not fit into a line.
    """
    out = console or Console(highlight=False, soft_wrap=True)
    for split in [name for name in splits(result) if name != "dev"] or ["dev"]:
        table = score_table(result, split)
        if printed_width(table) > out.width:
            table = score_table(result, split, every_spread=False)
        print_tables([table], out)
    out.print(legend(result), markup=False, soft_wrap=True)


def score_table(result: Result, split: str, *, every_spread: bool = True) -> Table:
    """Lay out the scores, a line for each method; without ``every_spread`` only averages have their deviation."""
    counts, methods = result["counts"][split], method_scores(result, split)
    rows = [
        (method.label, *(each.cell(spread=every_spread or i >= len(counts)) for i, each in enumerate(method.scores)))
        for method in methods
    ]
    title = f"{result['data']}: {result['metric']} on {TITLES[split]}, in percent"
    oracles = sum(method.oracle for method in methods)
    return Table(title, ("method", *counts, *AVERAGES.values()), rows, sections=(len(rows) - oracles,))


def cost_table(result: Result) -> Table:
    """Lay out what each method cost, means over seeds, and how often its training met a conflict of gradients.

    The costs are those of all its groups, also those that it shares with other methods. Conflicts have columns where
    some method's strategy compared gradients.
    """
    conflicts = result["conflicts"]
    rows = []
    for name, by_seed in result["cost"].items():
        cells = [figure(fmean(costs[key] for costs in by_seed.values()), ".0f") for key in _COSTS]
        if conflicts:
            conflict = conflicts.get(name)
            cells += [figure(conflict and 100 * conflict["share"], ".1f"), figure(conflict and conflict["cosine"])]
        rows.append((name, *cells))
    columns = ("method", *_COSTS.values(), *(_CONFLICTS if conflicts else ()))
    return Table("Cost, mean over seeds", columns, rows)


def _best_against(result: Result, split: str) -> list[Table]:
    """Lay out the tests of the best method against each of the others, on the plain mean; none where none is."""
    order = ranking(result, split, "plain")
    others = [method["name"] for method in result["methods"] if method["name"] != order[0]] if order else []
    tests = [test for test in (pair(result, split, "plain", order[0], name) for name in others) if test]
    rows = [(t["against"], f"{100 * t['difference']:+.2f}", f"{t['p']:.4f}", f"{t['p_holm']:.4f}") for t in tests]
    columns = (f"{order[0]} against", "plain mean", "p", "p (Holm, all pairs)") if order else ()
    title = f"Tests on {TITLES[split]}"
    return [Table(title, columns, rows)] if rows else []


def group_members(group: Mapping[str, Any]) -> list[str]:
    """Return a group's languages; source-only ones in parentheses."""
    return [code if code in group["served"] else f"({code})" for code in group["members"]]


def _over_seeds(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and sample standard deviation; ``None``: of one seed."""
    return fmean(values), stdev(values) if len(values) > 1 else None
