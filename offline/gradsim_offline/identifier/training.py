"""Train the fastText identifier on the build's training texts; dev chooses the n-gram lengths."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from gradsim_offline.identifier._fasttext_process import train_candidates
from gradsim_offline.progress import Progress
from gradsim_offline.stages import WORK, write_json
from gradsim_shared.errors import DataError, ModelError
from gradsim_shared.identification import LanguageIdentifier, calibrate
from gradsim_shared.identifier_text import identifier_text

MODEL_FILE = "identifier.ftz"
RESULT = "identifier.json"
PREFIX = "__label__"
NGRAM_LENGTHS = ((1, 4), (2, 5))
RATES = (0.1, 0.3)
FIXED = {"dim": 16, "wordNgrams": 1, "minCount": 1}
EPOCHS = 10
SEEN = 30_000  # texts, at least: small data is gone through more often, or the rarer languages are not learnt
BUCKETS = (20_000, 200_000)  # of character n-grams: three per training text, within these
FEATURES = (None, 150_000, 100_000, 60_000, 30_000, 10_000)  # how many words and n-grams a smaller model keeps
BALANCE = 0.3  # a small language is repeated until it has this share of the largest one's texts
_MEGABYTE = 1_000_000

Texts = Mapping[str, Sequence[str]]


def train_identifier(
    train: Texts,
    dev: Texts,
    directory: Path,
    *,
    maximum_megabytes: float,
    seed: int,
    progress: Progress,
    log: Callable[..., None],
) -> None:
    """Write identifier.ftz and identifier.json (labels, temperature, how it was chosen) to ``directory``.

    Args:
        train: Training texts per language.
        dev: Dev texts per language; where there are none, training texts stand in, and it is said.
        directory: Where to write.
        maximum_megabytes: Largest size of the quantised model.
        seed: The build's seed.
        progress: Shows how far it is.
        log: Called with the figures of each candidate.

    Raises:
        DataError: A language has no text that fastText can read.
        ModelError: The model cannot be made that small.
    """
    judged = {language: dev.get(language) or train[language][:500] for language in train}
    labels = {f"{PREFIX}{language}": language for language in sorted(train)}
    file = _write_training_file(train, directory / WORK / "train.txt")
    total = sum(map(len, train.values()))
    buckets = min(max(3 * total, BUCKETS[0]), BUCKETS[1])
    epochs = max(EPOCHS, -(-SEEN // total))
    candidates = [
        {**FIXED, "epoch": epochs, "bucket": buckets, "minn": low, "maxn": high, "lr": rate}
        for (low, high), rate in product(NGRAM_LENGTHS, RATES)
    ]
    best: tuple[float, Path, dict[str, Any]] | None = None
    with progress.bar("fastText", len(candidates)) as advance:
        models = train_candidates(file, directory / WORK, candidates, seed=seed)
        for chosen, path in zip(candidates, models, strict=True):
            accuracy = _mean(accuracies(LanguageIdentifier(fasttext.load_model(str(path)), labels, 1.0), judged))
            log(identifier=chosen, dev_accuracy=accuracy)
            advance(f"dev accuracy {accuracy:.4f}")
            if best is None or accuracy > best[0]:
                best = (accuracy, path, chosen)
    assert best is not None  # there are candidates
    _, path, chosen = best
    _quantise(path, file, directory / MODEL_FILE, int(maximum_megabytes * _MEGABYTE))
    quantised = fasttext.load_model(str(directory / MODEL_FILE))
    temperature = fit_temperature(quantised, labels, judged)
    write_json(
        directory / RESULT,
        {
            "labels": labels,
            "temperature": temperature,
            "chosen": chosen,
            "tuned_on": "dev" if any(dev.values()) else "train",
        },
    )


def accuracies(identifier: LanguageIdentifier, texts: Texts) -> dict[str, float]:
    """Return the share of each language's texts that are taken for that language, 0 to 1."""
    found = {}
    for language, mine in texts.items():
        probabilities = identifier.probabilities(list(mine))
        found[language] = sum(max(p, key=p.__getitem__) == language for p in probabilities) / max(1, len(mine))
    return found


def fit_temperature(model: Any, labels: Mapping[str, str], texts: Texts) -> float:  # noqa: ANN401 - fastText has no types
    """Return the temperature of the smallest negative log-likelihood, mean over languages (Guo et al. 2017)."""
    identifier = LanguageIdentifier(model, labels, 1.0)
    tables: list[tuple[NDArray[np.float64], int]] = []
    for language, mine in texts.items():
        rows = identifier.probabilities(list(mine))
        tables.append((np.array([list(row.values()) for row in rows]), list(rows[0]).index(language)))

    def loss(logarithm: float) -> float:
        temperature = float(np.exp(logarithm))
        return float(np.mean([-np.log(calibrate(table, temperature)[:, column]).mean() for table, column in tables]))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def _write_training_file(texts: Texts, path: Path) -> Path:
    """Write fastText's training file: small languages repeated, languages interleaved."""
    cleaned = {language: [line for line in map(identifier_text, mine) if line] for language, mine in texts.items()}
    for language, lines in cleaned.items():
        if not lines:
            raise DataError(f"no training text of {language} has a word that the language identifier can read")
    least = int(BALANCE * max(map(len, cleaned.values())))
    repeated = {code: lines * max(1, -(-least // len(lines))) for code, lines in cleaned.items()}
    rounds = zip_longest(*([f"{PREFIX}{code} {line}" for line in lines] for code, lines in repeated.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(line for one in rounds for line in one if line) + "\n", encoding="utf-8")
    return path


def _quantise(trained: Path, file: Path, path: Path, most_bytes: int) -> None:
    """Quantise; where the file is still too large, keep fewer and fewer words and n-grams."""
    for keep in FEATURES:
        model = fasttext.load_model(str(trained))
        if keep is None:
            model.quantize(qnorm=True)
        else:
            model.quantize(str(file), cutoff=keep, retrain=False, qnorm=True, thread=1)
        model.save_model(str(path))
        if path.stat().st_size <= most_bytes:
            return
    size = path.stat().st_size / _MEGABYTE
    raise ModelError(
        f"the language identifier takes {size:.1f} MB with {FEATURES[-1]} features, more than "
        f"identifying.maximum_megabytes = {most_bytes / _MEGABYTE:g} allows; allow more"
    )


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def read_identifier(directory: Path) -> dict[str, Any]:
    """Return what ``train_identifier`` wrote beside the model: labels, temperature, how it was chosen."""
    content: dict[str, Any] = json.loads((directory / RESULT).read_text(encoding="utf-8"))
    return content


def load_identifier(directory: Path) -> LanguageIdentifier:
    """Open the identifier in the directory where ``train_identifier`` left it."""
    trained = read_identifier(directory)
    model = fasttext.load_model(str(directory / MODEL_FILE))
    return LanguageIdentifier(model, trained["labels"], trained["temperature"])
