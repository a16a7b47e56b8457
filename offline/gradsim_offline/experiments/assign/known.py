"""Find the texts again that a bundle was built from: its identifier is to be trained on them once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.datasets.source import FILES, built_with, load_dataset, named
from gradsim_offline.experiments.assign.examples import read_examples
from gradsim_shared.errors import DataError, GradsimError
from gradsim_shared.manifest import Language, Manifest

_WAY = "name the texts that it was built from: --known-data NAME, --known-data-dir DIR"


def known_texts(manifest: Manifest, added: Path, *, data: str | None, directory: Path | None, force: bool) -> Dataset:
    """Return the texts of every language of a bundle, and check that they are the ones it was built from.

    Args:
        manifest: Of the bundle.
        added: Directory of the new language's texts; those of languages that were added before lie beside them.
        data: The data set; ``None``: as the manifest says.
        directory: Where its files lie; ``None``: the data set's own rule.
        force: Go on with other texts.

    Raises:
        DataError: They cannot be found, or are others; the message says what to name.
    """
    trained = [language.code for language in manifest.languages if language.assigned is None]
    name = data or str(manifest.provenance.settings.get("data", manifest.provenance.data))
    why = f"the language identifier of {manifest.title} is trained again on all its languages"
    name, directory = named(name, directory)
    options = built_with(manifest) if name == FILES else {}
    try:
        found = load_dataset(name, directory, trained, options)
    except GradsimError as error:
        raise DataError(f"{why}, and their texts cannot be read: {error} So {_WAY}") from error
    if found.fingerprint() != manifest.provenance.data_fingerprint and not force:
        raise DataError(f"{why}, and the texts found are others (data fingerprint); {_WAY}; --force takes these")
    later = [language for language in manifest.languages if language.assigned is not None]
    return join(found, *(_added_before(manifest, language, added, force=force) for language in later))


def join(first: Dataset, *others: Dataset) -> Dataset:
    """Return one data set with the languages of all."""
    examples, aliases = dict(first.examples), dict(first.aliases)
    for other in others:
        examples |= other.examples
        aliases |= other.aliases
    return replace(first, examples=examples, aliases=aliases)


def texts(dataset: Dataset, split: Split) -> dict[str, list[str]]:
    """Return the texts of a split, by language; languages without the split are left out."""
    found = {code: [example.text for example in dataset.split(code, split)] for code in dataset.languages}
    return {code: mine for code, mine in found.items() if mine}


def _added_before(manifest: Manifest, language: Language, directory: Path, *, force: bool) -> Dataset:
    """Return the texts of a language that was itself added to a finished bundle."""
    why = (
        f"{manifest.title} knows {language.code}, which was added to it; "
        "its texts must lie beside those of the new language"
    )
    try:
        found = read_examples(manifest, directory, language.code)
    except DataError as error:
        raise DataError(f"{why}: {error}") from error
    same = language.assigned is not None and found.fingerprint() == language.assigned.data_fingerprint
    if not same and not force:
        raise DataError(f"{why}, and those in {directory} are others (data fingerprint); --force takes these")
    return found
