"""The page of a comparison: its numbers are those of the JSON, its verdict follows from them, parts may be missing."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from gradsim_offline.report.comparison import comparison_drawings, render_comparison
from gradsim_offline.report.comparison_drawings import co_membership
from gradsim_offline.report.numbers import MINUS
from gradsim_offline.report.verdicts.comparison import verdict

LANGUAGES = ["hau", "ibo", "yor"]
COUNTS = {"hau": 30, "ibo": 20, "yor": 10}
SETS = ("dev", "test", "test_unseen")
LEVELS = {"multilingual": 0.60, "gradient": 0.64, "family": 0.62, "transfer": 0.70}  # the last is the oracle
PAIRED = {("multilingual", "gradient"): 0.01, ("family", "gradient"): 0.03}


def scores(level, seed):
    return {"hau": level + 0.1 + seed / 1000, "ibo": level - seed / 1000, "yor": level - 0.1 + 4 * seed / 1000}


def average(by_seed, weights):
    seeds = {s: sum(weights[c] * v for c, v in own.items()) / sum(weights.values()) for s, own in by_seed.items()}
    values = list(seeds.values())
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "seeds": seeds}


def groups(name, seed):
    chosen = {
        "multilingual": [LANGUAGES],
        "gradient": [["hau", "ibo"], ["yor", "hau"]] if seed == 0 else [["hau"], ["ibo", "yor"]],
    }.get(name, [["hau"], ["ibo"], ["yor"]])
    done, found = set(), []
    for number, members in enumerate(chosen, start=1):
        served = [code for code in members if code not in done]
        done |= set(served)
        found.append({"id": f"g{number}", "members": sorted(members), "served": served})
    return found


def pairs():
    names = list(LEVELS)
    return [
        {
            "split": split,
            "average": kind,
            "method": one,
            "against": other,
            "difference": LEVELS[one] - LEVELS[other],
            "p": PAIRED.get((one, other), PAIRED.get((other, one), 0.0421)),
            "p_holm": 0.0487 if (one, other) == ("gradient", "family") else 0.5,
        }
        for split in SETS
        for kind in ("plain", "weighted")
        for i, one in enumerate(names)
        for other in names[i + 1 :]
    ]


@pytest.fixture
def content():
    found = {name: {str(seed): scores(level, seed) for seed in (0, 1)} for name, level in LEVELS.items()}
    averages = {
        name: {"plain": average(own, dict.fromkeys(LANGUAGES, 1)), "weighted": average(own, COUNTS)}
        for name, own in found.items()
    }
    return {
        "data": "afrisenti",
        "metric": "weighted_f1",
        "languages": LANGUAGES,
        "methods": [
            {
                "name": name,
                "description": f"About {name}",
                "measure": "gradient" if name == "gradient" else "family",
                "solver": "exact",
                "oracle": name == "transfer",
            }
            for name in LEVELS
        ],
        "seeds": [0, 1],
        "groups_setting": 2,
        "equal": "Everything but the groups.",
        "permutations": 500,
        "provenance": {"settings": {"home": "https://example.org/<a>"}},
        "counts": dict.fromkeys(SETS, COUNTS),
        "groups": {name: {str(seed): groups(name, seed) for seed in (0, 1)} for name in LEVELS},
        "grouping": {
            name: {
                "0": {"score": 1.25, "bound": 1.5, "proven": False},
                "1": {"score": 1.5, "bound": 1.5, "proven": True},
            }
            for name in LEVELS
        },
        "similarity": {},
        "scores": {split: copy.deepcopy(found) for split in SETS},
        "averages": {split: copy.deepcopy(averages) for split in SETS},
        "tests": pairs(),
        "conflicts": {},
        "cost": {
            name: {
                str(seed): {"steps": 100 + 10 * seed, "texts_seen": 800, "train_seconds": 3.0, "measure_seconds": 7.6}
                for seed in (0, 1)
            }
            for name in LEVELS
        },
    }


def test_scores_are_those_of_the_json(content, read):
    page = read(render_comparison(content))
    assert page.rows[0] == ["Method", "Plain mean", "Weighted by texts", "hau", "ibo", "yor"]
    for split, table in zip(("test", "test_unseen", "dev"), range(3), strict=True):
        for method in content["methods"]:
            name = method["name"]
            label = f"{name} (oracle)" if method["oracle"] else name
            row = [row for row in page.rows if row[0] == label and len(row) == 6][table]
            own = content["averages"][split][name]
            for cell, kind in zip(row[1:3], ("plain", "weighted"), strict=True):
                mean, spread = cell.replace("*", "").split(" \u00b1 ")
                assert (mean, spread) == (f"{100 * own[kind]['mean']:.2f}", f"{100 * own[kind]['sd']:.2f}")
            for cell, code in zip(row[3:], LANGUAGES, strict=True):
                values = [seed[code] for seed in content["scores"][split][name].values()]
                assert cell == f"{100 * np.mean(values):.2f} \u00b1 {100 * np.std(values, ddof=1):.2f}"
    assert page.rows_of("Texts") == [["Texts", "", "60", "30", "20", "10"]] * 3
    starred = next(row for row in page.rows_of("gradient") if len(row) == 6)
    assert "*" in starred[1]  # better than the runner-up at p = 0.03


def test_verdict_of_a_sure_difference(content):
    said = verdict(content)
    assert said[0] == (
        "gradient is ahead with a plain mean of weighted F1 on test of 64.07 %, 2.00 points more than the runner-up, "
        "family (62.07 %)."
    )
    assert said[1] == "That difference is significant: p = 0.0300 over texts, p = 0.0487 corrected for all pairs."
    assert said[2] == "Over the multilingual model it gains 4.00 points (p = 0.0100)."
    assert said[3] == "The oracle transfer, which no method in use could know, reaches 6.00 points more."
    assert said[4].endswith("gradient is ahead, too.")


def change(content, **figures):
    """Change the test of the first two methods, whichever way round it stands."""
    for test in content["tests"]:
        if {test["method"], test["against"]} == {"gradient", "family"}:
            test.update(figures)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"p": 0.3}, "is not significant: p = 0.3000 over texts."),
        ({"p_holm": 0.2}, "significant if it is tested alone (p = 0.0300 over texts), but not beside all others"),
    ],
)
def test_verdict_of_an_unsure_difference(content, figures, words):
    change(content, **figures)
    assert words in verdict(content)[1]


def test_verdict_beside_the_spread_over_seeds(content):
    for name in ("gradient", "family"):
        content["averages"]["test"][name]["plain"]["sd"] = 0.031
    assert "smaller than the spread over seeds (\u00b1 3.10)" in verdict(content)[2]


def test_verdict_where_another_is_ahead_on_unseen_texts(content):
    content["averages"]["test_unseen"]["family"]["plain"]["mean"] = 0.9
    assert verdict(content)[-1].endswith("family is ahead, not gradient.")


def test_groups_costs_and_certificates(content, read):
    page = read(render_comparison(content))
    chosen = [[" ".join(cell.split()) for cell in row] for row in page.rows if len(row) == 6 and row[0] == "gradient"]
    assert chosen[3] == ["gradient", "0", "hau ibo(hau) yor", "1.250", "0.250", "0 of 1"]
    assert chosen[4] == ["gradient", "1", "hauibo yor", "1.500", "0.000", "yes"]
    (together,) = [row for row in page.rows if row[0] == "multilingual" and row[1] == "0 1"]
    assert together[2:] == ["hau ibo yor", "1.375", "0.250", "1 of 2"]
    assert ["family", "105", "800", "3", "8"] in page.rows
    assert "Everything but the groups." in page.text and "https://example.org/<a>" in page.text


def test_significance_tests_name_the_better_method_first(content, read):
    page = read(render_comparison(content))
    assert ["gradient", "multilingual", "+4.00", "0.0100*", "0.5000"] in page.rows
    assert ["gradient", "family", "+2.00", "0.0300*", "0.0487*"] in page.rows
    assert not any(row[2].startswith(MINUS) for row in page.rows if len(row) == 5 and row[1] in LEVELS)


def test_differences_and_co_membership_are_drawn(content, read):
    page = read(render_comparison(content))
    assert "gradient, hau: +4.00 points" in page.text and "family, plain mean: +2.00 points" in page.text
    assert "hau with ibo: 1 of 2 seeds" in page.text and "yor with hau: 1 of 2 seeds" in page.text
    assert "gradient: 64.07 \u00b1 " in page.text
    assert [drawing.name for drawing in comparison_drawings(content)] == ["means", "differences", "together"]


SIMILARITY = [[1.0, 0.2, 0.5], [0.2, 1.0, 0.7], [-0.1, 0.7, 1.0]]


def measured(*names):
    return {name: {"0": {"languages": LANGUAGES, "matrix": SIMILARITY}, "1": {}} for name in names}


def test_s_is_drawn_by_group_and_as_a_tree(content, read):
    content["similarity"] = measured(*LEVELS)
    page = read(render_comparison(content))
    # multilingual: one group; family, transfer: every language alone
    assert [d.name for d in comparison_drawings(content)][3:] == ["similarity-gradient", "tree-gradient"]
    assert "Hausa from Igbo: 0.200" in page.text and "Yoruba from Hausa: \u22120.100" in page.text
    assert "Nearest to each other are" in page.text and ", with similarity 0.700." in page.text
    assert "Hausa \u00b7 hau: source-only in g2" in page.text and "Yoruba \u00b7 yor: served by g2" in page.text


def test_further_methods_are_folded_and_the_same_groups_are_drawn_once(content):
    content["similarity"] = measured("family", "gradient")
    content["groups"]["family"] = {"0": content["groups"]["gradient"]["1"]}
    page = render_comparison(content)
    assert page.index('aria-labelledby="similarity-gradient-title') < page.index("Why the groups of family")
    assert page.index("Why the groups of family") < page.index('aria-labelledby="similarity-family-title')
    content["groups"]["family"] = content["groups"]["gradient"]
    assert "Why the groups of family" not in render_comparison(content)


def test_the_curve_of_a_sweep_marks_the_k_that_dev_would_choose(content, read):
    content["sweep"] = {"over": "groups", "values": [1, 2, 3, 4]}
    content["averages"]["dev"]["family"]["plain"]["mean"] = 0.9
    (curve,) = [drawing for drawing in comparison_drawings(content) if drawing.name == "curve"]
    assert curve.title == "Plain mean of weighted F1 on test for every K"
    assert "K = 1: 60.07; K = 2: 64.07; K = 3: 62.07; K = 4: 70.07." in curve.description
    assert "With a ring: K = 3, the best on dev (90.00)." in curve.description
    assert curve.title in read(render_comparison(content)).text


def test_the_curves_of_a_method_that_chose_k_on_dev(content):
    for seed, scores in (("0", (0.5, 0.7)), ("1", (0.6, 0.6))):
        curve = [
            {"groups": k, "distinct": k, "grouping_score": 1.0, "score": own}
            for k, own in zip((1, 2), scores, strict=True)
        ]
        content["grouping"]["gradient"][seed]["curve"] = curve
    (drawing,) = [drawing for drawing in comparison_drawings(content) if drawing.name == "curve-gradient"]
    assert drawing.description == (
        "K = 1: 55.00; K = 2: 65.00. Mean over 2 seeds, the best with a ring. "
        "Chosen: K = 1 with seed 1; K = 2 with seed 0."
    )


def test_co_membership_counts_seeds():
    seeds = {
        "0": [{"members": ["a", "b"]}, {"members": ["b", "c"]}],
        "1": [{"members": ["a"]}, {"members": ["b", "c"]}],
    }
    assert co_membership(seeds, ["a", "b", "c"]).tolist() == [[1, 0.5, 0], [0.5, 1, 1], [0, 1, 1]]


def test_one_seed_without_tests(content, read):
    content["seeds"] = [0]
    content["tests"], content["permutations"] = [], 0
    for part in ("groups", "grouping", "cost"):
        content[part] = {name: {"0": own["0"]} for name, own in content[part].items()}
    for split in SETS:
        content["scores"][split] = {name: {"0": own["0"]} for name, own in content["scores"][split].items()}
        for own in content["averages"][split].values():
            for kind in own.values():
                kind.update(sd=None, seeds={"0": kind["seeds"]["0"]}, mean=kind["seeds"]["0"])
    page = read(render_comparison(content))
    assert "not tested" in page.text and "One seed." in page.text and "\u00b1" not in page.text
    assert "of 1 seeds" not in page.text and 'id="tests"' not in render_comparison(content)


def test_without_the_multilingual_model(content, read):
    content["methods"] = content["methods"][1:2]
    for part in ("groups", "grouping", "cost"):
        content[part] = {"gradient": content[part]["gradient"]}
    page = read(render_comparison(content))
    assert "gradient reaches a plain mean of weighted F1 on test of 64.07 %." in page.text
    assert "there are no differences to it" in page.text


def test_differences_of_a_sweep_are_to_one_group(content):
    content["methods"] = content["methods"][1:3]
    content["sweep"] = {"over": "groups", "values": [4, 1]}
    found = {drawing.name: drawing for drawing in comparison_drawings(content)}
    assert found["differences"].title == "Difference to family, per language, on test"


def test_verdict_on_oracles_alone(content):
    assert verdict({**content, "methods": content["methods"][3:]}) == ["Nothing but oracles was compared."]


def test_hostile_names_are_escaped(content, read):
    hostile = '"><script>alert("1")</script>{{ 7*7 }}'
    content["data"] = content["equal"] = content["metric"] = hostile
    content["methods"][0]["description"] = hostile
    content["provenance"] = {hostile: "</pre>"}
    page = read(render_comparison(content))
    assert page.text.count('<script>alert("1")</script>') >= 8


def test_same_content_same_page(content):
    assert render_comparison(content) == render_comparison(copy.deepcopy(content))
