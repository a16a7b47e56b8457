"""The routing rule: which group answers for a text, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from gradsim_shared.errors import RequestError
from gradsim_shared.identification import Identification
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.language_tags import readings
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.messages import Reason
from gradsim_shared.nearest import unknown
from gradsim_shared.scripts import scripts_of
from gradsim_shared.segments import Sent, segments

Mixture = tuple[tuple[str, float], ...]

CANDIDATES = 3
TWO_LANGUAGES = 0.1
"""Share of pairs that are expected to be of two languages, before their texts are seen."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A language that a text may be of: ISO 639-3, its probability, and the group that serves it."""

    language: str
    confidence: float
    group: str


@dataclass(frozen=True, slots=True)
class Route:
    """Which language a text was taken for, which group answers, and why.

    Attributes:
        language: ISO 639-3; ``None`` when the text was taken for none (``unknown``, or without a letter to judge by).
        confidence: The identifier's probability of that language, 0 to 1; ``None`` when it was not asked.
        group: The id of the group that answers; of two, the likelier.
        collective_similarity: Of the language in that group; ``None`` when it is no member.
        reason: ``given`` by the caller; ``identified``; ``same_group``: no language is sure, but the sum over the
            group's languages is; ``soft``: no group is sure, the two likeliest answer together; ``too_short`` to be
            sure; ``unknown``: of no language of the bundle, by its script or its score; ``fallback``: no group is
            sure, the fallback group answers; ``two_languages``: the texts of a pair are of two, whose groups answer
            together.
        group_confidence: Probability of the group that answers, the sum over its languages, 0 to 1; ``None`` when
            the identifier was not asked.
        candidates: The likeliest languages, most likely first; empty when the identifier was not asked or had
            nothing to judge by.
        mixture: The groups that answer and the weight of each; weights sum to 1.
        code_mixed: Parts of the text look like different languages.
        second_language: Of the second text of a pair whose texts are of two languages; ``None``: they are of one.
    """

    language: str | None
    confidence: float | None
    group: str
    collective_similarity: float | None
    reason: Reason
    group_confidence: float | None = None
    candidates: tuple[Candidate, ...] = ()
    mixture: Mixture = ()
    code_mixed: bool = False
    second_language: str | None = None

    def __post_init__(self) -> None:
        """Let the group answer alone where no mixture is named."""
        if not self.mixture:
            object.__setattr__(self, "mixture", ((self.group, 1.0),))


class Router:
    """Routes texts by the manifest of one bundle; it holds no state of its own."""

    def __init__(self, manifest: Manifest) -> None:
        self._languages = {language.code: language for language in manifest.languages}
        self._codes = {alias: language.code for language in manifest.languages for alias in language.aliases}
        self._codes |= {code: code for code in self._languages}
        self._scripts = {script for language in manifest.languages for script in language.scripts}
        self._settings = manifest.identifier
        self._known = manifest.identifier.known.threshold if manifest.identifier.known else 0.0
        self._fallback = manifest.fallback.group

    def resolve(self, code: str, index: int | None = None) -> str:
        """Return the ISO 639-3 code for a code or alias as a caller wrote it: ``hau``, ``ha``, ``ha-Latn-NG``, ``iw``.

        Raises:
            RequestError: ``unknown_language``; the message names the nearest codes and all that are known.
        """
        language = next((self._codes[reading] for reading in readings(code) if reading in self._codes), None)
        if language is None:
            raise RequestError(unknown("language", code, self._languages), code="unknown_language", index=index)
        return language

    def given(self, code: str | Sequence[str | None], index: int | None = None) -> Route:
        """Route a text whose language the caller names; the identifier is not asked.

        Args:
            code: Of the text; or of both texts of a pair, where one of them may be ``None``: as the other.
            index: Of the text in its request.

        Raises:
            RequestError: ``unknown_language``.
        """
        named = [code] if isinstance(code, str) else [each for each in code if each is not None]
        first, *others = (self._languages[self.resolve(each, index)] for each in named)
        similarity = first.collective_similarity.get(first.group)
        route = Route(first.code, None, first.group, similarity, "given")
        if not others or others[0] == first:
            return route
        return replace(route, mixture=_half_each(first.group, others[0].group), second_language=others[0].code)

    def identified(
        self, text: Sent, identification: Identification, policy: Policy | None = None, index: int | None = None
    ) -> Route:
        """Route a text by what the identifier says of it.

        Probabilities are summed per serving group before the threshold: a mix-up of two languages of one group
        costs nothing. The route names the likeliest language of the likeliest group. A pair whose texts are likelier of
        two languages than of one is answered by the groups of both together, whatever the policy.

        Args:
            text: As it was sent.
            identification: Of that text.
            policy: What becomes of a text that is not sure; ``None``: as the bundle says.
            index: Of the text in its request.

        Raises:
            RequestError: ``unsupported_language``, under the policy ``reject``.
        """
        policy = policy or self._settings.policy
        read = [scripts_of(identifier_text(segment, self._settings.normalisation)) for segment in segments(text)]
        if identification.parts and all(map(self._can_be_told, read, identification.parts)):
            first, second = (part.probabilities for part in identification.parts)
            if of_two_languages(first, second):
                return self._of_two(first, second)
        letters = sum(read, Counter[str]())
        readable = not self._scripts.isdisjoint(letters)
        doubt = self._doubt(letters.total(), readable, identification)
        by_group = self._by_group(identification.probabilities) if readable else {}
        if policy == "reject" and (doubt or max(by_group.values()) < self._settings.threshold):
            raise RequestError(self._refusal(doubt, identification), code="unsupported_language", index=index)
        if not readable:
            assert doubt is not None
            return Route(None, 0.0, self._fallback, None, doubt, group_confidence=0.0)
        return self._routed(identification, by_group, policy, doubt)

    def _can_be_told(self, letters: Counter[str], identification: Identification) -> bool:
        """Return whether nothing says that the likeliest language of a text should not be believed."""
        return self._doubt(letters.total(), not self._scripts.isdisjoint(letters), identification) is None

    def _of_two(self, first: Mapping[str, float], second: Mapping[str, float]) -> Route:
        """Return the route of a pair of two languages; its candidates have the mean of both texts' probabilities."""
        one, other = (self._languages[max(each, key=each.__getitem__)] for each in (first, second))
        mean = {code: (probability + second[code]) / 2 for code, probability in first.items()}
        ranked = sorted(mean, key=mean.__getitem__, reverse=True)[:CANDIDATES]
        return Route(
            one.code,
            first[one.code],
            one.group,
            one.collective_similarity.get(one.group),
            "two_languages",
            group_confidence=self._by_group(mean)[one.group],
            candidates=tuple(Candidate(code, mean[code], self._languages[code].group) for code in ranked),
            mixture=_half_each(one.group, other.group),
            second_language=other.code,
        )

    def _doubt(
        self, letters: int, readable: bool, identification: Identification
    ) -> Literal["too_short", "unknown"] | None:
        """Say why the likeliest language should not be believed, however probable; ``None``: it may be."""
        if letters < self._settings.minimum_letters:
            return "too_short"
        return None if readable and identification.known >= self._known else "unknown"

    def _by_group(self, probabilities: Mapping[str, float]) -> dict[str, float]:
        """Sum the probabilities over the languages that each group serves."""
        sums: dict[str, float] = {}
        for code, probability in probabilities.items():
            group = self._languages[code].group
            sums[group] = sums.get(group, 0.0) + probability
        return sums

    def _routed(
        self,
        identification: Identification,
        by_group: Mapping[str, float],
        policy: Policy,
        doubt: Literal["too_short", "unknown"] | None,
    ) -> Route:
        """Return the route of a text of which something could be read."""
        probabilities = identification.probabilities
        ranked = sorted(probabilities, key=probabilities.__getitem__, reverse=True)
        likeliest = max(by_group, key=by_group.__getitem__)
        language = self._languages[next(code for code in ranked if self._languages[code].group == likeliest)]
        sure = by_group[likeliest] >= self._settings.threshold
        group = likeliest
        mixture: Mixture = ((likeliest, 1.0),)
        reason: Reason = "identified"
        if policy == "fallback" and (doubt or not sure):
            group, mixture, reason = self._fallback, ((self._fallback, 1.0),), "fallback"
        elif policy == "soft" and (doubt or by_group[likeliest] < self._settings.soft_threshold):
            mixture = _two_likeliest(by_group)
            reason = "soft" if len(mixture) > 1 else reason
        if reason == "identified" and sure and probabilities[language.code] < self._settings.threshold:
            reason = "same_group"
        route = Route(
            language.code,
            probabilities[language.code],
            group,
            language.collective_similarity.get(group),
            doubt or reason,
            group_confidence=by_group.get(group, 0.0),
            candidates=tuple(
                Candidate(code, probabilities[code], self._languages[code].group) for code in ranked[:CANDIDATES]
            ),
            mixture=mixture,
            code_mixed=identification.code_mixed,
        )
        if doubt == "unknown":
            return replace(route, language=None, confidence=0.0, collective_similarity=None)
        return route

    def _refusal(self, doubt: Literal["too_short", "unknown"] | None, identification: Identification) -> str:
        """Say why a text is refused, and what the caller can do."""
        probabilities = identification.probabilities
        code = max(probabilities, key=probabilities.__getitem__)
        why = {
            "too_short": f"it has fewer than {self._settings.minimum_letters} letters",
            "unknown": "it looks like none of them",
            None: f"the likeliest is {code}, with a probability of {probabilities[code]:.2f}",
        }[doubt]
        return (
            f"cannot tell which language of this bundle the text is in: {why}. Name its language, or send another "
            f"policy than reject. Languages: {', '.join(sorted(self._languages))}."
        )


def is_unknown(given: object) -> bool:
    """Return whether a caller names no language: of a pair of neither text."""
    return given is None or (isinstance(given, list | tuple) and len(given) == 2 and given[0] is given[1] is None)


def names_two(given: object) -> TypeGuard[Sequence[str | None]]:
    """Return whether a caller names the languages of both texts of a pair, or of one of them."""
    if not isinstance(given, list | tuple) or len(given) != 2:
        return False
    return all(each is None or isinstance(each, str) for each in given)


def of_two_languages(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Return whether two texts are likelier of two languages than of one, by Bayes' rule.

    The identifier's probabilities of N languages rest on a uniform prior; texts of one language are ``N * sum(first *
    second)`` times as likely as texts whose languages have nothing to do with each other.
    """
    same = len(first) * sum(probability * second[code] for code, probability in first.items())
    likeliest = (max(each, key=each.__getitem__) for each in (first, second))
    return len(set(likeliest)) == 2 and (1 - TWO_LANGUAGES) * same < TWO_LANGUAGES


def _half_each(group: str, other: str) -> Mixture:
    return ((group, 1.0),) if group == other else ((group, 0.5), (other, 0.5))


def _two_likeliest(by_group: Mapping[str, float]) -> Mixture:
    """Return the two likeliest groups, weighted by their probabilities; one where the other has none."""
    first, *others = sorted(by_group, key=by_group.__getitem__, reverse=True)[:2]
    total = by_group[first] + sum(by_group[other] for other in others)
    weights = [(group, by_group[group] / total) for group in (first, *others)]
    return tuple((group, weight) for group, weight in weights if weight > 0)
