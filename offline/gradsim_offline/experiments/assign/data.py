"""The data of an assignment: the examples of the new language, and the texts that the bundle was built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradsim_offline.core import languages as codes
from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.datasets.source import FILES, built_with, load_dataset, named
from gradsim_offline.datasets.sources import files
from gradsim_shared.errors import DataError, GradsimError, SettingsError
from gradsim_shared.manifest import Language, Manifest

FEWEST = 10
_WAY = "name the texts that it was built from with --known-data NAME, their place with --known-data-dir DIR"


def new_language(manifest: Manifest, language: str) -> str:
    """Return the ISO 639-3 code of a language that the bundle does not know.

    Raises:
        DataError: There is no such language.
        SettingsError: The bundle knows it, by this code or by another.
    """
    code = codes.resolve(language)
    for known in manifest.languages:
        if code in (known.code, *known.aliases):
            also = "" if code == known.code else f" as {known.code}"
            raise SettingsError(
                f"{manifest.title} already knows {code} ({codes.name(code)}){also}, served by {known.group}; "
                "assign is for a language that it does not know"
            )
    return code


def read_examples(manifest: Manifest, directory: Path, code: str, options: Mapping[str, Any] | None = None) -> Dataset:
    """Return a language's examples, labelled with the bundle's labels; only train must be there.

    Args:
        manifest: Of the bundle; the own settings of its data hold here, too.
        directory: Holds the language's folder, or is a table.
        code: The language.
        options: Settings of the data, before those of the bundle's build.

    Raises:
        DataError: There are none, or they are for another task than the bundle's; or which file and line is not as it
            should be, and what is allowed.
    """
    columns = plugins.options("datasets", FILES, {**built_with(manifest, FILES), **(options or {})})
    return files.load_language(directory, code, manifest.labels, manifest.task, columns)


def check_enough(examples: Dataset, code: str, *, force: bool) -> None:
    """Refuse too few examples.

    Raises:
        DataError: There are fewer than ten, or none.
    """
    count = len(examples.split(code, "train"))
    if count < FEWEST and not (force and count > 1):
        way = " Two at least are needed." if force else " --force goes on all the same."
        raise DataError(f"{count} training examples of {code}: fewer than {FEWEST} say little about a group.{way}")


def known_texts(
    manifest: Manifest,
    added: Path,
    *,
    data: str | None,
    directory: Path | None,
    force: bool,
    added_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return the texts of every language of a bundle, and check that they are the ones it was built from.

    Args:
        manifest: Of the bundle.
        added: Directory of the new language's texts; those of languages that were added before lie beside them.
        data: The data set; ``None``: as the manifest says.
        directory: Where its files lie; ``None``: the data set's own rule.
        force: Go on with other texts.
        added_options: How the texts in ``added`` are to be read, beside what the bundle says.

    Raises:
        DataError: They cannot be found, or are others; the message says what to name.
    """
    trained = [language.code for language in manifest.languages if language.assigned is None]
    name = data or str(manifest.provenance.settings.get("data", manifest.provenance.data))
    why = f"the language identifier of {manifest.title} is trained again on all its languages"
    name, directory = named(name, directory)
    if name == FILES and directory is None:
        raise DataError(f"{why}, and it was built from your own files: name their directory with --known-data-dir DIR")
    try:
        dataset = load_dataset(name, directory, trained, built_with(manifest, name))
    except GradsimError as error:
        reason = str(error).rstrip(".").replace("--data-dir", "--known-data-dir")
        raise DataError(f"{why}, and their texts cannot be read: {reason}; {_WAY}") from error
    if dataset.fingerprint() != manifest.provenance.data_fingerprint and not force:
        raise DataError(f"{why}, and the texts found are others (data fingerprint); {_WAY}; --force takes these")
    later = [language for language in manifest.languages if language.assigned is not None]
    return join(dataset, *(_added_before(manifest, each, added, added_options, force=force) for each in later))


def join(first: Dataset, *others: Dataset) -> Dataset:
    """Return one data set with the languages of all."""
    examples, aliases = dict(first.examples), dict(first.aliases)
    for other in others:
        examples |= other.examples
        aliases |= other.aliases
    return replace(first, examples=examples, aliases=aliases)


def texts(dataset: Dataset, split: Split) -> dict[str, list[str]]:
    """Return the texts of a split, by language; languages without the split are left out."""
    by_language = {code: dataset.texts(code, split) for code in dataset.languages}
    return {code: given for code, given in by_language.items() if given}


def _added_before(
    manifest: Manifest, language: Language, directory: Path, options: Mapping[str, Any] | None, *, force: bool
) -> Dataset:
    """Return the texts of a language that was itself added to a finished bundle."""
    why = (
        f"{manifest.title} knows {language.code}, which was added to it; "
        "its texts must lie beside those of the new language"
    )
    try:
        examples = read_examples(manifest, directory, language.code, options)
    except DataError as error:
        raise DataError(f"{why}: {error}") from error
    same = language.assigned is not None and examples.fingerprint() == language.assigned.data_fingerprint
    if not same and not force:
        raise DataError(f"{why}, and those in {directory} are others (data fingerprint); --force takes these")
    return examples
