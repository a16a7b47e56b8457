"""Read the labelled texts of one new language, and refuse what cannot be assigned."""

from __future__ import annotations

from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.own_folders import EXPECTED
from gradsim_offline.datasets.source import FILES, built_with
from gradsim_offline.datasets.sources import files
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.manifest import Manifest

FEWEST = 10


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


def read_examples(manifest: Manifest, directory: Path, code: str) -> Dataset:
    """Return the examples below ``directory/<lang>``, labelled with the bundle's labels; only train must be there.

    Raises:
        DataError: There are none, or they are for another task than the bundle's; or which file and line is not as it
            should be, and what is allowed.
    """
    if not directory.is_dir():
        raise DataError(f"--data {directory} is not a directory")
    there = [path for path in sorted(directory.iterdir()) if path.is_dir() and codes.find(path.name) == code]
    if not there:
        raise DataError(f"{directory} holds no data of {code}: expected {directory / code}/{EXPECTED}")
    if len(there) > 1:
        raise DataError(f"{there[0]} and {there[1]} are the same language, {code}; keep one of them")
    labels = tuple(manifest.labels)
    columns = plugins.options("datasets", FILES, built_with(manifest))
    found = files.read_language(there[0], labels, manifest.task, columns)
    notes = files.language_notes(there[0])
    name = there[0].name
    return Dataset("files", manifest.task, labels, {code: found}, {code: (name,)} if name != code else {}, notes)


def check_enough(examples: Dataset, code: str, *, force: bool) -> None:
    """Refuse too few examples.

    Raises:
        DataError: There are fewer than ten, or none.
    """
    count = len(examples.split(code, "train"))
    if count < FEWEST and not (force and count > 1):
        way = " Two at least are needed." if force else " --force goes on all the same."
        raise DataError(f"{count} training examples of {code}: fewer than {FEWEST} say little about its gradient.{way}")
