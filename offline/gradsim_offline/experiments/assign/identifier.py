"""Train the bundle's identifier again, with the new language among its labels, and say how well it tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import fasttext
import numpy as np

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Identifying
from gradsim_offline.experiments.assign.data import texts
from gradsim_offline.identifier.fasttext_process import train_candidates
from gradsim_offline.identifier.training import (
    PREFIX,
    _write_training_file,
    accuracies,
    load_identifier,
    read_identifier,
    train_identifier,
)
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Manifest

FOLDS = 3


@dataclass(frozen=True)
class Identified:
    """How well languages are told apart, 0 to 1.

    Attributes:
        cross_validated: Share of the new language's training texts that an identifier which has not seen them takes
            for it.
        before: Accuracy of the bundle's identifier on dev, per known language with a dev split.
        after: The same of the new one; the new language's among them if it has a dev split.
    """

    cross_validated: float
    before: Mapping[str, float]
    after: Mapping[str, float]


def train_again(
    bundle: VerifiedBundle, everything: Dataset, code: str, directory: Path, *, progress: Progress
) -> Identified:
    """Train the identifier in ``directory`` as the build did, on all languages, and compare it with the bundle's.

    Args:
        bundle: The old one.
        everything: Texts of all languages, the new one's included.
        code: The new language.
        directory: Gets identifier.ftz and identifier.json.
        progress: Shows how far it is.
    """
    manifest = bundle.manifest
    train, dev = texts(everything, "train"), texts(everything, "dev")
    train_identifier(
        train,
        dev,
        directory,
        maximum_megabytes=_maximum_megabytes(manifest),
        seed=manifest.provenance.seed,
        progress=progress,
        log=lambda **_: None,
    )
    old = LanguageIdentifier(
        fasttext.load_model(str(bundle.path(manifest.identifier.file))),
        manifest.identifier.labels,
        manifest.identifier.temperature,
        normalisation=manifest.identifier.normalisation,
    )
    before = accuracies(old, {language: given for language, given in dev.items() if language != code})
    chosen = read_identifier(directory)["chosen"]
    return Identified(
        _cross_validated(train, code, chosen, directory / "folds", seed=manifest.provenance.seed),
        before,
        accuracies(load_identifier(directory), dev),
    )


def _cross_validated(
    train: Mapping[str, Sequence[str]], code: str, chosen: Mapping[str, object], directory: Path, *, seed: int
) -> float:
    """Return the share of the new language's texts that are known by an identifier that has not seen them."""
    new = list(train[code])
    folds = min(FOLDS, len(new))
    labels = {f"{PREFIX}{language}": language for language in train}
    right = 0.0
    for number, left_out in enumerate(np.array_split(np.random.default_rng(seed).permutation(len(new)), folds)):
        out = set(left_out.tolist())
        kept = [text for i, text in enumerate(new) if i not in out]
        folder = directory / str(number)
        file = _write_training_file({**train, code: kept}, folder / "train.txt")
        (path,) = train_candidates(file, folder, [chosen], seed=seed)
        identifier = LanguageIdentifier(fasttext.load_model(str(path)), labels, 1.0)
        right += accuracies(identifier, {code: [new[i] for i in out]})[code] * len(out)
    return right / len(new)


def _maximum_megabytes(manifest: Manifest) -> float:
    """Return the limit that the build had."""
    section = manifest.provenance.settings.get("identifying")
    return Identifying.model_validate(section if isinstance(section, dict) else {}).maximum_megabytes
