"""The shots: exactly K, drawn by the seed, and nothing else of a target is to be seen."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.core.dataset import Dataset, Example, TaggedSentence
from gradsim_offline.datasets.sources import demo_entities
from gradsim_offline.experiments.few_shot.gradients import TEXTS, texts_for
from gradsim_offline.experiments.few_shot.shots import draw, scored, visible
from gradsim_shared.errors import DataError

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "B-ORG")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_k_of_each_label_drawn_from_train(dataset, count):
    shots = draw(dataset, ("hau", "tur"), count, seed=3)
    for code, chosen in shots.items():
        assert Counter(example.label for example in chosen) == dict.fromkeys(dataset.labels, count)
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(dataset.split(code, "train"))


def test_the_same_seed_draws_the_same_shots_for_any_targets_another_seed_others(dataset):
    assert draw(dataset, ("hau", "tur"), 2, 0)["tur"] == draw(dataset, ("tur",), 2, 0)["tur"]
    assert len({tuple(draw(dataset, ("hau",), 2, seed)["hau"]) for seed in range(5)}) == 5


@given(st.lists(st.sampled_from("abc"), min_size=9, max_size=40), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_fewer_shots_are_among_more(labels, count, seed):
    examples = [Example(f"text {i}", label) for i, label in enumerate(labels)]
    data = Dataset("made", "text_classification", tuple("abc"), {"hau": {"train": examples}})
    if min(Counter({"a": 0, "b": 0, "c": 0} | Counter(labels)).values()) < count:
        with pytest.raises(DataError, match="hau has"):
            draw(data, ("hau",), count, seed)
        return
    more = draw(data, ("hau",), count, seed)["hau"]
    assert len(more) == 3 * count
    for fewer in range(1, count):
        assert set(draw(data, ("hau",), fewer, seed)["hau"]) <= set(more)


@given(
    st.lists(st.lists(st.sampled_from(TAGS), min_size=1, max_size=4), min_size=4, max_size=20),
    st.integers(1, 4),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_sentences_bring_a_new_type_while_there_is_one(tags, count, seed):
    examples = [TaggedSentence(str(i), tuple(f"w{i}" for _ in own), tuple(own)) for i, own in enumerate(tags)]
    data = Dataset("made", "token_classification", TAGS, {"hau": {"train": examples}})
    chosen = draw(data, ("hau",), count, seed)["hau"]
    assert len(chosen) == len(set(chosen)) == count

    def types(sentences):
        return {tag[2:] for one in sentences for tag in one.tags if tag != "O"}

    assert len(types(chosen)) >= min(count, len(types(examples)))


def test_entities_are_among_the_shots_of_real_sentences():
    data = demo_entities.load(languages=["hau"])
    assert all(any(tag != "O" for tag in draw(data, ("hau",), 1, seed)["hau"][0].tags) for seed in range(8))


def test_languages_with_too_few_texts_are_all_named_with_what_they_lack(dataset):
    most = {code: Counter(e.label for e in dataset.split(code, "train")) for code in ("hau", "tur")}
    with pytest.raises(DataError, match="--shots 30") as told:
        draw(dataset, ("hau", "tur"), 30, 0)
    for code, counts in most.items():
        assert f"{code} has " in str(told.value)
        for label, count in counts.items():
            assert f"{count} {label!r}" in str(told.value)


def test_nothing_but_the_source_and_the_shots_is_visible(dataset):
    shots = draw(dataset, ("hau",), 1, 0)
    seen = visible(dataset, "eng", shots)
    assert seen.languages == dataset.languages
    assert seen.counts("train") == {"eng": 30, "hau": len(dataset.labels), "tur": 0}
    assert seen.counts("dev") == {"eng": 9, "hau": 0, "tur": 0}
    assert not any(seen.counts("test").values())
    assert visible(dataset, None, shots).counts("train")["eng"] == 0


def test_test_texts_are_scored_and_dev_texts_where_there_are_none(dataset):
    texts, splits = scored(dataset, dataset.languages)
    assert splits == {"eng": "test", "hau": "test", "tur": "dev"}
    assert texts.counts("dev")["eng"] == 0
    with pytest.raises(DataError, match="tur has neither test nor dev"):
        scored(visible(dataset, "eng", {}), ("eng", "tur"))


def test_gradients_are_compared_on_texts_that_were_not_trained_on(dataset):
    shots = draw(dataset, ("hau", "tur"), 2, 0)
    texts = texts_for(dataset, "eng", shots, seed=0)
    assert set(texts["eng"]) == set(dataset.split("eng", "dev"))
    assert all(not set(texts[code]) & set(shots[code]) for code in shots)
    assert all(0 < len(own) <= TEXTS for own in texts.values())
    nothing_else = visible(dataset, None, {**shots, "eng": dataset.split("eng", "train")})
    assert set(texts_for(nothing_else, "eng", shots, seed=0)["hau"]) == set(shots["hau"])
