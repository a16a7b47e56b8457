"""The tables of a comparison hold the right numbers and marks: terminal, Markdown, LaTeX."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gradsim_offline.report import comparison_tables as tables

SCORES = {  # method -> seed -> language; the oracle is best, then good, then poor
    "poor": {"0": {"hau": 0.50, "yor": 0.40}, "1": {"hau": 0.52, "yor": 0.44}},
    "top": {"0": {"hau": 0.90, "yor": 0.80}, "1": {"hau": 0.90, "yor": 0.80}},
    "good": {"0": {"hau": 0.60, "yor": 0.30}, "1": {"hau": 0.70, "yor": 0.34}},
}
COUNTS = {"hau": 30, "yor": 10}


def averages(by_seed):
    found = {}
    for name, weights in (("plain", {"hau": 1, "yor": 1}), ("weighted", COUNTS)):
        seeds = {
            seed: sum(weights[c] * value for c, value in own.items()) / sum(weights.values())
            for seed, own in by_seed.items()
        }
        mean = sum(seeds.values()) / 2
        found[name] = {"mean": mean, "sd": abs(seeds["0"] - seeds["1"]) / 2**0.5, "seeds": seeds}
    return found


@pytest.fixture
def result():
    """A result of two methods and an oracle; good beats poor for sure on the weighted mean only."""
    return {
        "data": "afri_senti",
        "metric": "weighted_f1",
        "languages": list(COUNTS),
        "methods": [
            {"name": name, "description": "", "measure": "m", "solver": "s", "oracle": name == "top"} for name in SCORES
        ],
        "seeds": [0, 1],
        "equal": "All is equal.",
        "conflicts": {},
        "permutations": 100,
        "counts": {"test": COUNTS, "dev": COUNTS},
        "scores": {"test": SCORES, "dev": SCORES},
        "averages": {split: {name: averages(own) for name, own in SCORES.items()} for split in ("test", "dev")},
        "groups": {
            name: {"0": [{"id": "g1", "members": ["hau", "yor"], "served": ["hau"]}], "1": []} for name in SCORES
        },
        "tests": [
            {
                "split": "test",
                "average": average,
                "method": one,
                "against": two,
                "difference": d,
                "p": p,
                "p_holm": 3 * p,
            }
            for average, p in (("plain", 0.2), ("weighted", 0.01))
            for one, two, d in (("poor", "top", -0.385), ("poor", "good", -0.02), ("top", "good", 0.365))
        ],
        "cost": {
            name: {
                s: {"steps": 10 + int(s), "texts_seen": 99, "train_seconds": 3.0, "measure_seconds": 7.6} for s in "01"
            }
            for name in SCORES
        },
    }


def lines_of(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_rows_and_marks(result):
    rows = tables.method_scores(result, "test")
    assert [(row.name, row.oracle) for row in rows] == [("poor", False), ("good", False), ("top", True)]
    good = rows[1].scores  # hau, yor, plain, weighted
    assert [entry.mean for entry in good] == pytest.approx([0.65, 0.32, 0.485, 0.5675])
    assert [entry.spread for entry in good][:2] == [pytest.approx(0.1 / 2**0.5), pytest.approx(0.04 / 2**0.5)]
    assert good[2].spread == pytest.approx(0.07 / 2**0.5)
    assert [entry.best for entry in good] == [True, False, True, True]
    assert [entry.star for entry in good] == [False, False, False, True]  # only the weighted mean is sure
    assert [entry.best for entry in rows[0].scores] == [False, True, False, False]
    assert not any(entry.best or entry.star for entry in rows[2].scores)  # an oracle competes with nobody


def test_a_pair_is_found_from_either_side(result):
    assert tables.pair(result, "test", "plain", "good", "poor")["difference"] == pytest.approx(0.02)
    assert tables.pair(result, "test", "plain", "poor", "good")["difference"] == pytest.approx(-0.02)
    assert tables.pair(result, "dev", "plain", "poor", "good") is None
    assert tables.starred(result, "dev", "weighted") is None
    assert tables.ranking(result, "test", "plain") == ["good", "poor"]


def test_markdown(result):
    page = tables.markdown_page(result)
    assert "| method | hau | yor | plain mean | weighted by texts |" in page
    assert "| good | **65.00** ± 7.07 | 32.00 ± 2.83 | **48.50** ± 4.95 | **56.75\\*** ± 6.01 |" in page
    assert "| *top* (oracle) | 90.00 ± 0.00 | 80.00 ± 0.00 | 85.00 ± 0.00 | 87.50 ± 0.00 |" in page
    assert page.index("| good |") < page.index("| *top* (oracle)")
    assert "| poor | +2.00 | 0.2000 | 0.6000 |" in page and "| top | -36.50 | 0.2000 | 0.6000 |" in page
    assert "Texts: hau 30, yor 10." in page and "All is equal." in page
    assert "| poor | 10 | 99 | 3 | 8 |" in page
    assert "- good: {hau (yor)}" in page
    assert page.index("## On test") < page.index("## On dev")


def test_latex(result):
    page = tables.latex(result)
    (good,) = lines_of(page, "good")[:1]
    assert good == (
        r"good & \textbf{65.00} {\footnotesize$\pm$7.07} & 32.00 {\footnotesize$\pm$2.83} & "
        r"\textbf{48.50} {\footnotesize$\pm$4.95} & \textbf{56.75*} {\footnotesize$\pm$6.01} \\"
    )
    assert r"\begin{tabular}{lrrrr}" in page and page.count(r"\begin{table}") == 2
    assert r"afri\_senti" in page and "weighted\\_f1 on test" in page and "±" not in page
    rule, oracle = page.splitlines()[page.splitlines().index(good) + 1 :][:2]
    assert rule == r"\midrule" and oracle.startswith(r"\emph{top} {\footnotesize (oracle)} & 90.00")
    labels = [line for line in page.splitlines() if line.startswith(r"\label{tab:")]
    assert len(set(labels)) == 2
    for line in page.splitlines():
        if line.endswith(r"\\"):
            assert line.count("&") == 4


def test_terminal(result):
    out = io.StringIO()
    tables.print_comparison(result, Console(file=out, width=20, highlight=False))
    shown = out.getvalue()
    (good,) = lines_of(shown, "good")
    assert good.split() == ["good", "65.00", "32.00", "48.50", "±", "4.95", "56.75*", "±", "6.01"]
    assert "top (oracle)" in shown and "…" not in shown and "dev" not in shown.split("Means")[0]
    assert "p < 0.05" in shown and "100 permutations" in shown


def test_a_wide_terminal_shows_the_deviation_of_each_language(result):
    out = io.StringIO()
    tables.print_comparison(result, Console(file=out, width=200, highlight=False))
    (good,) = lines_of(out.getvalue(), "good")
    assert good.split()[:7] == ["good", "65.00", "±", "7.07", "32.00", "±", "2.83"]


def test_one_seed_has_no_deviation(result):
    result["scores"]["test"] = {name: {"0": own["0"]} for name, own in SCORES.items()}
    assert [entry.spread for entry in tables.method_scores(result, "test")[0].scores][:2] == [None, None]


def test_ties_are_both_best_and_none_is_sure(result):
    result["averages"]["test"]["poor"] = result["averages"]["test"]["good"]
    result["tests"] = []
    assert [row.scores[2].best for row in tables.method_scores(result, "test")] == [True, True, False]
    assert "not tested" in tables.legend(result)


def test_one_method_alone(result):
    result["methods"] = result["methods"][:1]
    assert tables.starred(result, "test", "plain") is None
    assert "poor" in tables.markdown_page(result)
