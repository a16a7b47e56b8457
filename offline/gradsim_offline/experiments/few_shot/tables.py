"""few-shot.json as tables, for the terminal, Markdown, LaTeX and the page alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradsim_offline.experiments.few_shot.drawings import drawings
from gradsim_offline.report.comparison_tables import AVERAGES
from gradsim_offline.report.pages import render_tables
from gradsim_offline.report.table import Cell, Table, figure, latex, markdown, share
from gradsim_offline.report.verdicts.few_shot import verdict

Content = Mapping[str, Any]
AGAINST = "naive-mix"  # what the tables show the tests against


def tables(content: Content) -> list[Table]:
    """Return all tables: the means by K, one table per K, the tests, the gradients, the costs.

    Args:
        content: Of few-shot.json.
    """
    scores = [overview(content), *(languages(content, shots) for shots in content["shots"])]
    return [*scores, *_tests(content), *_gradients(content), _costs(content)]


def page(content: Mapping[str, Any]) -> str:
    """Return the page; the same content always gives the same page.

    Args:
        content: Of few-shot.json.
    """
    lead = [
        *verdict(content),
        f"{len(content['regimes'])} regimes, {len(content['targets'])} target languages, "
        f"K = {', '.join(map(str, content['shots']))}, seeds {', '.join(map(str, content['seeds']))}.",
        *(f"{regime['name']}: {regime['description']}." for regime in content["regimes"]),
    ]
    title = f"{content['data']}: few-shot transfer from {content['source']}"
    return render_tables(title, lead, tables(content), drawings(content), content["provenance"])


def overview(content: Content) -> Table:
    """Lay out the plain mean over targets, K by regime."""
    names = _names(content)
    rows: list[tuple[str | Cell, ...]] = [
        (str(shots), *_row([content["averages"][str(shots)][name]["plain"] for name in names]))
        for shots in content["shots"]
    ]
    targets, seeds = " ".join(content["targets"]), len(content["seeds"])
    what = "sentences" if content["tagged"] else "texts of each label"
    spread = f"Means over {seeds} seeds ± standard deviation" if seeds > 1 else "One seed"
    return Table(
        f"{content['data']}, source {content['source']}: {content['metric']}, mean over {len(content['targets'])} "
        "targets, %",
        ("K", *names),
        rows,
        f"K: {what} of each target. Targets: {targets}. {spread}. No text of a target but its shots chose anything.",
    )


def languages(content: Content, shots: int) -> Table:
    """Lay out the scores at a K, language by regime."""
    names, key, source = _names(content), str(shots), content["source"]
    rows = [(code, *_row([content["scores"][key][name][code] for name in names])) for code in content["targets"]]
    for average, title in AVERAGES.items():
        rows.append((title, *_row([content["averages"][key][name][average] for name in names])))
    rows.append((f"source {source}", *_row([content["scores"][key][name][source] for name in names])))
    dev = [code for code, split in content["splits"].items() if split == "dev"]
    remark = "The means are those of the targets; ord-fs answers the source with the source model."
    if dev:
        remark += f" No test texts, scored on dev: {' '.join(dev)}."
    return Table(f"K = {shots}: {content['metric']} on test, %", ("language", *names), rows, remark, totals=3)


def _tests(content: Content) -> list[Table]:
    """Lay out the tests of each regime against naive-mix; none, where there were none."""
    names = _names(content)
    rival = AGAINST if AGAINST in names else names[0]
    rows = []
    for test in content["tests"]:
        if test["average"] != "plain" or rival not in (test["method"], test["against"]):
            continue
        name, sign = (test["method"], 1) if test["against"] == rival else (test["against"], -1)
        difference = 100 * sign * test["difference"]
        rows.append((f"{test['shots']} {name}", f"{difference:+.2f}", f"{test['p']:.4f}", f"{test['p_holm']:.4f}"))
    if not rows:
        return []
    return [
        Table(
            f"Against {rival}, mean over targets",
            ("K, regime", "difference", "p", "p (Holm, all pairs of a K)"),
            rows,
            f"Two-sided paired permutation test over texts, {content['permutations']} permutations, the answers of all "
            "seeds to a text swapped together.",
        )
    ]


def _gradients(content: Content) -> list[Table]:
    """Lay out the mean cosines of the heat maps."""
    gradients = content["gradients"]
    rows = []
    source = gradients["languages"].index(content["source"])
    for layer, by_regime in gradients["similarity"].items():
        for name, matrix in by_regime.items():
            square = np.array(matrix)
            others = [i for i in range(len(square)) if i != source]
            pairs = square[np.ix_(others, others)][np.triu_indices(len(others), k=1)]
            among = float(pairs.mean()) if pairs.size else None
            rows.append((f"{name}, {layer}", figure(float(square[source, others].mean())), figure(among)))
    if not rows:
        return []
    title = f"Mean cosine of the languages' gradients, K = {gradients['shots']}"
    remark = "In the trained model, on texts that it did not train on; few-shot-figures/ has the heat maps."
    return [Table(title, ("model", "source and a target", "two targets"), tuple(rows), remark)]


def _costs(content: Content) -> Table:
    """Lay out what each regime costs, mean over seeds."""
    rows = []
    for shots in content["shots"]:
        costs = content["cost"][str(shots)]
        for name in _names(content):
            cost = costs[name]
            compared = cost.get("compared")
            share = f"{100 * cost['conflicts'] / compared:.1f}" if compared else figure(None)
            numbers = (f"{cost[key]:.0f}" for key in ("steps", "texts_seen"))
            rows.append((f"{shots} {name}", *numbers, f"{cost['train_seconds']:.1f}", share))
    return Table(
        "Cost of a seed",
        ("K, regime", "training steps", "texts seen", "training seconds", "conflicts, % of the steps operated on"),
        rows,
        "ord-fs and mix-ft: with the source model that they go on from.",
    )


def write_tables(content: Content, markdown_path: Path, latex_path: Path) -> None:
    """Write both files."""
    figures = [f"![]({name})" for name in content["figures"] if name.endswith(".svg")]
    body = markdown(tables(content))
    parts = [f"# Few-shot transfer from {content['source']} on {content['data']}\n", body, *figures]
    markdown_path.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    latex_path.write_text(latex(tables(content)), encoding="utf-8")


def _names(content: Content) -> list[str]:
    return [regime["name"] for regime in content["regimes"]]


def _row(cells: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Write the numbers of a row, the highest marked."""
    highest = max(cell["mean"] for cell in cells)
    return [share(cell["mean"], cell["sd"], best=cell["mean"] == highest) for cell in cells]
