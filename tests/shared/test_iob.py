"""Tags of words: entities by their definition and as seqeval finds them; the best tags by trying all of them."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradsim_shared.iob import best_tags, entities, is_iob

TYPES = ("PER", "LOC")
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
any_tags = st.lists(st.sampled_from(LABELS), max_size=12)
"""Valid or not: an I- may stand anywhere."""


def by_definition(tags):
    """Return every (type, first, behind the last) that begins with B-, goes on with I- only, and could not go on."""
    return [
        (kind, first, last)
        for first, last in product(range(len(tags)), range(1, len(tags) + 1))
        for kind in TYPES
        if first < last
        and tags[first] == f"B-{kind}"
        and all(tag == f"I-{kind}" for tag in tags[first + 1 : last])
        and (last == len(tags) or tags[last] != f"I-{kind}")
    ]


def is_allowed(tags):
    """Say whether every I-X stands behind B-X or I-X."""
    return all(not b.startswith("I-") or a in (f"B-{b[2:]}", b) for a, b in pairwise(["O", *tags]))


@settings(max_examples=300)
@given(tags=any_tags)
@example(tags=["I-PER", "I-PER", "B-PER", "I-LOC", "I-PER"])
@example(tags=["B-PER", "B-PER", "I-PER", "I-LOC", "B-LOC"])
def test_entities_are_those_of_the_definition(tags):
    found = list(entities(tags))
    assert found == by_definition(tags)
    assert all(before[2] <= after[1] for before, after in pairwise(found))


@settings(max_examples=300)
@given(tags=any_tags.filter(bool))
def test_entities_are_seqevals_in_strict_iob2(tags):
    scheme = pytest.importorskip("seqeval.scheme")
    found = [entity.to_tuple()[-3:] for entity in scheme.Tokens(tags, scheme.IOB2).entities]
    assert list(entities(tags)) == found


@settings(max_examples=200)
@given(tags=any_tags.filter(is_allowed))
def test_entities_of_valid_tags_are_seqevals_in_any_mode(tags):
    labelling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    assert list(entities(tags)) == [(kind, first, last + 1) for kind, first, last in labelling.get_entities(tags)]


@given(tags=any_tags.filter(is_allowed))
def test_valid_tags_are_their_entities(tags):
    written = ["O"] * len(tags)
    for kind, first, last in entities(tags):
        written[first:last] = [f"B-{kind}", *[f"I-{kind}"] * (last - first - 1)]
    assert written == tags


def test_types_with_odd_names():
    assert list(entities(["B-a-b", "I-a-b", "I-a"])) == [("a-b", 0, 2)]
    assert list(entities(["B-I-x", "I-I-x"])) == [("I-x", 0, 2)]
    assert list(entities([])) == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (LABELS, True),
        (["O", "B-X"], True),
        (["B-X", "I-X"], False),
        (["O"], False),
        ([], False),
        (["ADJ", "NOUN"], False),
        (["O", "B-X", "NOUN"], False),
        (["O", "B-"], False),
        (["O", "B-X", "E-X"], False),
    ],
)
def test_which_labels_mark_entities(labels, expected):
    assert is_iob(labels) is expected


@st.composite
def sentences(draw, most=4):
    """Labels in any order, some perhaps missing, and logits, ``[words, labels]``, with ties."""
    labels = draw(st.permutations(LABELS))[: draw(st.integers(2, len(LABELS)))]
    if all(label.startswith("I-") for label in labels):
        labels[0] = "O"
    words = draw(st.integers(0, most))
    numbers = draw(st.lists(st.integers(-8, 8), min_size=words * len(labels), max_size=words * len(labels)))
    return labels, np.array(numbers, np.float32).reshape(words, len(labels)) / 4


@settings(max_examples=200)
@given(case=sentences())
def test_the_best_allowed_tags_are_those_of_trying_all(case):
    labels, logits = case
    found = best_tags(logits, labels)
    assert found.shape == (len(logits),) and found.dtype == np.intp
    assert is_allowed([labels[i] for i in found])
    scores = [
        logits[range(len(path)), path].sum()
        for path in product(range(len(labels)), repeat=len(logits))
        if is_allowed([labels[i] for i in path])
    ]
    assert logits[range(len(found)), found].sum() == max(scores)


@settings(max_examples=200)
@given(case=sentences(most=8))
def test_where_the_likeliest_tags_are_allowed_they_are_taken(case):
    labels, logits = case
    greedy = logits.argmax(axis=1)
    if is_allowed([labels[i] for i in greedy]):
        np.testing.assert_array_equal(best_tags(logits, labels), greedy)


def test_a_long_sentence_of_small_differences():
    random = np.random.default_rng(0)
    logits = random.normal(size=(3000, len(LABELS))).astype(np.float32)
    found = best_tags(logits, LABELS)
    assert is_allowed([LABELS[i] for i in found])
    for place in random.integers(3000, size=200):  # no single change that is allowed makes it better
        for other in range(len(LABELS)):
            changed = found.copy()
            changed[place] = other
            near = [LABELS[i] for i in changed[max(0, place - 1) : place + 2]]
            if is_allowed(near if place == 0 else [near[0].replace("I-", "B-"), *near[1:]]):
                assert logits[place, other] <= logits[place, found[place]]
