"""Windows over a long sentence: every word judged once, inside its window, with as much beside it as there can be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradsim_shared.windows import OVERLAP, windows


@st.composite
def sentences(draw):
    """Tokens of each word, none for some, and a room that holds each of them."""
    room = draw(st.integers(1, 40))
    largest = draw(st.integers(1, room))
    return draw(st.lists(st.integers(0, largest), max_size=120)), room


any_sentence = settings(max_examples=300)(given(case=sentences()))


@any_sentence
def test_every_word_is_judged_exactly_once_and_in_order(case):
    sizes, room = case
    assert [word for window in windows(sizes, room) for word in range(*window.judged)] == list(range(len(sizes)))


@any_sentence
def test_windows_fit_and_hold_what_they_judge(case):
    sizes, room = case
    for window in windows(sizes, room):
        assert sum(sizes[slice(*window.words)]) <= room
        assert window.words[0] <= window.judged[0] <= window.judged[1] <= window.words[1]


@any_sentence
def test_each_window_goes_further_than_the_one_before(case):
    sizes, room = case
    for before, after in pairwise(windows(sizes, room)):
        assert before.words[0] < after.words[0] <= before.words[1] < after.words[1]


@any_sentence
@example(case=([3] * 9, 9))
def test_neighbours_share_a_quarter_of_a_window_where_that_leaves_room_for_the_next_word(case):
    """Of more words they share, the next window could not reach a word further, or would be the same again."""
    sizes, room = case
    for before, after in pairwise(windows(sizes, room)):
        shared = sum(sizes[after.words[0] : before.words[1]])
        one_more = sizes[after.words[0] - 1] + shared
        next_word = sizes[before.words[1]]
        assert shared >= OVERLAP * room or one_more + next_word > room or after.words[0] - 1 == before.words[0], (
            "there was room for one more"
        )


@any_sentence
def test_a_word_is_judged_where_it_has_the_more_words_beside_it(case):
    sizes, room = case
    found = windows(sizes, room)
    for before, after in pairwise(found):
        for word in range(after.words[0], before.words[1]):
            left, right = before.words[1] - 1 - word, word - after.words[0]  # words behind it, words before it
            assert word not in range(*before.judged) or left > right
            assert word not in range(*after.judged) or right >= left


@any_sentence
def test_a_sentence_that_fits_is_one_window(case):
    sizes, room = case
    found = windows(sizes, room)
    assert (len(found) <= 1) == (sum(sizes) <= room)
    if sizes and sum(sizes) <= room:
        assert found[0].words == found[0].judged == (0, len(sizes))


def test_ten_thousand_words():
    sizes = [1 + i % 4 for i in range(10_000)]  # 25 000 tokens
    found = windows(sizes, 126)
    assert [word for window in found for word in range(*window.judged)] == list(range(10_000))
    assert 25_000 / 126 < len(found) < 1.5 * 25_000 / 126
    for before, after in pairwise(found):
        assert sum(sizes[after.words[0] : before.words[1]]) >= OVERLAP * 126


def test_words_as_large_as_a_window_and_words_of_nothing():
    assert [window.words for window in windows([5, 5, 5], 5)] == [(0, 1), (1, 2), (2, 3)]
    assert [window.words for window in windows([0, 0, 0], 5)] == [(0, 3)]
    assert windows([], 5) == []


@pytest.mark.parametrize("room", [1, 2, 3])
def test_windows_of_few_tokens(room):
    found = windows([1] * 50, room)
    assert [word for window in found for word in range(*window.judged)] == list(range(50))
