"""Find a data set's folder, the folders of languages in it, and their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import SPLITS, Split
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing
from gradsim_shared.nearest import unknown

ENVIRONMENT = "GRADSIM_DATA"


def source_folder(name: str, data_dir: Path | None) -> Path | None:
    """Return ``data_dir``, else ``$GRADSIM_DATA/<name>``; ``None`` if neither is given.

    Raises:
        DataError: It is not a directory.
    """
    root = os.environ.get(ENVIRONMENT)
    if data_dir is None and not root:
        return None
    directory = data_dir or Path(root or "") / name
    if directory.is_dir():
        return directory
    if data_dir is not None:
        raise DataError(f"{name}: --data-dir {data_dir} is not a directory")
    raise DataError(
        f"{name}: {ENVIRONMENT} is set to {root}, but {directory} is not a directory; set it to the folder that holds "
        f"{name}/, unset it, or name the folder with --data-dir"
    )


def listed_code(path: Path) -> str | None:
    """Return the language of a folder whose name is a code as ISO 639 lists it.

    To a data set's authors ``nds-nl`` and ``mo`` are others than ``nds`` and ``ro``, so no other name will do.
    """
    return codes.listed(path.name)


def by_language(paths: Iterable[Path], code_of: Callable[[Path], str | None] = listed_code) -> dict[str, Path]:
    """Return the folder of each language.

    Args:
        paths: Folders; files among them are left out.
        code_of: Returns the language of a folder; ``None``: the folder is left out.

    Raises:
        DataError: Two folders are of the same language.
    """
    folders: dict[str, Path] = {}
    for path in sorted(paths):
        code = code_of(path) if path.is_dir() else None
        if code is None:
            continue
        if code in folders:
            raise DataError(f"{folders[code]} and {path} are the same language, {code}; keep one of them")
        folders[code] = path
    return folders


def choose(
    name: str, available: Iterable[str], wanted: Sequence[str] | None, usual: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the languages to read, sorted, and a note for the user.

    Without ``wanted`` these are the usual ones that are available; if none is, all that are.

    Raises:
        DataError: A wanted language is not available; the message names the nearest.
    """
    known = sorted(available)
    if wanted is not None:
        written = {codes.find(code) or code: code for code in wanted}
        for code, as_written in written.items():
            if code not in known:
                raise DataError(f"{name}: {unknown('language', as_written, known)}")
        return sorted(written), ()
    chosen = [code for code in known if code in usual] or known
    left_out = [code for code in known if code not in chosen]
    note = f"{name}: {len(chosen)} languages are read; --languages names others: {', '.join(left_out)}"
    return chosen, (note,) if left_out else ()


def split_files(name: str, folder: Path, endings: Sequence[str]) -> dict[Split, Path]:
    """Return the files train, dev and test of a folder; each has one of the endings.

    Raises:
        DataError: One is missing.
    """
    files: dict[Split, Path] = {}
    for split in SPLITS:
        candidates = [path for ending in endings if (path := folder / f"{split}{ending}").is_file()]
        if not candidates:
            expected = ", ".join(f"{split}{endings[0]}" for split in SPLITS)
            raise DataError(f"{name}: {folder / split}{endings[0]} is missing; expected {expected} per language")
        files[split] = candidates[0]
    return files


def aliases_of(folders: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """Return the names of folders that are not the language's ISO 639-3 code: its aliases."""
    return {code: (path.name,) for code, path in folders.items() if path.name != code}


def visible(path: Path) -> list[Path]:
    """Return what a folder holds, sorted, but for hidden files and folders."""
    return sorted(file for file in path.iterdir() if not file.name.startswith((".", "__")))


def unread_note(name: str, root: Path, unread: Iterable[Path]) -> tuple[str, ...]:
    """Word what was not read, in one sentence; empty if everything was."""
    names = [f"{path.relative_to(root)}{'/' if path.is_dir() else ''}" for path in unread]
    return (f"{name}: not read: {listing(names)}",) if names else ()
