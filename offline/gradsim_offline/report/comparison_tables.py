"""A comparison as tables: in the terminal, in Markdown and in LaTeX, all from what the JSON holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from gradsim_offline.core.significance import SIGNIFICANT
from gradsim_offline.report.cost_table import cost_table

TITLES = {
    "test": "test",
    "test_unseen": "test without the texts that also stand in train or dev",
    "dev": "dev",
}
_WIDEST = 1000  # columns of a table in the terminal; no cell is cut
AVERAGES = {"plain": "plain mean", "weighted": "weighted by texts"}

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A number of a table, in percent.

    Attributes:
        mean: Over seeds.
        spread: Standard deviation over seeds; ``None``: there is one seed.
        best: It is the best of its column, oracles aside.
        star: It is better than the second best at p < 0.05.
    """

    mean: float
    spread: float | None = None
    best: bool = False
    star: bool = False


@dataclass(frozen=True)
class Row:
    """A method's line: one entry per language, then one per average."""

    name: str
    oracle: bool
    entries: list[Entry]


def rows(result: Result, split: str) -> list[Row]:
    """Return a table's lines: the methods in their order, oracles last."""
    methods = sorted(result["methods"], key=lambda method: method["oracle"])
    scores, averages = result["scores"][split], result["averages"][split]
    columns: dict[str, dict[str, tuple[float, float | None]]] = {
        code: {m["name"]: _over_seeds([found[code] for found in scores[m["name"]].values()]) for m in methods}
        for code in result["counts"][split]
    }  # mean and standard deviation
    for name in AVERAGES:
        found = {m["name"]: averages[m["name"]][name] for m in methods}
        columns[name] = {method: (average["mean"], average["sd"]) for method, average in found.items()}
    rivals = [method["name"] for method in methods if not method["oracle"]]
    stars = {name: starred(result, split, name) for name in AVERAGES}
    lines = []
    for method in methods:
        own = method["name"]
        entries = []
        for column, values in columns.items():
            mean, spread = values[own]
            best = own in rivals and mean >= max(values[name][0] for name in rivals)
            star = stars.get(column) == own
            entries.append(Entry(100 * mean, None if spread is None else 100 * spread, best, star))
        lines.append(Row(own, method["oracle"], entries))
    return lines


def ranking(result: Result, split: str, average: str) -> list[str]:
    """Return the methods by an average, best first, oracles left out."""
    rivals = [method["name"] for method in result["methods"] if not method["oracle"]]
    return sorted(rivals, key=lambda name: -result["averages"][split][name][average]["mean"])


def starred(result: Result, split: str, average: str) -> str | None:
    """Return the best method if it is better than its runner-up at p < 0.05, oracles left out."""
    order = ranking(result, split, average)
    found = pair(result, split, average, *order[:2]) if len(order) > 1 else None
    return order[0] if found and found["p"] < SIGNIFICANT else None


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
    markdown_path.write_text(markdown(result), encoding="utf-8")
    latex_path.write_text(latex(result), encoding="utf-8")


def splits(result: Result) -> list[str]:
    """Return the names of what was scored, test before dev; those of a later kind last."""
    known = [name for name in TITLES if name in result["scores"]]
    return known + [name for name in result["scores"] if name not in TITLES]


def markdown(result: Result) -> str:
    """Return the whole comparison as Markdown."""
    lines = [f"# {result['data']}: {result['metric']}, in percent", "", result["equal"], ""]
    for split in splits(result):
        counts = result["counts"][split]
        lines += [f"## On {TITLES.get(split, split)}", ""]
        body = [
            ["*" + row.name + "* (oracle)" if row.oracle else row.name, *(_markdown_entry(e) for e in row.entries)]
            for row in rows(result, split)
        ]
        lines += _markdown_table(["method", *counts, *AVERAGES.values()], body)
        lines += ["", f"Texts: {', '.join(f'{code} {count}' for code, count in counts.items())}.", ""]
        lines += _markdown_tests(result, split)
    lines += [legend(result), "", "## Cost, mean over seeds", ""]
    titles, costs = cost_table(result)
    lines += _markdown_table(["method", *titles], [[name, *cells] for name, cells in costs])
    lines += ["", f"## Groups with seed {result['seeds'][0]}", ""]
    for name, by_seed in result["groups"].items():
        lines.append(f"- {name}: {' '.join(_braced(group) for group in by_seed[str(result['seeds'][0])])}")
    return "\n".join(lines) + "\n"


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
    """Return the tables of all test sets in LaTeX, for the booktabs package."""
    parts = []
    for split in splits(result):
        counts = result["counts"][split]
        lines = rows(result, split)
        body = [" & ".join([_tex(row.name), *(_latex_entry(e) for e in row.entries)]) + r" \\" for row in lines]
        first_oracle = next((i for i, row in enumerate(lines) if row.oracle), len(lines))
        if 0 < first_oracle < len(lines):
            body.insert(first_oracle, r"\midrule")
        caption = f"{result['data']}: {result['metric']} on {TITLES.get(split, split)}, in percent. {legend(result)}"
        parts += [
            r"\begin{table}",
            r"\begin{tabular}{l" + "r" * (len(counts) + len(AVERAGES)) + "}",
            r"\toprule",
            " & ".join(["", *map(_tex, counts), "plain", "weighted"]) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{_tex(caption)}}}",
            r"\end{table}",
            "",
        ]
    return "% needs \\usepackage{booktabs}\n" + "\n".join(parts)


def show(result: Result, console: Console | None = None) -> None:
    """Print the tables of the test set, or of dev where there is none.

    The deviations of single languages are left out where they would not fit into a line.
    """
    out = console or Console(highlight=False, soft_wrap=True)
    shown = [name for name in splits(result) if name != "dev"] or ["dev"]
    for split in shown:
        table, needed = _measured(result, split, out, every_spread=True)
        if needed > out.width:
            table, needed = _measured(result, split, out, every_spread=False)
        width, out.width = out.width, max(out.width, needed)
        out.print(table)
        out.print()
        out.width = width
    out.print(legend(result), markup=False, soft_wrap=True)


def _measured(result: Result, split: str, out: Console, *, every_spread: bool) -> tuple[Table, int]:
    """Return a table for the terminal, with the columns that it takes."""
    counts = result["counts"][split]
    title = f"{result['data']}: {result['metric']} on {TITLES.get(split, split)}, in percent"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for name in (*counts, *AVERAGES.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows(result, split):
        entries = [
            entry if every_spread or position >= len(counts) else replace(entry, spread=None)
            for position, entry in enumerate(row.entries)
        ]
        table.add_row(row.name + (" (oracle)" if row.oracle else ""), *map(_plain_entry, entries))
    return table, out.measure(table, options=out.options.update(width=_WIDEST)).maximum


def _plain_entry(entry: Entry) -> str:
    spread = "" if entry.spread is None else f" ± {entry.spread:.2f}"
    text = f"{entry.mean:.2f}{'*' if entry.star else ''}{spread}"
    return f"[bold]{text}[/bold]" if entry.best else text


def _markdown_entry(entry: Entry) -> str:
    number = f"{entry.mean:.2f}" + ("\\*" if entry.star else "")
    return (f"**{number}**" if entry.best else number) + ("" if entry.spread is None else f" ± {entry.spread:.2f}")


def _latex_entry(entry: Entry) -> str:
    number = f"{entry.mean:.2f}" + ("*" if entry.star else "")
    spread = "" if entry.spread is None else rf" {{\footnotesize$\pm${entry.spread:.2f}}}"
    return (rf"\textbf{{{number}}}" if entry.best else number) + spread


def _markdown_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *body)]
    return [lines[0], "|---|" + "--:|" * (len(header) - 1), *lines[1:]]


def _markdown_tests(result: Result, split: str) -> list[str]:
    """Return the tests of the best method against each of the others, on the plain mean."""
    order = ranking(result, split, "plain")
    if not order:
        return []
    best, others = order[0], [method["name"] for method in result["methods"] if method["name"] != order[0]]
    found = [test for test in (pair(result, split, "plain", best, name) for name in others) if test]
    if not found:
        return []
    body = [[t["against"], f"{100 * t['difference']:+.2f}", f"{t['p']:.4f}", f"{t['p_holm']:.4f}"] for t in found]
    return [*_markdown_table([f"{best} against", "plain mean", "p", "p (Holm, all pairs)"], body), ""]


def _braced(group: Mapping[str, Any]) -> str:
    """Write a group's languages; source-only ones in brackets."""
    names = [code if code in group["served"] else f"({code})" for code in group["members"]]
    return "{" + " ".join(names) + "}"


def _over_seeds(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and sample standard deviation; ``None``: of one seed."""
    return _mean(values), stdev(values) if len(values) > 1 else None


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(sum(found) / len(found))


def _tex(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    for sign in "&%_#$":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("±", r"$\pm$").replace("<", "$<$")
