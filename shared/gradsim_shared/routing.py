"""The routing rule: which group answers for a text, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Language, Manifest
from gradsim_shared.nearest import unknown
from gradsim_shared.scripts import scripts_of

Reason = Literal["given", "identified", "unknown", "fallback"]

_SCRIPT_OR_REGION = re.compile(r"[-_](?:[A-Za-z]{4}|[A-Za-z]{2}|[0-9]{3})\Z")


@dataclass(frozen=True, slots=True)
class Route:
    """Which language a text was taken for, which group answers, and why.

    Attributes:
        language: ISO 639-3; ``None`` when the text has no letter of a script of the bundle.
        confidence: The identifier's probability of that language, 0 to 1; ``None`` when it was not asked.
        group: The id of the group that answers.
        collective_similarity: Of the language in that group; ``None`` when it is no member.
        reason: ``given`` by the caller; ``identified``; ``fallback``: the identifier was not sure enough;
            ``unknown``: the text has no letter, or its script belongs to no language of the bundle.
    """

    language: str | None
    confidence: float | None
    group: str
    collective_similarity: float | None
    reason: Reason


class Router:
    """Routes texts by the manifest of one bundle; it holds no state of its own."""

    def __init__(self, manifest: Manifest) -> None:
        self._languages = {language.code: language for language in manifest.languages}
        self._codes = {alias: language.code for language in manifest.languages for alias in language.aliases}
        self._codes |= {code: code for code in self._languages}
        self._scripts = {script for language in manifest.languages for script in language.scripts}
        self._threshold = manifest.identifier.threshold
        self._fallback = manifest.fallback.group

    def resolve(self, code: str, index: int | None = None) -> str:
        """Return the ISO 639-3 code for a code or alias as a caller wrote it: ``hau``, ``ha``, ``ha-Latn-NG``.

        Raises:
            RequestError: ``unknown_language``; the message names the nearest codes and all that are known.
        """
        plain = code
        while (found := self._codes.get(plain) or self._codes.get(plain.lower())) is None:
            suffix = _SCRIPT_OR_REGION.search(plain)
            if suffix is None:
                raise RequestError(unknown("language", code, self._languages), code="unknown_language", index=index)
            plain = plain[: suffix.start()]
        return found

    def given(self, code: str, index: int | None = None) -> Route:
        """Route a text whose language the caller names; the identifier is not asked."""
        language = self._languages[self.resolve(code, index)]
        return self._to(language, language.group, None, "given")

    def identified(self, text: str, probabilities: Mapping[str, float]) -> Route:
        """Route a text by the identifier's probabilities, ``{language: probability}``.

        Probabilities are summed per serving group before the threshold: a mix-up of two languages of one group
        costs nothing. The route names the likeliest language of the likeliest group.
        """
        letters = scripts_of(text)
        if self._scripts.isdisjoint(letters):
            return Route(None, 0.0, self._fallback, None, "unknown")
        by_group: dict[str, float] = {}
        for code, probability in probabilities.items():
            group = self._languages[code].group
            by_group[group] = by_group.get(group, 0.0) + probability
        group = max(by_group, key=by_group.__getitem__)
        members = [code for code in probabilities if self._languages[code].group == group]
        language = self._languages[max(members, key=probabilities.__getitem__)]
        confidence = probabilities[language.code]
        if by_group[group] < self._threshold:
            return self._to(language, self._fallback, confidence, "fallback")
        return self._to(language, group, confidence, "identified")

    @staticmethod
    def _to(language: Language, group: str, confidence: float | None, reason: Reason) -> Route:
        return Route(language.code, confidence, group, language.collective_similarity.get(group), reason)
