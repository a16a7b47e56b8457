"""The routing rule: which group answers for a text, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gradsim_shared.errors import RequestError
from gradsim_shared.identification import Identification
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.language_tags import readings
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.messages import Reason
from gradsim_shared.nearest import unknown
from gradsim_shared.scripts import scripts_of

Mixture = tuple[tuple[str, float], ...]
CANDIDATES = 3


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
            sure, the fallback group answers.
        group_confidence: Probability of the group that answers, the sum over its languages, 0 to 1; ``None`` when
            the identifier was not asked.
        candidates: The likeliest languages, most likely first; empty when the identifier was not asked or had
            nothing to judge by.
        mixture: The groups that answer and the weight of each; weights sum to 1.
        code_mixed: Parts of the text look like different languages.
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

    def given(self, code: str, index: int | None = None) -> Route:
        """Route a text whose language the caller names; the identifier is not asked."""
        language = self._languages[self.resolve(code, index)]
        return Route(language.code, None, language.group, language.collective_similarity.get(language.group), "given")

    def identified(
        self, text: str, identification: Identification, policy: Policy | None = None, index: int | None = None
    ) -> Route:
        """Route a text by what the identifier says of it.

        Probabilities are summed per serving group before the threshold: a mix-up of two languages of one group
        costs nothing. The route names the likeliest language of the likeliest group.

        Args:
            text: As it was sent.
            identification: Of that text.
            policy: What becomes of a text that is not sure; ``None``: as the bundle says.
            index: Of the text in its request.

        Raises:
            RequestError: ``unsupported_language``, under the policy ``reject``.
        """
        policy = policy or self._settings.policy
        letters = scripts_of(identifier_text(text, self._settings.normalisation))
        readable = not self._scripts.isdisjoint(letters)
        doubt = self._doubt(letters.total(), readable, identification)
        by_group = self._by_group(identification.probabilities) if readable else {}
        if policy == "reject" and (doubt or max(by_group.values()) < self._settings.threshold):
            raise RequestError(self._refusal(doubt, identification), code="unsupported_language", index=index)
        if not readable:
            assert doubt is not None
            return Route(None, 0.0, self._fallback, None, doubt, group_confidence=0.0)
        return self._routed(identification, by_group, policy, doubt)

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


def _two_likeliest(by_group: Mapping[str, float]) -> Mixture:
    """Return the two likeliest groups, weighted by their probabilities; one where the other has none."""
    first, *others = sorted(by_group, key=by_group.__getitem__, reverse=True)[:2]
    total = by_group[first] + sum(by_group[other] for other in others)
    weights = [(group, by_group[group] / total) for group in (first, *others)]
    return tuple((group, weight) for group, weight in weights if weight > 0)
