"""Similarity by family: 0 and 1, or the shared lineage."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.families import lineage
from gradsim_offline.similarity.measures import family
from gradsim_offline.similarity.measures.family import Options, shared_lineage
from gradsim_shared.errors import DataError, SettingsError


def measured(codes, **options):
    dataset = Dataset("none", "text_classification", ("a", "b"), {code: {} for code in codes.split()})
    return family.measure(SimpleNamespace(dataset=dataset, options=Options(**options)))


def test_similarity_is_1_inside_a_family_and_0_between():
    found = measured("amh hau pcm por swa")
    np.testing.assert_array_equal(
        found.matrix, [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
    )
    assert found.languages == ("amh", "hau", "pcm", "por", "swa") and found.split_half is None
    assert found.settings["families"]["swa"] == "Atlantic-Congo" and found.settings["graded"] is False


def test_graded_similarity_is_the_share_of_common_lineage():
    codes = "arq ary amh por spa swa"
    found = measured(codes, graded=True).matrix
    lines = {code: lineage(code) for code in codes.split()}
    names = sorted(lines)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            common = len(set(lines[a]) & set(lines[b]))  # the names of these lineages are unique in the tree
            assert found[i, j] == pytest.approx(2 * common / (len(lines[a]) + len(lines[b])))
    near = {name: i for i, name in enumerate(names)}
    assert found[near["arq"], near["ary"]] > found[near["arq"], near["amh"]] > found[near["arq"], near["por"]] == 0
    np.testing.assert_array_equal(found.diagonal(), 1)


lines = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple)


@given(first=lines, second=lines)
def test_shared_lineage_is_symmetric_and_between_0_and_1(first, second):
    found = shared_lineage(first, second)
    assert 0 <= found == shared_lineage(second, first) <= 1
    assert (found == 1) == (first == second) and (found == 0) == (first[0] != second[0])


def test_an_unknown_language_is_an_error():
    with pytest.raises(DataError, match="family of 'xxx' is not known"):
        measured("hau xxx")


def test_settings_are_checked():
    assert plugins.options("similarity", "family", {"graded": True}).graded
    with pytest.raises(SettingsError, match="it knows graded"):
        plugins.options("similarity", "family", {"depth": 2})
    assert family.fingerprint(Options()).startswith("urielplus ")
