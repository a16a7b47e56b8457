"""How a bundle scores, as a table in the terminal, with a line for whatever the table leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from gradsim_offline.experiments.evaluate.language_scores import COLUMNS, SHARES, figure
from gradsim_offline.report.comparison_tables import AVERAGES
from gradsim_offline.report.table import Table, print_tables

NOT_SERVED = "not served"
_TITLES = {
    "identifier": "language right",
    "routed": "group right",
    "unsure": "not sure",
    "given": "language given",
    "identified": "identified",
    "raw": "raw text",
}
_SPANS = {"entity_f1": "entities", "accuracy": "words with their tags"}

Result = Mapping[str, Any]


def print_scores(result: Result, console: Console | None = None) -> None:
    """Print the table: languages that are served, their averages, then those that are not."""
    out = console or Console(highlight=False, soft_wrap=True)
    print_tables([_table(result)], out)
    for line in remarks(result):
        out.print(line, markup=False)


def remarks(result: Result) -> Iterator[str]:
    """Yield what a reader of the table must know beside it."""
    languages = result["languages"]
    if any(each["raw"] is not None for each in languages.values()):
        what = _SPANS.get(result["metric"], "spans")
        yield f"raw text: F1 over {what}; right if label and both ends are, in the text as written, language identified"
        joined = sum(each["raw_joined"] for each in languages.values())
        texts = sum(each["texts"] for each in languages.values())
        if joined > texts / 2:
            yield f"  {joined} of {texts} texts are no more than their words joined: real text is harder to split"
    left_out = {code: each["raw_left_out"] for code, each in languages.items() if each.get("raw_left_out")}
    if left_out:
        listed = ", ".join(f"{code} {count}" for code, count in left_out.items())
        yield f"  left out of it, as their words do not stand in their text one after the other: {listed}"
    refused = {code: each["refused"] for code, each in languages.items() if each["refused"]}
    if refused:
        listed = ", ".join(f"{code} {count}" for code, count in refused.items())
        first = next(each["refusal"] for each in languages.values() if each["refused"])
        yield f"Refused, and counted as wrong: {listed}; the first: {first}"
    if result["without_texts"]:
        yield f"No {result['split']} texts: {', '.join(result['without_texts'])}"


def _table(result: Result) -> Table:
    where = f" at {result['url']}" if result["url"] else ""
    title = f"{result['bundle']}{where} on {result['split']} of {result['data']}: {result['metric']}, in percent"
    languages, metric = result["languages"], result["metric"]
    columns = [name for name in COLUMNS if any(each[name] is not None for each in languages.values())]
    served = {code: each for code, each in languages.items() if each["group"] is not None}
    rows = [(f"{code} {each['name']}", *_cells(each, columns, metric)) for code, each in served.items()]
    for average, name in AVERAGES.items() if served else ():
        texts = str(sum(each["texts"] for each in served.values())) if average == "weighted" else ""
        values = [result["averages"].get(column, {}).get(average) for column in (*SHARES, *columns)]
        rows.append((name, texts, *map(_percent, values)))
    sections = (len(served), len(rows))
    for code, each in languages.items():
        if code not in served:
            rows.append((f"{code} {each['name']} ({NOT_SERVED})", *_cells(each, columns, metric)))
    names = ("language", "texts", *(_TITLES[name] for name in (*SHARES, *columns)))
    return Table(title, names, rows, sections=sections)


def _cells(language: Mapping[str, Any], columns: Sequence[str], metric: str) -> list[str]:
    values = [*(language[name] for name in SHARES), *(figure(language, name, metric) for name in columns)]
    return [str(language["texts"]), *map(_percent, values)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
