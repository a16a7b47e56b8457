"""Language profiles: character n-gram counts, and the dev threshold below which a text is of no known language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest_identifier import CodeMixing, Known, Profiles, Usual
from gradsim_shared.profiles import LanguageProfiles, count_table

TABLE_FILE = "profiles.npy"
ORDER = 5
BUCKETS = (1 << 10, 1 << 16)  # least and most hash buckets of n-grams
GIVEN_UP = 0.01  # share of dev texts that are taken for a language of none, or for two
SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
WORDS = 8  # of a text that may be in two languages
_HELD_OUT = 5  # every fifth training text stands in where there is no dev text
_ENOUGH = 20  # texts, to say how far a language strays; with fewer, all languages say it together
_LEAST_NGRAMS = 5  # of a text that counts
_LEAST_VARIANCE = 1e-3  # nats squared
_LEAST_MIXED = 50  # texts long enough, to say when one is in two languages

Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Fitted:
    """The table and its manifest entries."""

    table: NDArray[np.uint8]  # [languages, buckets]
    profiles: Profiles
    known: Known | None
    code_mixing: CodeMixing | None

    def save(self, directory: Path) -> None:
        """Write the table."""
        np.save(directory / TABLE_FILE, self.table, allow_pickle=False)


@dataclass(frozen=True)
class _Judged:
    """The profiles' figures of one language's dev texts.

    Attributes:
        taken_for: The language that each is taken for.
        means: The mean log probability in that language, nats, [texts].
        counts: Its n-grams, [texts].
    """

    taken_for: Sequence[str]
    means: NDArray[np.float64]
    counts: NDArray[np.float64]


def bucket_count(languages: int, bytes_allowed: float) -> int:
    """Return the largest power of 2 for which the table is that small; never less than the least."""
    least, most = BUCKETS
    while most > least and languages * most > bytes_allowed:
        most //= 2
    return most


def fit_profiles(train: Texts, dev: Texts, identifier: LanguageIdentifier, *, buckets: int) -> Fitted:
    """Count n-grams on train, and set the thresholds on dev so that 1 % of its texts are given up.

    Args:
        train: Training texts per language.
        dev: Dev texts per language; a language without any is judged by training texts that are not counted.
        identifier: Says which language a dev text is taken for.
        buckets: Hash buckets of n-grams.
    """
    codes = sorted(train)
    held = {code: list(dev.get(code) or train[code][::_HELD_OUT]) for code in codes}
    counted = [
        [text for i, text in enumerate(train[code]) if dev.get(code) or i % _HELD_OUT or len(train[code]) == 1]
        for code in codes
    ]
    table = count_table([[identifier_text(text) for text in sample] for sample in counted], ORDER, buckets)
    profiles = Profiles(file=TABLE_FILE, languages=codes, order=ORDER)
    language_profiles = LanguageProfiles(table, profiles, None, None)
    judged = {code: _judge(held[code], identifier, language_profiles) for code in codes}
    return Fitted(table, profiles, _known(judged), _code_mixing(held, language_profiles))


def _judge(texts: Sequence[str], identifier: LanguageIdentifier, profiles: LanguageProfiles) -> _Judged:
    taken_for = [max(row, key=row.__getitem__) for row in identifier.probabilities(texts)]
    pairs = [profiles.mean(identifier_text(text), code) for text, code in zip(texts, taken_for, strict=True)]
    means, counts = np.array(pairs, dtype=float).reshape(-1, 2).T
    chosen = np.flatnonzero(counts > 0)
    return _Judged([taken_for[i] for i in chosen], means[chosen], counts[chosen])


def _known(judged: Mapping[str, _Judged]) -> Known | None:
    """Return the thresholds; nothing where no dev text is long enough to set them."""
    usable = {code: _usable(code, texts) for code, texts in judged.items()}
    if not any(len(means) for means, _ in usable.values()):
        return None
    pooled = np.concatenate(
        [[means - np.median(means), counts] for means, counts in usable.values() if len(means)], axis=1
    )
    centre = float(np.median(np.concatenate([means for means, _ in usable.values()])))
    usual = {}
    for code, (means, counts) in usable.items():
        middle = float(np.median(means)) if len(means) else centre
        deviations = (means - middle, counts) if len(means) >= _ENOUGH else (pooled[0], pooled[1])
        variance, per_ngram = _variance(*deviations)
        usual[code] = Usual(centre=middle, variance=variance, variance_per_ngram=per_ngram)
    scores = {code: _scores(texts, usual) for code, texts in judged.items()}
    values, weights = weighted(list(scores.values()))
    known = Known(
        threshold=GIVEN_UP,
        usual=usual,
        scores=[quantile(values, weights, share) for share in SHARES],
        shares=list(SHARES),
    )
    least = quantile(values, weights, GIVEN_UP)
    accepted = {code: float((of_code >= least).mean()) for code, of_code in scores.items() if len(of_code)}
    return known.model_copy(update={"accepted": accepted})


def _usable(code: str, judged: _Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and numbers of n-grams of the texts that are taken for their own language, and not too short."""
    right = np.array([other == code for other in judged.taken_for], dtype=bool) & (judged.counts >= _LEAST_NGRAMS)
    return judged.means[right], judged.counts[right]


def _variance(deviations: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float]:
    """Fit ``deviation^2 = a + b / n`` (a, b >= 0) to the texts below the centre: foreign texts lie there."""
    below = deviations < 0
    if not below.any():
        return _LEAST_VARIANCE, 0.0
    design = np.stack([np.ones(below.sum()), 1 / counts[below]], axis=1)  # [texts, 2]
    (a, b), _ = nnls(design, deviations[below] ** 2)
    return max(float(a), _LEAST_VARIANCE), float(b)


def _scores(judged: _Judged, usual: Mapping[str, Usual]) -> NDArray[np.float64]:
    """Return the standard scores, [texts]."""
    expected = [usual[code] for code in judged.taken_for]
    centres, variances, per_ngram = (
        np.array([(u.centre, u.variance, u.variance_per_ngram) for u in expected]).reshape(-1, 3).T
    )
    variances = variances + per_ngram / judged.counts
    return np.asarray((judged.means - centres) / np.sqrt(variances))


def _code_mixing(held: Texts, profiles: LanguageProfiles) -> CodeMixing | None:
    """Return the gain that 1 % of the dev texts exceed; nothing where too few are long enough."""
    gains = []
    for texts in held.values():
        cleaned = [text for text in map(identifier_text, texts) if text.count(" ") + 1 >= WORDS]
        gains.append(np.array([profiles.gain(text) for text in cleaned]))
    if sum(map(len, gains)) < _LEAST_MIXED:
        return None
    return CodeMixing(words=WORDS, threshold=quantile(*weighted(gains), 1 - GIVEN_UP))


def weighted(values: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Join each language's values, and give each language the same weight: values and weights, which sum to 1."""
    some = [of_language for of_language in values if len(of_language)]
    weights = [np.full(len(of_language), 1 / (len(of_language) * len(some))) for of_language in some]
    return np.concatenate(some), np.concatenate(weights)


def quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """Return the smallest value that at least this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(reached, share * reached[-1]), len(values) - 1)])
