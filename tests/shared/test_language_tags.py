"""Language tags: old codes, and the subtags that say no other language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.errors import RequestError
from gradsim_shared.language_tags import WITHDRAWN, readings
from gradsim_shared.routing import Router


def router(make_manifest, *codes, **aliases):
    """Return a router for some languages with the aliases given, and no other."""
    manifest = make_manifest(dict.fromkeys(codes, "g0"))
    named = [one.model_copy(update={"aliases": aliases.get(one.code, [])}) for one in manifest.languages]
    return Router(manifest.model_copy(update={"languages": named}))


@pytest.mark.parametrize(
    ("old", "code"), [("in", "ind"), ("iw", "heb"), ("IW-il", "heb"), ("ji", "yid"), ("jw", "jav"), ("mo-Cyrl", "ron")]
)
def test_codes_that_iso_has_withdrawn_are_known(make_manifest, old, code):
    assert router(make_manifest, "ind", "heb", "yid", "jav", "ron").resolve(old) == code


def test_a_bundles_own_alias_goes_before_an_old_code(make_manifest):
    assert router(make_manifest, "ind", "hau", hau=["in"]).resolve("in") == "hau"
    assert router(make_manifest, "ind", "hau", hau=["in-Latn"]).resolve("in-Latn") == "hau"


@pytest.mark.parametrize("tag", ["hau-1996", "hau-Latn-NG-1996", "hau-ng-luna1918", "hau_NG_1abc"])
def test_a_variant_with_a_digit_is_ignored(make_manifest, tag):
    assert router(make_manifest, "hau").resolve(tag) == "hau"


@pytest.mark.parametrize(
    "tag", ["hau-yue", "hau-x-old", "hau-dialect", "hau-1", "hau-12345678a", "in-dialect", "", "-"]
)
def test_subtags_that_may_be_another_language_are_not_dropped(make_manifest, tag):
    with pytest.raises(RequestError, match="unknown language"):
        router(make_manifest, "hau", "ind").resolve(tag)


@given(st.text("-_aB1n", max_size=12) | st.sampled_from(list(WITHDRAWN)))
def test_readings_begin_with_the_spelling_and_are_finite(tag):
    found = list(readings(tag))
    assert found[0] == tag and len(found) <= 3 * (len(tag) + 1)
