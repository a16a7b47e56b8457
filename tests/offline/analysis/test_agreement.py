"""Agreement of groupings against counting pairs by hand."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_offline.experiments.analyse.groupings import adjusted_rand, serving, together
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_shared.errors import SettingsError

CODES = [f"l{i:02}" for i in range(9)]


def counted(first, second):
    """Adjusted Rand by its definition: pairs together in both, against what chance gives (Hubert and Arabie 1985)."""
    total = comb(len(first), 2)
    both = sum(first[a] == first[b] and second[a] == second[b] for a, b in combinations(first, 2))
    mine, yours = (sum(g[a] == g[b] for a, b in combinations(g, 2)) for g in (first, second))
    chance, most = mine * yours / total, (mine + yours) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=9))
def test_adjusted_rand_is_counted_right(labels):
    first = {code: f"g{a}" for code, (a, _) in zip(CODES, labels, strict=False)}
    second = {code: f"h{b}" for code, (_, b) in zip(CODES, labels, strict=False)}
    assert adjusted_rand(first, second) == pytest.approx(counted(first, second))
    assert adjusted_rand(first, first) == 1


def test_only_common_languages_count():
    first = {"aaa": "g1", "bbb": "g1", "ccc": "g2", "zzz": "g2"}
    second = {"aaa": "x", "bbb": "x", "ccc": "y", "yyy": "x"}
    assert adjusted_rand(first, second) == 1
    with pytest.raises(SettingsError, match="share 1, it takes 2"):
        adjusted_rand(first, {"aaa": "x", "yyy": "x"})


def test_a_language_counts_in_the_group_that_serves_it():
    groups = Groups(
        "exact",
        "self",
        1.0,
        1.0,
        True,
        (
            LanguageGroup("g1", ("aaa", "bbb", "ccc"), ("aaa", "bbb"), {}),
            LanguageGroup("g2", ("bbb", "ccc"), ("ccc",), {}),
        ),
    )
    assert serving(groups) == {"aaa": "g1", "bbb": "g1", "ccc": "g2"}


def test_together_is_the_share_of_groupings():
    groupings = [{"aaa": "g1", "bbb": "g1", "ccc": "g2"}, {"aaa": "g1", "bbb": "g2", "ccc": "g2"}]
    expected = np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]])
    np.testing.assert_array_equal(together(groupings, ["aaa", "bbb", "ccc"]), expected)
