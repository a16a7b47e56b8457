"""Calibrate the identifier on dev: its temperature, how reliable its confidence is, and how short is too short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from gradsim_shared.identification import LanguageIdentifier, calibrate
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest_identifier import Reliability
from gradsim_shared.scripts import script_of

BINS = 10
SURE_ENOUGH = 0.75  # share of cut texts that are taken for their language
MOST_LETTERS = 20
_CUT_TEXTS = 200  # per language

Texts = Mapping[str, Sequence[str]]
Tables = Sequence[tuple[NDArray[np.float64], int]]  # per language: probabilities [texts, languages], its own column


def tables(model: Any, labels: Mapping[str, str], texts: Texts) -> Tables:  # noqa: ANN401 - fastText has no types
    """Return the probabilities of each language's texts before any temperature."""
    identifier = LanguageIdentifier(model, labels, 1.0)
    by_language = []
    for language, of_language in texts.items():
        if of_language:
            rows = identifier.probabilities(list(of_language))
            by_language.append((np.array([list(row.values()) for row in rows]), list(rows[0]).index(language)))
    return by_language


def fit_temperature(before: Tables) -> float:
    """Return the temperature of the smallest negative log-likelihood, mean over languages (Guo et al. 2017)."""

    def loss(logarithm: float) -> float:
        temperature = float(np.exp(logarithm))
        return float(np.mean([-np.log(calibrate(table, temperature)[:, column]).mean() for table, column in before]))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def reliability(before: Tables, temperature: float) -> Reliability:
    """Compare confidence with accuracy in ten equal bins of it; languages weigh alike (Guo et al. 2017, eq. 3)."""
    sums = np.zeros((3, BINS))  # share, confidence, accuracy
    for table, column in before:
        probabilities = calibrate(table, temperature)
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == column
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for row, values in enumerate((np.ones(len(bins)), confidence, right)):
            sums[row] += np.bincount(bins, weights=values, minlength=BINS) / (len(bins) * len(before))
    share, confidence, accuracy = sums
    filled = np.maximum(share, 1e-12)
    return Reliability(
        share=share.tolist(),
        confidence=(confidence / filled).tolist(),
        accuracy=(accuracy / filled).tolist(),
        expected_calibration_error=float(np.abs(confidence - accuracy).sum()),
    )


def minimum_letters(accuracies: Callable[[Texts], Mapping[str, float]], texts: Texts) -> int:
    """Return the least number of letters at which three of four texts, cut to it, are taken for their language.

    Args:
        accuracies: The identifier's accuracy per language on texts.
        texts: Dev texts per language.
    """
    cleaned = {code: [identifier_text(text) for text in sample[:_CUT_TEXTS]] for code, sample in texts.items()}
    for letters in range(1, MOST_LETTERS):
        cut = {
            code: [short for text in sample if (short := first_letters(text, letters))]
            for code, sample in cleaned.items()
        }
        shares = list(accuracies({code: sample for code, sample in cut.items() if sample}).values())
        if not shares or sum(shares) / len(shares) >= SURE_ENOUGH:
            return letters
    return MOST_LETTERS


def first_letters(text: str, letters: int) -> str:
    """Return the start of a text up to a number of letters; empty where it has no more than those."""
    seen = 0
    for position, character in enumerate(text):
        seen += script_of(character) is not None
        if seen > letters:
            return text[:position].strip()
    return ""
