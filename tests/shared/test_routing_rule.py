"""The routing rule: sums per group before the threshold, and what the caller says wins."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.errors import RequestError
from gradsim_shared.identification import Identification
from gradsim_shared.manifest_identifier import Known, Usual
from gradsim_shared.routing import Candidate, Route, Router

CODES = ["amh", "hau", "ibo", "pcm", "swa", "yor"]
KNOWN = Known(threshold=0.5, usual={"hau": Usual(centre=0, variance=1, variance_per_ngram=0)}, scores=[0], shares=[1])
HAUSA = Identification({"hau": 1.0, "swa": 0.0, "amh": 0.0})
THIRDS = Identification({"hau": 0.3, "swa": 0.29, "amh": 0.41})


def with_settings(manifest, **settings):
    """Return the manifest with other settings of its identifier."""
    return manifest.model_copy(update={"identifier": manifest.identifier.model_copy(update=settings)})


@st.composite
def cases(draw):
    """Languages with the groups that serve them, a threshold, and probabilities that sum to 1."""
    served_by = {code: f"g{draw(st.integers(0, 3))}" for code in CODES[: draw(st.integers(1, 6))]}
    weights = {code: draw(st.floats(0.001, 1)) for code in served_by}
    probabilities = {code: weight / sum(weights.values()) for code, weight in weights.items()}
    return served_by, draw(st.floats(0, 1)), probabilities


@st.composite
def doubtful_cases(draw, make_manifest):
    """A router, a text that may be short or in a foreign script, and what the identifier says of it.

    The fallback group is one of its own.
    """
    served_by, threshold, probabilities = draw(cases())
    served_by["wol"], probabilities["wol"] = "fallback", 0.0
    known = KNOWN if draw(st.booleans()) else None
    settings = {"minimum_letters": draw(st.integers(0, 6)), "known": known, "soft_threshold": draw(st.floats(0, 1))}
    router = Router(with_settings(make_manifest(served_by, threshold=threshold, fallback="fallback"), **settings))
    text = draw(st.sampled_from(["", "so", "some text", "Привет мир", "!?"]))
    return router, text, Identification(probabilities, known=draw(st.sampled_from([0.1, 0.5, 0.9])))


def summed(served_by, probabilities):
    return {group: sum(probabilities[c] for c, g in served_by.items() if g == group) for group in served_by.values()}


@given(case=cases())
def test_the_likeliest_group_answers_if_it_reaches_the_threshold(make_manifest, case):
    served_by, threshold, probabilities = case
    router = Router(make_manifest(served_by, threshold=threshold))
    route = router.identified("some text", Identification(probabilities))
    sums = summed(served_by, probabilities)
    assert route.language is not None
    best = served_by[route.language]
    assert sums[best] >= max(sums.values()) - 1e-12
    assert route.confidence == max(probabilities[code] for code, group in served_by.items() if group == best)
    assert route.group_confidence == pytest.approx(sums.get(route.group, 0.0))
    if route.reason == "fallback":
        assert sums[best] < threshold + 1e-12
        assert route.group == min(served_by.values())
    else:
        assert sums[best] >= threshold - 1e-12
        assert route.group == best
        assert route.collective_similarity == 0.25
        assert route.reason == ("identified" if route.confidence >= threshold else "same_group")


@given(case=cases())
def test_the_policy_best_always_takes_the_likeliest_group(make_manifest, case):
    served_by, threshold, probabilities = case
    router = Router(make_manifest(served_by, threshold=threshold))
    route = router.identified("some text", Identification(probabilities), "best")
    sums = summed(served_by, probabilities)
    assert sums[route.group] >= max(sums.values()) - 1e-12
    assert route.mixture == ((route.group, 1.0),)
    assert route.reason in ("identified", "same_group")


@given(case=cases(), soft_threshold=st.floats(0, 1))
def test_the_policy_soft_weighs_the_two_likeliest_groups_by_their_sums(make_manifest, case, soft_threshold):
    served_by, threshold, probabilities = case
    manifest = with_settings(make_manifest(served_by, threshold=threshold), soft_threshold=soft_threshold)
    route = Router(manifest).identified("some text", Identification(probabilities), "soft")
    sums = summed(served_by, probabilities)
    weights = dict(route.mixture)
    assert sum(weights.values()) == pytest.approx(1)
    if route.reason == "soft":
        top = sorted(sums.values(), reverse=True)[:2]
        assert sorted(weights.values(), reverse=True) == pytest.approx([value / sum(top) for value in top])
        assert all(weights[group] == pytest.approx(sums[group] / sum(top)) for group in weights)
        assert max(sums.values()) < soft_threshold + 1e-12
    else:
        assert len(weights) == 1
        assert len(sums) == 1 or max(sums.values()) >= soft_threshold - 1e-12
    assert weights[route.group] == max(weights.values())


@given(data=st.data())
def test_reject_refuses_exactly_what_fallback_sends_to_the_fallback_group(make_manifest, data):
    router, text, identification = data.draw(doubtful_cases(make_manifest))
    fallen = router.identified(text, identification, "fallback")
    if fallen.reason in ("too_short", "unknown", "fallback"):
        with pytest.raises(RequestError, match="cannot tell which language") as failure:
            router.identified(text, identification, "reject", 7)
        assert (failure.value.code, failure.value.index) == ("unsupported_language", 7)
        assert fallen.group == "fallback"
    else:
        assert router.identified(text, identification, "reject") == fallen
        assert router.identified(text, identification, "best") == fallen
        assert fallen.group != "fallback"


@given(data=st.data(), policy=st.sampled_from(["best", "soft", "fallback"]))
def test_every_route_is_whole(make_manifest, data, policy):
    router, text, identification = data.draw(doubtful_cases(make_manifest))
    route = router.identified(text, identification, policy)
    assert sum(weight for _, weight in route.mixture) == pytest.approx(1)
    assert route.mixture[0][0] == route.group
    assert (route.language is None) == (route.reason == "unknown" or not route.candidates)
    assert [c.confidence for c in route.candidates] == sorted((c.confidence for c in route.candidates), reverse=True)
    assert len(route.candidates) == (
        0 if text in ("", "Привет мир", "!?") else min(3, len(identification.probabilities))
    )


@given(case=cases(), data=st.data(), policy=st.sampled_from(["best", "soft", "fallback"]))
def test_a_mix_up_inside_a_group_costs_nothing(make_manifest, case, data, policy):
    served_by, threshold, probabilities = case
    one, other = data.draw(st.sampled_from(sorted(served_by))), data.draw(st.sampled_from(sorted(served_by)))
    if served_by[one] != served_by[other]:
        return
    swapped = probabilities | {one: probabilities[other], other: probabilities[one]}
    router = Router(make_manifest(served_by, threshold=threshold))
    sums = sorted(summed(served_by, probabilities).values())
    margin = min(
        [abs(value - limit) for value in sums for limit in (threshold, 0.5)] + [b - a for a, b in pairwise(sums)]
    )
    if margin > 1e-9:  # beyond rounding
        first, second = (router.identified("some text", Identification(p), policy) for p in (probabilities, swapped))
        assert first.group == second.group
        assert dict(first.mixture) == pytest.approx(dict(second.mixture))


@given(case=cases())
def test_a_language_given_by_the_caller_decides(make_manifest, case):
    served_by, threshold, _ = case
    router = Router(make_manifest(served_by, threshold=threshold))
    for code, group in served_by.items():
        assert router.given(code) == Route(code, None, group, 0.25, "given")


def test_a_sum_beats_a_single_language(make_manifest):
    router = Router(make_manifest({"hau": "g0", "swa": "g0", "amh": "g1"}, threshold=0.5))
    route = router.identified("text", THIRDS)
    assert (route.language, route.group, route.reason) == ("hau", "g0", "same_group")
    assert route.group_confidence == pytest.approx(0.59)
    assert route.candidates == (Candidate("amh", 0.41, "g1"), Candidate("hau", 0.3, "g0"), Candidate("swa", 0.29, "g0"))


@pytest.mark.parametrize("text", ["Привет", "你好", "مرحبا"])
def test_a_script_of_no_language_is_unknown(make_manifest, text):
    route = Router(make_manifest()).identified(text, HAUSA)
    assert route == Route(None, 0.0, "g0", None, "unknown", group_confidence=0.0)


def test_letters_of_addresses_and_user_names_are_not_the_text_s(make_manifest):
    route = Router(make_manifest()).identified("@user Привет https://t.co/abc", HAUSA)
    assert route.reason == "unknown"


def test_a_short_text_is_still_answered_by_the_likeliest_group_under_best(make_manifest):
    router = Router(with_settings(make_manifest(fallback="g1"), minimum_letters=4))
    best, fallen = (router.identified("so!!", HAUSA, policy) for policy in ("best", "fallback"))
    assert (best.group, best.language, best.reason) == ("g0", "hau", "too_short")
    assert (fallen.group, fallen.language, fallen.reason) == ("g1", "hau", "too_short")


def test_a_text_below_the_threshold_of_known_languages_is_taken_for_none(make_manifest):
    router = Router(with_settings(make_manifest(fallback="g1"), known=KNOWN))
    stranger = Identification(HAUSA.probabilities, known=0.4)
    best, fallen = (router.identified("some text", stranger, policy) for policy in ("best", "fallback"))
    assert (best.language, best.group, best.reason) == (None, "g0", "unknown")
    assert (fallen.language, fallen.group, fallen.reason) == (None, "g1", "unknown")
    assert best.candidates[0].language == "hau"


def test_code_mixing_is_told_and_changes_nothing_else(make_manifest):
    router = Router(make_manifest())
    plain, mixed = (router.identified("text", Identification({"hau": 1.0}, code_mixed=mix)) for mix in (False, True))
    assert replace(mixed, code_mixed=False) == plain
    assert mixed.code_mixed


def test_one_known_letter_is_enough_to_ask_the_identifier(make_manifest):
    route = Router(make_manifest()).identified("Привет a", HAUSA)
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
def test_other_subtags_are_not_ignored(make_manifest, code):
    with pytest.raises(RequestError, match="unknown language"):
        Router(make_manifest()).resolve(code)


def test_an_unknown_code_names_the_nearest(make_manifest):
    with pytest.raises(
        RequestError, match=r"unknown language 'hua'\. Did you mean hau\? Known: amh, hau, swa\."
    ) as failure:
        Router(make_manifest()).resolve("hua", 3)
    assert (failure.value.code, failure.value.index) == ("unknown_language", 3)
