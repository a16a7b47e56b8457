"""EM and F1 of answers: SQuAD's rules against another implementation, MLQA's against figures worked out by hand."""

from __future__ import annotations

import random

import pytest
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1

from gradsim_offline.core.answer_match import exact_match, f1
from gradsim_offline.core.dataset import RightAnswers
from gradsim_offline.tasks.question_answering import PLUGIN

WORDS = ["the", "A", "An", "cat", "dog's", "cat,", "1,000", "...", "été", "“x”", "new-york", "Theatre", "den", "猫"]


def test_squads_rules_are_those_of_another_implementation():
    draw = random.Random(1)
    compared = 0
    for _ in range(2000):
        right, answer = (" ".join(draw.choices(WORDS, k=draw.randint(least, 5))) for least in (1, 0))
        assert f1([right], answer) == pytest.approx(compute_f1(right, answer)), (right, answer)
        assert exact_match([right], answer) == compute_exact(right, answer), (right, answer)
        compared += 0 < f1([right], answer) < 1
    assert compared > 500, "most are neither right nor wrong altogether"


@pytest.mark.parametrize(
    ("language", "right", "answer", "exact", "shared"),
    [
        ("eng", "The cat", "a cat!", 1, 1),
        ("deu", "der große Hund", "die große Katze", 0, 1 / 2),  # große | Hund, Katze
        ("spa", "«la Casa»", "una casa", 1, 1),  # signs that SQuAD keeps
        ("vie", "những con mèo", "con mèo", 1, 1),
        ("ara", "الكتاب", "كتاب", 1, 1),
        ("hin", "राम।", "राम", 1, 1),
        ("zho", "北京大学", "北京", 0, 2 * 2 / (4 + 2)),  # each character is a word
        ("zho", "2008 年", "2008年", 1, 1),
        ("jpn", "東京タワー", "東京", 0, 2 * 2 / (5 + 2)),
        ("tha", "กขค", "กข", 0, 2 * 2 / (3 + 2)),
        ("tur", "the İzmir", "İzmir", 0, 2 * 1 / (2 + 1)),  # no article of Turkish
        (None, "北京大学", "北京", 0, 0),  # of SQuAD a word
        (None, "«casa»", "casa", 0, 0),
    ],
)
def test_mlqas_rules_are_those_of_the_language(language, right, answer, exact, shared):
    assert exact_match([right], answer, language) == exact
    assert f1([right], answer, language) == pytest.approx(shared)


def test_of_several_right_answers_the_nearest_counts():
    assert exact_match(["Rome", "the city of Rome"], "City of Rome") == 1
    assert f1(["Ancient Rome", "Rome now and then"], "Rome") == pytest.approx(2 / 3)


def test_scores_are_means_over_questions_and_so_are_summed_statistics():
    gold = [RightAnswers(("Rome",)), RightAnswers(("New York", "York")), RightAnswers(("北京",), "zho")]
    answers = ["Rome.", "New", "北"]
    scores = PLUGIN.scores(gold, answers, ("start", "end"))
    assert scores == {"f1": pytest.approx((1 + 2 / 3 + 2 / 3) / 3), "exact_match": pytest.approx(1 / 3)}
    counts = PLUGIN.statistics(gold, answers, ("start", "end"))
    assert PLUGIN.metric_from(counts[1:].sum(axis=0), ()) == pytest.approx(2 / 3)
