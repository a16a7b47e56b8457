"""Outcomes in words: the sentences follow from the figures, whatever was tried, and say what to try next."""

from __future__ import annotations

import pytest

from gradsim_offline.report.verdicts import analysis, few_shot
from gradsim_offline.report.verdicts.build import EACH, ONE, Candidate, Gain, build_verdict

NOISE = "S does not repeat between halves of your data (reliability 0.18, p = 0.4000): groups ... random."


def built(chosen, candidates, **more):
    return build_verdict(chosen, candidates, metric="weighted_f1", **more)


def test_the_winner_is_named_with_what_it_gains():
    said = built(
        "4 groups",
        [Candidate(ONE, 0.738, (0.011, 0.034)), Candidate("4 groups", 0.761), Candidate(EACH, 0.759, (-0.004, 0.008))],
        served=Gain("test", 0.755, 0.017, (0.004, 0.03)),
    )
    assert said == [
        "The bundle holds 4 groups, the best of all that was tried: weighted F1 on dev 76.10 %, plain mean.",
        "That is 0.20 points more than one model for each language on dev (95 % interval \u22120.40 to +0.80: "
        "it may be chance).",
        "That is 2.30 points more than one model of all languages on dev (95 % interval +1.10 to +3.40).",
        "The service reaches 75.50 % on test, 1.70 points more than one model of all languages (95 % interval +0.40 to "
        "+3.00).",
    ]


@pytest.mark.parametrize(("better", "instead"), [(ONE, "--keep best"), (EACH, "--keep best")])
def test_who_asked_for_the_worse_is_told_what_is_better(better, instead):
    said = built("4 groups", [Candidate("4 groups", 0.870), Candidate(better, 0.879)], asked=True)
    assert said[0].startswith("The bundle holds 4 groups: ") and f"0.90 points less than {better} on dev" in said[1]
    assert said[-1] == f"Next: build again with {instead}; what is trained is used again."


def test_what_was_chosen_on_noise_is_not_praised():
    asked = built("3 groups", [Candidate(ONE, 0.7), Candidate("3 groups", 0.7)], against=NOISE, asked=True)
    assert NOISE in asked and asked[-1].startswith("Next: build again with --groups auto")
    assert "no more and no less than one model" in asked[1]
    chosen = built(ONE, [Candidate(ONE, 0.7)], against=NOISE, served=Gain("test", 0.7, 0.0))
    assert chosen[1] == "The service reaches 70.00 % on test." and NOISE in chosen and "--measure" in chosen[-1]


def test_a_better_baseline_is_said():
    said = built(ONE, [Candidate(ONE, 0.760), Candidate("n-grams per language", 0.781, baseline=True)])
    assert "2.10 points less than the baseline (n-grams per language)" in said[1] and "--model" in said[-1]


def test_of_many_candidates_the_one_model_the_best_baseline_and_the_best_other_are_named():
    linear = [Candidate("n-grams of all", 0.70, baseline=True), Candidate("n-grams of each", 0.72, baseline=True)]
    mixed = [Candidate("both", 0.75), Candidate("both, in groups", 0.752), Candidate(ONE, 0.71)]
    said = built("both", [*linear, *mixed, Candidate(EACH, 0.60)])
    assert said[0].startswith("The bundle holds both, the smallest of the best: ")
    assert ["both, in groups" in said[1], ONE in said[3], "n-grams of each" in said[2]] == [True] * 3
    assert len(said) == 4  # 0.2 points are no reason to build again


def test_what_an_answer_costs_is_said_and_what_is_too_slow_is_not_recommended():
    slow, quick = Candidate("4 groups", 0.80, milliseconds=14.26), Candidate("n-grams", 0.70, milliseconds=0.61)
    free = built("4 groups", [slow, quick])
    assert free[0].startswith("The bundle holds 4 groups, the best of all that was tried: ")
    assert free[1] == (
        "A text of median length takes 14.26 ms on one thread, as trained; the quickest, n-grams, takes 0.61."
    )
    bounded = built("n-grams", [slow, quick], limit=5.0)
    assert bounded[0].startswith("The bundle holds n-grams, the best of all that answers within 5 ms: ")
    assert bounded[1] == "A text of median length takes 0.61 ms on one thread, as trained."
    assert "10.00 points less than 4 groups" in bounded[2] and len(bounded) == 3


def test_groups_that_dev_labels_chose_are_judged_too_favourably():
    candidates = [Candidate("4 groups with n-grams of all languages beside", 0.8), Candidate(ONE, 0.78, (0.01, 0.03))]
    said = built(candidates[0].name, candidates, by_dev=True)
    assert said[-1].startswith("Groups of the measure gains are chosen by the labels of these dev texts, so what")
    assert len(built(candidates[0].name, candidates)) == 2
    assert "labels" not in " ".join(built(ONE, [Candidate(ONE, 0.78), Candidate("n-grams", 0.7)], by_dev=True))


def test_without_dev_scores():
    assert built("4 groups", []) == ["The bundle holds 4 groups; nothing was judged on dev."]


def test_few_shot():
    def cell(mean):
        return {"plain": {"mean": mean}}

    content = {
        "shots": [1, 10],
        "seeds": [0],
        "averages": {
            "1": {"zero-shot": cell(0.5), "naive-mix": cell(0.49)},
            "10": {"zero-shot": cell(0.5), "naive-mix": cell(0.55), "gradient-mix": cell(0.56)},
        },
        "tests": [{"shots": 10, "average": "plain", "method": "naive-mix", "against": "gradient-mix", "p": 0.2}],
    }
    assert few_shot.verdict(content)[:2] == [
        "With 10 shots, gradient-mix is ahead with 56.00 %, 1.00 points more than naive-mix (p = 0.2000: it may be "
        "chance), and 6.00 points more than zero-shot.",
        "With 1 shot, zero-shot is ahead with 50.00 %, 1.00 points more than naive-mix.",
    ]


def correlation(pearson, mantel):
    return {"pearson": pearson, "mantel": mantel}


def test_an_analysis():
    content = {
        "stability": [
            {"name": "gradient", "origin": "run", "reliability": {"correlation": 0.1, "reliability": 0.2, "p": 0.3}},
            {"name": "typology", "origin": "run", "reliability": None},
        ],
        "seeds": [{"name": "gradient", "origins": ["a", "b"], "correlations": [correlation(0.02, None)]}],
        "correlations": [
            {"first": "gradient", "second": "labels", "correlation": correlation(0.8, 0.01)},
            {"first": "gradient", "second": "family", "correlation": correlation(0.1, 0.6)},
        ],
    }
    said = analysis.verdict(content)
    assert said[0].startswith("gradient in run: S does not repeat between halves of your data (reliability 0.20")
    assert "over 2 runs correlates at 0.02" in said[1] and "another seed gives another S" in said[1]
    assert said[2].startswith("1 of 2 pairs") and "gradient with labels (r = 0.80)" in said[2]
    assert "how often each label is right" in said[3]
    empty = {"stability": [], "seeds": [], "correlations": []}
    assert analysis.verdict(empty)[0].startswith("Nothing was kept")
