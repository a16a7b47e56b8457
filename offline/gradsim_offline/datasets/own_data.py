"""Find the user's own data: folders of languages, or tables whose languages stand in a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Split
from gradsim_offline.datasets.arrow import is_saved
from gradsim_offline.datasets.columns import Columns
from gradsim_offline.datasets.folders import aliases_of, unread_note, visible
from gradsim_offline.datasets.language_column import read_by_language
from gradsim_offline.datasets.objects import NumberedRow, Part
from gradsim_offline.datasets.own_folders import SPLIT_OF, language_folders, look_into, naming_note, split_of
from gradsim_offline.datasets.tables import ENDINGS, has_quoted_fields
from gradsim_offline.datasets.text import ending
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing


@dataclass(frozen=True)
class OwnData:
    """The user's own data, found but not read as examples.

    Attributes:
        parts: Of each language, where the examples of each split are.
        aliases: Other codes of the languages.
        unsplit: Nothing says which rows are of which split: all of them are train.
        notes: What the user should know.
    """

    parts: Mapping[str, Mapping[Split, Part]]
    aliases: Mapping[str, tuple[str, ...]]
    unsplit: bool
    notes: tuple[str, ...]


def find(data_dir: Path | None, languages: Sequence[str] | None, columns: Columns, *, trains: bool = True) -> OwnData:
    """Find the data of each language and split.

    Args:
        data_dir: A directory of language folders; or a table, or a directory of a table for each split.
        languages: Codes of the languages to read, others are not looked at; ``None``: all that are there.
        columns: Which column of a table holds the language.
        trains: Every language needs a train split.

    Raises:
        DataError: There is none, or not of the languages that are wanted, or it is not as it should be.
    """
    if data_dir is None:
        raise DataError("the data set files needs --data-dir: a directory of <lang>/{train,dev,test}.tsv, or a table")
    if not data_dir.exists():
        raise DataError(f"{data_dir}: there is no such file or directory")
    if by_split := _tables(data_dir):
        return _in_tables(data_dir, by_split, languages, columns, trains=trains)
    folders, notes = language_folders(data_dir, languages)
    if trains:
        folders = {code: folder.with_train() for code, folder in folders.items()}
    parts = {code: folder.files for code, folder in folders.items()}
    aliases = aliases_of({code: folder.path for code, folder in folders.items()})
    quoting = quoting_note(data_dir, (path for splits in parts.values() for path in splits.values()))
    return OwnData(parts, aliases, unsplit=False, notes=(*notes, *quoting))


def _in_tables(
    data_dir: Path,
    by_split: Mapping[Split | None, Path],
    languages: Sequence[str] | None,
    columns: Columns,
    *,
    trains: bool,
) -> OwnData:
    rows, written = read_by_language(by_split, languages, columns)
    if not rows:
        raise DataError(f"{data_dir}: no examples")
    parts: dict[str, dict[Split, list[NumberedRow]]] = {code: {} for code in rows}
    for code, splits in rows.items():
        for split, of_split in splits.items():
            parts[code].setdefault(split or "train", []).extend(of_split)
        if trains and "train" not in parts[code]:
            raise DataError(
                f"{data_dir}: no train examples of {code} ({codes.name(code)}); add some, or leave it out: --languages "
                "names those to read"
            )
    read_as = naming_note({code: ", ".join(names) for code, names in written.items()}, "the column of the language")
    unread = unread_note("files", data_dir, look_into(data_dir).unread) if data_dir.is_dir() else ()
    quoting = quoting_note(data_dir if data_dir.is_dir() else data_dir.parent, by_split.values())
    aliases = {code: tuple(name for name in names if name != code) for code, names in written.items()}
    return OwnData(
        parts,
        {code: names for code, names in aliases.items() if names},
        unsplit=all(splits.keys() == {None} for splits in rows.values()),
        notes=(*read_as, *unread, *quoting),
    )


def paths_in(data_dir: Path) -> list[Path]:
    """Return the files of all languages and splits of a directory, or the table that it is.

    Raises:
        DataError: One split stands in two files, or there is no such form.
    """
    folders = [look_into(path) for path in visible(data_dir) if path.is_dir()] if not _is_table(data_dir) else []
    return [*_tables(data_dir).values()] or [path for folder in folders for path in folder.files.values()]


def quoting_note(root: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Name the tab-separated files whose fields are quoted, in one sentence; empty if there are none."""
    names = [str(path.relative_to(root)) for path in paths if has_quoted_fields(path)]
    what = "quotation marks around fields, as pandas writes them, were taken off, and doubled ones read as one"
    return (f"files: {what}: {listing(names)}",) if names else ()


def _tables(data_dir: Path) -> dict[Split | None, Path]:
    """Return the tables that hold all languages, by split; empty: the languages have folders.

    Raises:
        DataError: A file has another form, or one split stands in two files.
    """
    if _is_table(data_dir):
        if data_dir.is_file() and ending(data_dir) not in ENDINGS:
            raise DataError(f"{data_dir}: a table for all languages is one of {', '.join(ENDINGS)} (docs/data.md)")
        return {None: data_dir}
    if any(path.is_dir() and _is_language(path) for path in visible(data_dir)):
        return {}
    return dict(look_into(data_dir).files.items())


def _is_table(path: Path) -> bool:
    return path.is_file() or is_saved(path)


def _is_language(folder: Path) -> bool:
    """Return whether a folder holds splits of its own, and is none itself."""
    if is_saved(folder):
        return folder.name.lower() not in SPLIT_OF
    return any(split_of(path) for path in visible(folder))
