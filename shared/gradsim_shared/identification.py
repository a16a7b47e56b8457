"""From a fastText model's output to calibrated language probabilities: the same for scores and for served answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest_identifier import Identifier, Profiles
from gradsim_shared.normalisation import NEWEST
from gradsim_shared.profiles import LanguageProfiles
from gradsim_shared.segments import Pair, Sent, segments


class FastTextModel(Protocol):
    """The part of fastText's model that is used."""

    def predict(self, text: list[str], k: int, threshold: float) -> tuple[Any, Any]:
        """Return labels and probabilities, one list each per text."""

    def get_labels(self) -> list[str]:
        """Return every label."""


@dataclass(frozen=True, slots=True)
class Identification:
    """What the identifier says of one text.

    Attributes:
        probabilities: Language to calibrated probability, 0 to 1; they sum to 1.
        known: How surely the text is of any language of the bundle, 0 to 1; 1 where the bundle has no such figure.
        code_mixed: Parts of the text look like different languages.
        parts: What it says of each segment of a pair, whose probabilities the others are combined of; else empty.
    """

    probabilities: Mapping[str, float]
    known: float = 1.0
    code_mixed: bool = False
    parts: tuple[Identification, ...] = ()


class LanguageIdentifier:
    """Says how likely each language is for a text. It may be asked from several threads.

    Args:
        model: A fastText model.
        labels: fastText label -> language code; several labels may name one language.
        temperature: Probabilities are raised to 1/temperature and renormalised over the model's labels.
        profiles: Say whether a text is of any of the languages; ``None``: every text counts as known.
        normalisation: The version that the model was trained with.

    Raises:
        BundleError: The model knows none of the labels.
    """

    def __init__(
        self,
        model: FastTextModel,
        labels: Mapping[str, str],
        temperature: float,
        profiles: LanguageProfiles | None = None,
        normalisation: int = NEWEST,
    ) -> None:
        names = list(model.get_labels())
        self._model = model
        self._columns = {name: column for column, name in enumerate(names)}
        self._codes = sorted(set(labels.values()))
        self._temperature = temperature
        self._profiles = profiles
        self._normalisation = normalisation
        # [labels, languages]: adds up the labels that name one language; a label of no language counts for none
        self._sums = np.zeros((len(names), len(self._codes)))
        for column, name in enumerate(names):
            if name in labels:
                self._sums[column, self._codes.index(labels[name])] = 1.0
        if not self._sums.any():
            raise BundleError(f"the identifier knows none of its labels, such as {next(iter(labels))}")

    def probabilities(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return ``{language: probability}`` for each text; uniform when nothing of the text is left to judge by."""
        return self._named(self._summed(self._cleaned(texts)))

    def identify(self, texts: Sequence[Sent]) -> list[Identification]:
        """Return what is to be said of each text: probabilities, whether it is of any language, or of two."""
        found = iter(self._identify([segment for text in texts for segment in segments(text)]))
        return [combined(next(found), next(found)) if isinstance(text, Pair) else next(found) for text in texts]

    def _identify(self, texts: Sequence[str]) -> list[Identification]:
        cleaned = self._cleaned(texts)
        summed = self._summed(cleaned)
        named = self._named(summed)
        if self._profiles is None or not texts:
            return [Identification(probabilities) for probabilities in named]
        likeliest = [self._codes[column] for column in summed.argmax(axis=1).tolist()]
        judged = self._profiles.judge_all(cleaned, likeliest)
        return [Identification(row, *judgement) for row, judgement in zip(named, judged, strict=True)]

    def _cleaned(self, texts: Sequence[str]) -> list[str]:
        return [identifier_text(text, self._normalisation) for text in texts]

    def _named(self, summed: NDArray[np.float64]) -> list[dict[str, float]]:
        return [dict(zip(self._codes, row, strict=True)) for row in summed.tolist()]

    def _summed(self, cleaned: Sequence[str]) -> NDArray[np.float64]:
        """Return each language's probability, ``[texts, languages]``."""
        if not cleaned:
            return np.zeros((0, len(self._codes)))
        summed = self._calibrated(list(cleaned)) @ self._sums
        empty = [row for row, text in enumerate(cleaned) if not text]
        if empty:
            summed[empty] = 1.0 / len(self._codes)
        return summed

    def _calibrated(self, cleaned: list[str]) -> NDArray[np.float64]:
        """Return probabilities ``[texts, labels]`` that sum to 1 for each text."""
        labels, values = self._model.predict(cleaned, k=-1, threshold=0.0)  # one list per text: NumPy 2 breaks str
        columns = [self._columns[name] for names in labels for name in names]
        rows = np.repeat(np.arange(len(cleaned)), [len(names) for names in labels])
        raw = np.zeros((len(cleaned), len(self._columns)))
        raw[rows, columns] = np.concatenate(values)
        return calibrate(raw, self._temperature)


def combined(first: Identification, second: Identification) -> Identification:
    """Return what is to be said of a pair whose texts are of one language: their probabilities are multiplied."""
    both = {code: first.probabilities[code] * second.probabilities[code] for code in first.probabilities}
    total = sum(both.values()) or 1.0
    return Identification(
        {code: product / total for code, product in both.items()},
        max(first.known, second.known),
        first.code_mixed or second.code_mixed,
        (first, second),
    )


def open_identifier(
    entry: Identifier, load: Callable[[str], FastTextModel], path: Callable[[str], Path] | None = None
) -> LanguageIdentifier:
    """Open the identifier of a bundle.

    Args:
        entry: Of the bundle's manifest.
        load: Opens a fastText model by its file's name inside the bundle.
        path: Where a file of the bundle is; ``None``: its language profiles are not read, every text counts as known.

    Raises:
        BundleError: A file cannot be read, or does not fit the manifest.
    """
    profiles = None
    if entry.profiles is not None and path is not None:
        profiles = LanguageProfiles(
            _table(path(entry.profiles.file), entry.profiles), entry.profiles, entry.known, entry.code_mixing
        )
    return LanguageIdentifier(load(entry.file), entry.labels, entry.temperature, profiles, entry.normalisation)


def _table(file: Path, profiles: Profiles) -> NDArray[np.uint8]:
    """Read the table of the profiles, and check its form."""
    try:
        table = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(f"{file} holds no table of language profiles: {error}") from error
    buckets = table.shape[1] if table.ndim == 2 else 0
    if table.dtype != np.uint8 or len(table) != len(profiles.languages) or buckets < 2 or buckets & (buckets - 1):
        raise BundleError(
            f"{file} holds {table.dtype} {list(table.shape)}; expected uint8 [{len(profiles.languages)} languages, "
            "a power of 2]"
        )
    return np.asarray(table)


def calibrate(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Raise probabilities ``[texts, labels]`` to 1/temperature and make each row sum to 1 again."""
    sharpened = np.maximum(probabilities, 1e-12) ** (1.0 / temperature)
    return np.asarray(sharpened / sharpened.sum(axis=1, keepdims=True))
