"""Train the fastText identifier on the build's training texts; dev chooses the n-gram lengths."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

import fasttext

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import WORK, write_json
from gradsim_offline.identifier.calibration import fit_temperature, minimum_letters, reliability, tables
from gradsim_offline.identifier.fasttext_process import save, train_candidates
from gradsim_offline.identifier.profiles import bucket_count, fit_profiles
from gradsim_shared.errors import DataError, ModelError
from gradsim_shared.identification import LanguageIdentifier, open_identifier
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest_identifier import Identifier, Policy
from gradsim_shared.normalisation import NEWEST

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
PROFILES_SHARE = 0.3  # of the allowed size, at most, for the language profiles
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
    """Write identifier.ftz, profiles.npy and identifier.json (labels, calibration, how it was chosen) to ``directory``.

    Args:
        train: Training texts per language.
        dev: Dev texts per language; where there are none, training texts are used, and ``tuned_on`` is ``train``.
        directory: Where to write.
        maximum_megabytes: Largest size of the quantised model and the language profiles together.
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
    limit = maximum_megabytes * _MEGABYTE
    buckets = bucket_count(len(labels), PROFILES_SHARE * limit)
    _quantise(path, file, directory / MODEL_FILE, int(limit) - len(labels) * buckets, maximum_megabytes)
    quantised = fasttext.load_model(str(directory / MODEL_FILE))
    before = tables(quantised, labels, judged)
    temperature = fit_temperature(before)
    identifier = LanguageIdentifier(quantised, labels, temperature)
    fitted = fit_profiles(train, dev, identifier, buckets=buckets)
    fitted.save(directory)
    reliabilities = {"before": reliability(before, 1.0), "after": reliability(before, temperature)}
    log(calibration_error={when: figures.expected_calibration_error for when, figures in reliabilities.items()})
    write_json(
        directory / RESULT,
        {
            "labels": labels,
            "normalisation": NEWEST,
            "temperature": temperature,
            "minimum_letters": minimum_letters(lambda texts: accuracies(identifier, texts), judged),
            "profiles": fitted.profiles.model_dump(),
            "known": fitted.known and fitted.known.model_dump(),
            "code_mixing": fitted.code_mixing and fitted.code_mixing.model_dump(),
            "reliability": {when: figures.model_dump() for when, figures in reliabilities.items()},
            "chosen": chosen,
            "tuned_on": "dev" if any(dev.values()) else "train",
        },
    )


def accuracies(identifier: LanguageIdentifier, texts: Texts) -> dict[str, float]:
    """Return the share of each language's texts that are taken for that language, 0 to 1."""
    shares = {}
    for language, of_language in texts.items():
        probabilities = identifier.probabilities(list(of_language))
        shares[language] = sum(max(p, key=p.__getitem__) == language for p in probabilities) / max(1, len(of_language))
    return shares


def _write_training_file(texts: Texts, path: Path) -> Path:
    """Write fastText's training file: small languages repeated, languages interleaved."""
    cleaned = {language: [line for line in map(identifier_text, raw) if line] for language, raw in texts.items()}
    for language, lines in cleaned.items():
        if not lines:
            raise DataError(f"no training text of {language} has a word that the language identifier can read")
    least = int(BALANCE * max(map(len, cleaned.values())))
    repeated = {code: lines * max(1, -(-least // len(lines))) for code, lines in cleaned.items()}
    rounds = zip_longest(*([f"{PREFIX}{code} {line}" for line in lines] for code, lines in repeated.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(line for lines in rounds for line in lines if line) + "\n", encoding="utf-8")
    return path


def _quantise(trained: Path, file: Path, path: Path, most_bytes: int, megabytes: float) -> None:
    """Quantise; where the file is still too large, keep fewer and fewer words and n-grams."""
    for features in FEATURES:
        model = fasttext.load_model(str(trained))
        if features is None:
            model.quantize(qnorm=True)
        else:
            model.quantize(str(file), cutoff=features, retrain=False, qnorm=True, thread=1)
        save(model, path)
        if path.stat().st_size <= most_bytes:
            return
    size = path.stat().st_size / _MEGABYTE
    raise ModelError(
        f"the language identifier takes {size:.1f} MB with {FEATURES[-1]} features, more than "
        f"identifying.maximum_megabytes = {megabytes:g} allows beside the language profiles; allow more"
    )


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def read_identifier(directory: Path) -> dict[str, Any]:
    """Return what ``train_identifier`` wrote beside the model: labels, temperature, how it was chosen."""
    content: dict[str, Any] = json.loads((directory / RESULT).read_text(encoding="utf-8"))
    return content


def identifier_entry(directory: Path, *, threshold: float, policy: Policy) -> Identifier:
    """Return the manifest entry of the identifier that ``train_identifier`` wrote.

    Args:
        directory: Where it did.
        threshold: The least probability of a group, or of a language, that is sure.
        policy: How a less sure text is answered.
    """
    trained = read_identifier(directory)
    kept = {name: value for name, value in trained.items() if name in Identifier.model_fields}
    return Identifier.model_validate({**kept, "file": MODEL_FILE, "threshold": threshold, "policy": policy})


def identifier_files(entry: Identifier) -> list[str]:
    """Return the names of its files."""
    return [entry.file] if entry.profiles is None else [entry.file, entry.profiles.file]


def load_identifier(directory: Path) -> LanguageIdentifier:
    """Open the identifier in the directory where ``train_identifier`` left it."""
    entry = identifier_entry(directory, threshold=0.0, policy="best")
    return open_identifier(
        entry, lambda file: fasttext.load_model(str(directory / file)), lambda file: directory / file
    )
