"""Find the language folders of the user's own data, the file of each split in them, and what is not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Split
from gradsim_offline.datasets import tables, token_files
from gradsim_offline.datasets.arrow import SAVED_DICT, is_saved
from gradsim_offline.datasets.folders import by_language, unread_note, visible
from gradsim_offline.datasets.text import COMPRESSED
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing
from gradsim_shared.nearest import unknown

ENDINGS = tuple(dict.fromkeys((*tables.ENDINGS, *token_files.ENDINGS)))
NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val", "development"),
    "test": ("test", "testing"),
}
EXPECTED = "train.tsv, train.csv or train.jsonl, or train.conll (docs/data.md shows every form)"

SPLIT_OF: Mapping[str, Split] = {name: split for split, names in NAMES.items() for name in names}
_SPLIT_OF = {
    f"{name}{ending}{compressed}": split
    for name, split in SPLIT_OF.items()
    for ending in ENDINGS
    for compressed in ("", COMPRESSED)
}


@dataclass(frozen=True)
class Folder:
    """What a language's folder holds.

    Attributes:
        path: The folder.
        files: The file of each split.
        unread: The rest: other files and folders, but for hidden ones.
    """

    path: Path
    files: Mapping[Split, Path]
    unread: Sequence[Path]

    def with_train(self) -> Folder:
        """Return itself if there is a train split.

        Raises:
            DataError: There is none.
        """
        if "train" not in self.files:
            found = listing(path.name for path in (*self.files.values(), *self.unread))
            other = "" if self.files else ", nor any other"
            way = "or leave the folder out: --languages names those to read"
            raise DataError(f"{self.path}: no train split{other}; expected {EXPECTED}; found {found}; {way}")
        return self


def look_into(path: Path) -> Folder:
    """Find the files of a language's folder; capitals in their names, as in ``train.TSV``, make no difference.

    A folder that `Dataset.save_to_disk` wrote is a file, too: named as a split below this one, or this one itself.

    Raises:
        DataError: One split stands in two files.
    """
    if is_saved(path):
        return Folder(path, {"train": path}, [])
    content = [file for file in visible(path) if file.name != SAVED_DICT]
    splits = {file: split for file in content if (split := split_of(file)) is not None}
    order = [*_SPLIT_OF, *SPLIT_OF]
    files: dict[Split, Path] = {}
    for file in sorted(splits, key=lambda file: order.index(file.name.lower())):
        split = splits[file]
        if split in files:
            both = f"{files[split].name} and {file.name}"
            raise DataError(f"{path}: {both}: keep one of them, as each is the {split} split")
        files[split] = file
    return Folder(path, files, [file for file in content if file not in splits])


def split_of(path: Path) -> Split | None:
    """Return the split that a path is, by its name; ``None``: it is none."""
    if path.is_dir():
        return SPLIT_OF.get(path.name.lower()) if is_saved(path) else None
    return _SPLIT_OF.get(path.name.lower())


def language_folders(data_dir: Path, languages: Sequence[str] | None) -> tuple[dict[str, Folder], tuple[str, ...]]:
    """Return the folder of each language that is to be read, and notes for the user.

    Args:
        data_dir: The directory that holds them.
        languages: Codes of the languages to read, other folders are not looked at; ``None``: all that are there.

    Raises:
        DataError: There is none, one that is wanted is not there or holds nothing, or a name is no language code.
    """
    content = visible(data_dir)
    directories = [path for path in content if path.is_dir()]
    unread: list[Path] = []
    if languages is None:
        holding = [path for path in directories if look_into(path).files or codes.find(path.name)]
        paths = by_language(holding, _code)
        if not paths:
            raise DataError(f"{data_dir} holds no data: expected <lang>/{EXPECTED} below it")
        unread += [path for path in content if path not in holding]
    else:
        wanted = [codes.resolve(code) for code in languages]
        known = {path: codes.find(path.name) for path in directories}
        available = by_language([path for path in directories if known[path] in wanted], known.get)
        for code in wanted:
            if code not in available:
                raise DataError(f"{data_dir}: " + unknown("language", code, filter(None, known.values())))
        paths = {code: available[code] for code in wanted}
    folders = {code: look_into(path) for code, path in paths.items()}
    for folder in folders.values():
        if not folder.files:
            folder.with_train()
    unread += [path for folder in folders.values() for path in folder.unread]
    read_as = naming_note({code: path.name for code, path in paths.items()}, "the names of the folders")
    return folders, (*read_as, *unread_note("files", data_dir, unread))


def _code(path: Path) -> str:
    try:
        return codes.resolve(path.name)
    except DataError as error:
        way = "Rename the folder, or read only those that you name: --languages CODES"
        raise DataError(f"{path}: {error} {way}") from error


def naming_note(written: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Say which names were taken for a language, by its code, though they are no code that ISO 639 lists."""
    others = {code: name for code, name in written.items() if codes.listed(name) is None}
    read = [f"{name} is {code} ({codes.name(code)})" for code, name in others.items()]
    return (f"files: by {where}, {listing(read)}",) if others else ()
