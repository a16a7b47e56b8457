"""The routing rule: sums per group before the threshold, and what the caller says wins."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.errors import RequestError
from gradsim_shared.routing import Route, Router

CODES = ["amh", "hau", "ibo", "pcm", "swa", "yor"]


@st.composite
def cases(draw):
    """Languages with the groups that serve them, a threshold, and probabilities that sum to 1."""
    served_by = {code: f"g{draw(st.integers(0, 3))}" for code in CODES[: draw(st.integers(1, 6))]}
    weights = {code: draw(st.floats(0.001, 1)) for code in served_by}
    probabilities = {code: weight / sum(weights.values()) for code, weight in weights.items()}
    return served_by, draw(st.floats(0, 1)), probabilities


@given(case=cases())
def test_the_likeliest_group_answers_if_it_reaches_the_threshold(make_manifest, case):
    served_by, threshold, probabilities = case
    route = Router(make_manifest(served_by, threshold=threshold)).identified("some text", probabilities)
    sums = {group: sum(probabilities[c] for c, g in served_by.items() if g == group) for group in served_by.values()}
    assert route.language is not None
    best = served_by[route.language]
    assert sums[best] >= max(sums.values()) - 1e-12
    assert route.confidence == max(probabilities[code] for code, group in served_by.items() if group == best)
    if route.reason == "identified":
        assert sums[best] >= threshold - 1e-12
        assert route.group == best
        assert route.collective_similarity == 0.25
    else:
        assert route.reason == "fallback"
        assert sums[best] < threshold + 1e-12
        assert route.group == min(served_by.values())


@given(case=cases(), data=st.data())
def test_a_mix_up_inside_a_group_costs_nothing(make_manifest, case, data):
    served_by, threshold, probabilities = case
    one, other = data.draw(st.sampled_from(sorted(served_by))), data.draw(st.sampled_from(sorted(served_by)))
    if served_by[one] != served_by[other]:
        return
    swapped = probabilities | {one: probabilities[other], other: probabilities[one]}
    router = Router(make_manifest(served_by, threshold=threshold))
    sums = sorted(sum(probabilities[c] for c, g in served_by.items() if g == group) for group in {*served_by.values()})
    margin = min([abs(value - threshold) for value in sums] + [b - a for a, b in pairwise(sums)])
    if margin > 1e-9:  # beyond rounding
        assert router.identified("some text", probabilities).group == router.identified("some text", swapped).group


@given(case=cases())
def test_what_the_caller_says_wins(make_manifest, case):
    served_by, threshold, _ = case
    router = Router(make_manifest(served_by, threshold=threshold))
    for code, group in served_by.items():
        assert router.given(code) == Route(code, None, group, 0.25, "given")


def test_a_sum_beats_a_single_language(make_manifest):
    router = Router(make_manifest({"hau": "g0", "swa": "g0", "amh": "g1"}, threshold=0.5))
    route = router.identified("text", {"hau": 0.3, "swa": 0.29, "amh": 0.41})
    assert (route.language, route.group, route.reason) == ("hau", "g0", "identified")


@pytest.mark.parametrize("text", ["Привет", "你好", "مرحبا"])
def test_a_script_of_no_language_is_unknown(make_manifest, text):
    route = Router(make_manifest()).identified(text, {"hau": 1.0, "swa": 0.0, "amh": 0.0})
    assert route == Route(None, 0.0, "g0", None, "unknown")


def test_one_known_letter_is_enough_to_ask_the_identifier(make_manifest):
    route = Router(make_manifest()).identified("Привет a", {"hau": 1.0, "swa": 0.0, "amh": 0.0})
    assert route.reason == "identified"


@pytest.mark.parametrize("code", ["HA", "ha", "hau", "HAU", "Hau"])
def test_codes_and_aliases_in_any_case(make_manifest, code):
    manifest = make_manifest()
    aliased = [
        language.model_copy(update={"aliases": [alias.lower() for alias in language.aliases]})
        for language in manifest.languages
    ]
    assert Router(manifest.model_copy(update={"languages": aliased})).resolve(code) == "hau"


@pytest.mark.parametrize("code", ["hau-NG", "hau_NG", "HAU-latn-ng", "ha-Latn", "hau-011"])
def test_a_script_or_region_after_a_known_code_is_ignored(make_manifest, code):
    manifest = make_manifest()
    languages = [
        language.model_copy(update={"aliases": ["ha"] if language.code == "hau" else []})
        for language in manifest.languages
    ]
    assert Router(manifest.model_copy(update={"languages": languages})).resolve(code) == "hau"


@pytest.mark.parametrize("code", ["hau-", "hau-x", "hau-dialect", "-NG", "xyz-NG", "hau-NG\n", "hauNG"])
def test_what_is_no_script_or_region_is_not(make_manifest, code):
    with pytest.raises(RequestError, match="unknown language"):
        Router(make_manifest()).resolve(code)


def test_an_unknown_code_names_the_nearest(make_manifest):
    with pytest.raises(
        RequestError, match=r"unknown language 'hua'\. Did you mean hau\? Known: amh, hau, swa\."
    ) as failure:
        Router(make_manifest()).resolve("hua", 3)
    assert (failure.value.code, failure.value.index) == ("unknown_language", 3)
