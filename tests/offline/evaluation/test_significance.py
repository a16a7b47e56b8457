"""The permutation test against enumeration, a plain loop and its own promise; the metric against scikit-learn."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from gradsim_offline.core.significance import holm, permutation_tests
from gradsim_offline.tasks.text_classification import PLUGIN as task

LABELS = ("negative", "neutral", "positive")
AVERAGES = ("weighted", "macro")


def metric(sums):
    return task.metric_from(sums, LABELS)


def answers(random, gold, right):
    """Draw answers that are right with some probability."""
    return np.where(random.random(len(gold)) < right, gold, random.choice(LABELS, len(gold)))


def stacked(gold, by_seed):
    return np.stack([task.statistics(gold, found, LABELS) for found in by_seed])


def made(random, sizes, seeds, right):
    """Return gold and two methods' answers, ``{language: ...}`` and ``{method: {language: [seeds][texts]}}``."""
    gold = {code: random.choice(LABELS, size, p=[0.5, 0.3, 0.2]).tolist() for code, size in sizes.items()}
    found = {
        method: {code: [answers(random, gold[code], share) for _ in range(seeds)] for code in sizes}
        for method, share in right.items()
    }
    return gold, found


def compared(gold, found, weights=None, **options):
    statistics = {m: {code: stacked(gold[code], seeds) for code, seeds in by.items()} for m, by in found.items()}
    plain = {"plain": dict.fromkeys(gold, 1.0)}
    return permutation_tests(statistics, metric, weights or plain, **options)


def average_difference(gold, one, other, weights):
    """Compute the difference label by label: mean over seeds of the weighted mean over languages."""
    total = sum(weights.values())
    seeds = len(next(iter(one.values())))
    gaps = [
        sum(weights[c] * (weighted_f1(gold[c], one[c][s]) - weighted_f1(gold[c], other[c][s])) for c in gold) / total
        for s in range(seeds)
    ]
    return np.mean(gaps)


def weighted_f1(gold, predicted):
    total = 0.0
    for label in LABELS:
        right = sum(a == b == label for a, b in zip(gold, predicted, strict=True))
        named = sum(a == label for a in gold) + sum(b == label for b in predicted)
        total += sum(a == label for a in gold) * (2 * right / named if named else 0.0)
    return total / len(gold)


def swapped(gold, one, other, swaps):
    """Swap the answers of some texts, in all seeds; ``swaps`` runs over the texts of all languages in order."""
    first, second, start = {}, {}, 0
    for code in gold:
        mine = np.array(swaps[start : start + len(gold[code])], dtype=bool)
        first[code] = [np.where(mine, b, a) for a, b in zip(one[code], other[code], strict=True)]
        second[code] = [np.where(mine, a, b) for a, b in zip(one[code], other[code], strict=True)]
        start += len(mine)
    return first, second


@pytest.mark.parametrize("weighted", [False, True])
def test_p_against_all_permutations(weighted):
    random = np.random.default_rng(3)
    gold, found = made(random, {"aaa": 3, "bbb": 5}, 2, {"good": 0.95, "bad": 0.3})
    weights = {"aaa": 3.0, "bbb": 5.0} if weighted else {"aaa": 1.0, "bbb": 1.0}
    observed = average_difference(gold, found["good"], found["bad"], weights)
    exceeding = [
        abs(average_difference(gold, *swapped(gold, found["good"], found["bad"], swaps), weights))
        >= abs(observed) - 1e-12
        for swaps in product((0, 1), repeat=8)
    ]
    exact = np.mean(exceeding)
    (test,) = compared(gold, found, {"it": weights}, permutations=20_000)
    assert (test.method, test.against, test.average) == ("good", "bad", "it")
    assert test.difference == pytest.approx(observed, abs=1e-12)
    assert 0.01 < exact < 0.5
    assert test.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_the_same_draws_as_a_plain_loop():
    """The very swaps that the matrix products use, one by one; three methods, two averages."""
    random = np.random.default_rng(5)
    sizes = {"aaa": 7, "bbb": 12}
    gold, found = made(random, sizes, 2, {"x": 0.7, "y": 0.5, "z": 0.5})
    weights = {"plain": {"aaa": 1.0, "bbb": 1.0}, "weighted": {"aaa": 7.0, "bbb": 12.0}}
    tests = compared(gold, found, weights, permutations=60, seed=11)
    draw = np.random.default_rng(11)
    by_language = [draw.integers(0, 2, (60, size), dtype=np.uint8) for size in sizes.values()]
    swaps = np.concatenate(by_language, axis=1)
    for test in tests:
        one, other, share = found[test.method], found[test.against], weights[test.average]
        observed = average_difference(gold, one, other, share)
        drawn = [average_difference(gold, *swapped(gold, one, other, row), share) for row in swaps]
        assert test.difference == pytest.approx(observed, abs=1e-12)
        assert test.p == pytest.approx((1 + np.sum(np.abs(drawn) >= abs(observed) - 1e-12)) / 61)
    assert [(t.average, t.method, t.against) for t in tests] == [
        (average, *pair) for average in weights for pair in (("x", "y"), ("x", "z"), ("y", "z"))
    ]


def test_the_false_positive_rate_is_at_most_the_level():
    """Under the null hypothesis p is at most 0.05 in about one trial of twenty, also when seeds err alike."""
    alarms = []
    for trial in range(300):
        random = np.random.default_rng([7, trial])
        gold = {"aaa": random.choice(LABELS, 60), "bbb": random.choice(LABELS, 30)}
        found = {}
        for method in "xy":  # a method's seeds share most of their errors
            base = {code: answers(random, gold[code], 0.6) for code in gold}
            others = {code: [answers(random, gold[code], 0.6) for _ in range(3)] for code in gold}
            found[method] = {
                code: [np.where(random.random(len(base[code])) < 0.9, base[code], again) for again in others[code]]
                for code in gold
            }
        alarms.append(compared(gold, found, permutations=199, seed=trial)[0].p <= 0.05)
    assert 0.02 <= np.mean(alarms) <= 0.09  # 0.05 +- 3.2 standard deviations


def test_swapping_seeds_independently_gives_too_small_p_values():
    """Why a text is the unit: two methods alike, five seeds each that share most answers, judged by accuracy."""
    random = np.random.default_rng(0)
    texts, seeds, trials, permutations = 200, 5, 300, 99
    alarms = {"text": 0, "text and seed": 0}
    for _ in range(trials):
        right = []
        for _method in range(2):
            base, own = random.random(texts) < 0.6, random.random((seeds, texts)) < 0.6
            right.append(np.where(random.random((seeds, texts)) < 0.8, base, own).astype(float))
        gaps = right[0] - right[1]  # [seeds, texts]
        for unit, rows in (("text", 1), ("text and seed", seeds)):
            signs = 1 - 2 * random.integers(0, 2, (permutations, rows, texts))
            drawn = np.abs((signs * gaps).mean(axis=(1, 2)))
            p = (1 + np.sum(drawn >= abs(gaps.mean()) - 1e-12)) / (1 + permutations)
            alarms[unit] += p <= 0.05
    assert 0.01 <= alarms["text"] / trials <= 0.09
    assert alarms["text and seed"] / trials > 0.2


def test_p_is_small_for_a_real_difference_and_one_for_none():
    random = np.random.default_rng(1)
    gold, found = made(random, {"aaa": 200, "bbb": 100}, 2, {"good": 0.8, "bad": 0.4})
    found["twin"] = found["good"]
    tests = {(t.method, t.against): t for t in compared(gold, found, permutations=999)}
    assert tests["good", "bad"].p == pytest.approx(0.001) and tests["good", "bad"].difference > 0.1
    assert tests["bad", "twin"].difference == pytest.approx(-tests["good", "bad"].difference)
    assert tests["good", "twin"].p == 1 and tests["good", "twin"].difference == 0
    assert tests["good", "bad"].p_holm == pytest.approx(0.003)


def test_progress_is_reported_and_draws_are_reproducible():
    gold, found = made(np.random.default_rng(2), {"aaa": 40}, 2, {"x": 0.6, "y": 0.5})
    whole = compared(gold, found, permutations=500)
    calls = []
    assert compared(gold, found, permutations=500, advance=calls.append) == whole and len(calls) == 2


def test_one_method_needs_no_test():
    gold, found = made(np.random.default_rng(2), {"aaa": 4}, 2, {"x": 0.6})
    assert compared(gold, found) == []


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30))
def test_scores_are_scikit_learns(pairs):
    gold, predicted = zip(*pairs, strict=True)
    sums = task.statistics(gold, predicted, LABELS).sum(axis=0)
    of = {average: f1_score(gold, predicted, labels=LABELS, average=average, zero_division=0) for average in AVERAGES}
    expected = {f"{average}_f1": value for average, value in of.items()}
    assert metric(sums) == pytest.approx(expected["weighted_f1"], abs=1e-12)
    expected["accuracy"] = accuracy_score(gold, predicted)
    assert task.scores(gold, predicted, LABELS) == pytest.approx(expected, abs=1e-12)


def test_metric_from_keeps_the_leading_axes():
    sums = np.random.default_rng(0).integers(0, 9, (4, 2, 5, 9))
    found = metric(sums)
    assert found.shape == (4, 2, 5) and found[3, 1, 2] == metric(sums[3, 1, 2])
