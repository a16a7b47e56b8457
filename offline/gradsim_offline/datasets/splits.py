"""Find the file of each split in a language's folder, by its name, and what lies there besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core.dataset import Split
from gradsim_offline.datasets import tables as _tables
from gradsim_offline.datasets import token_files as _token_files
from gradsim_offline.datasets.folders import visible
from gradsim_offline.datasets.text import COMPRESSED
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing

ENDINGS = tuple(dict.fromkeys((*_tables.ENDINGS, *_token_files.ENDINGS)))
NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val", "development"),
    "test": ("test", "testing"),
}
EXPECTED = "train.tsv, train.csv or train.jsonl, or train.conll (docs/data.md shows every form)"

_SPLIT_OF = {
    f"{name}{ending}{compressed}": split
    for split, names in NAMES.items()
    for name in names
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

    Raises:
        DataError: One split stands in two files.
    """
    there = visible(path)
    found = [file for file in there if file.name.lower() in _SPLIT_OF and file.is_file()]
    files: dict[Split, Path] = {}
    for file in sorted(found, key=lambda file: list(_SPLIT_OF).index(file.name.lower())):
        split = _SPLIT_OF[file.name.lower()]
        if split in files:
            both = f"{files[split].name} and {file.name}"
            raise DataError(f"{path}: {both}: keep one of them, as each is the {split} split")
        files[split] = file
    return Folder(path, files, [file for file in there if file not in found])
