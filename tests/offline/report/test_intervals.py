"""Bootstrap intervals: the fast draws are those of a plain loop with scikit-learn, and pairs are drawn together."""

from __future__ import annotations

import numpy as np
import pytest

from gradsim_offline.bundle.scoring import COLUMNS, GAIN, SERVICE_GAIN, average_intervals, bootstrap
from gradsim_offline.tasks.text_classification import PLUGIN as task

LABELS = ["negative", "neutral", "positive"]


def answers(count, seed, right=0.7):
    random = np.random.default_rng(seed)
    gold = random.choice(LABELS, count, p=[0.5, 0.3, 0.2])
    guessed = {
        column: np.where(random.random(count) < right, gold, random.choice(LABELS, count)).tolist()
        for column in COLUMNS
    }
    return gold.tolist(), guessed


@pytest.mark.parametrize("count", [1, 7, 60])
def test_bootstrap_equals_a_plain_loop(count):
    gold, guessed = answers(count, 1)
    found = bootstrap(gold, guessed, LABELS, task, seed=5, draws=20)
    random = np.random.default_rng(5)
    for draw in range(20):
        times = random.multinomial(count, [1 / count] * count)
        chosen = np.repeat(np.arange(count), times)
        scores = {
            column: task.scores([gold[i] for i in chosen], [own[i] for i in chosen], LABELS)[task.metric(LABELS)]
            for column, own in guessed.items()
        }
        for column, score in scores.items():
            assert found[column][draw] == pytest.approx(score, abs=1e-12)
        assert found[GAIN][draw] == pytest.approx(scores["group"] - scores["multilingual"], abs=1e-12)


def test_bootstrap_of_equal_answers_has_no_gain():
    gold, guessed = answers(50, 2)
    guessed["group"] = guessed["multilingual"]
    assert not bootstrap(gold, guessed, LABELS, task, seed=0)[GAIN].any()


def test_averages_pair_the_draws_of_languages():
    drawn = {}
    for position, (code, count) in enumerate({"hau": 40, "yor": 10}.items()):
        drawn[code] = bootstrap(*answers(count, position), LABELS, task, seed=position, draws=200)
    found = average_intervals(drawn, {"hau": 40, "yor": 10})
    plain = (drawn["hau"]["group"] + drawn["yor"]["group"]) / 2
    weighted = (40 * drawn["hau"][GAIN] + 10 * drawn["yor"][GAIN]) / 50
    assert found["plain"]["group"] == pytest.approx(np.percentile(plain, [2.5, 97.5]))
    assert found["weighted"][GAIN] == pytest.approx(np.percentile(weighted, [2.5, 97.5]))
    assert set(found["plain"]) == {*COLUMNS, GAIN, SERVICE_GAIN}


def test_coverage_of_bootstrap_intervals():
    """Answers right with probability 0.7, all labels alike: accuracy 0.8; 95 % intervals hold it in 88 to 99 of 100."""
    held = 0
    for trial in range(100):
        random = np.random.default_rng(100 + trial)
        gold = ["yes"] * 150
        own = np.where(random.random(150) < 0.8, "yes", "no").tolist()
        draws = bootstrap(gold, dict.fromkeys(COLUMNS, own), ["yes", "no"], task, seed=trial, draws=200)["group"]
        truth = 2 * 0.8 / 1.8  # F1 of the one gold label at recall 0.8, precision 1
        low, high = np.percentile(draws, [2.5, 97.5])
        held += low <= truth <= high
    assert 88 <= held <= 99
