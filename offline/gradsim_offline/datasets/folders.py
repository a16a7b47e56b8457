"""Find a source's folder, the languages in it and their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
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


def language_folders(directory: Path) -> dict[str, Path]:
    """Return the folder of each language below a directory; folders that are named otherwise are passed over.

    A name is a code as ISO 639 lists it: to a data set's authors ``nds-nl`` and ``mo`` are others than ``nds``, ``ro``.

    Raises:
        DataError: Two folders are of the same language.
    """
    found: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        code = codes.listed(path.name) if path.is_dir() else None
        if code is None:
            continue
        if code in found:
            raise DataError(f"{found[code]} and {path} are the same language, {code}; keep one of them")
        found[code] = path
    return found


def language_of(name: str) -> str | None:
    """Return the ISO 639-3 code that a name stands for, if any."""
    try:
        return codes.resolve(name)
    except DataError:
        return None


def choose(
    name: str, there: Iterable[str], wanted: Sequence[str] | None, usual: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the languages to read, sorted, and what the user should know about it.

    Without ``wanted`` these are the usual ones that are there; if none is, all that are there.

    Raises:
        DataError: A wanted language is not there; the message names the nearest.
    """
    known = sorted(there)
    if wanted is not None:
        found = {language_of(code) or code: code for code in wanted}
        for code, written in found.items():
            if code not in known:
                raise DataError(f"{name}: {unknown('language', written, known)}")
        return sorted(found), ()
    chosen = [code for code in known if code in usual] or known
    left_out = [code for code in known if code not in chosen]
    note = f"{name}: {len(chosen)} languages are read; --languages names others: {', '.join(left_out)}"
    return chosen, (note,) if left_out else ()


def split_files(name: str, folder: Path, endings: Sequence[str]) -> dict[Split, Path]:
    """Return the files train, dev and test of a folder; each has one of the endings.

    Raises:
        DataError: One is missing.
    """
    found: dict[Split, Path] = {}
    for split in SPLITS:
        there = [path for ending in endings if (path := folder / f"{split}{ending}").is_file()]
        if not there:
            expected = ", ".join(f"{split}{endings[0]}" for split in SPLITS)
            raise DataError(f"{name}: {folder / split}{endings[0]} is missing; expected {expected} per language")
        found[split] = there[0]
    return found


def other_names(folders: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """Return the names of folders that are not the language's ISO 639-3 code: its aliases."""
    return {code: (path.name,) for code, path in folders.items() if path.name != code}


def visible(path: Path) -> list[Path]:
    """Return what a folder holds, sorted, but for hidden files and folders."""
    return sorted(file for file in path.iterdir() if not file.name.startswith((".", "__")))


def unread_note(name: str, root: Path, unread: Iterable[Path]) -> tuple[str, ...]:
    """Word what was not read, in one sentence; empty if everything was."""
    names = [f"{path.relative_to(root)}{'/' if path.is_dir() else ''}" for path in unread]
    return (f"{name}: not read: {listing(names)}",) if names else ()


def passed_over_note(name: str, root: Path, folders: Iterable[Path]) -> tuple[str, ...]:
    """Word which folders are no language's, in one sentence, as ``unread_note``; ``folders`` are those of languages."""
    used = set(folders)
    return unread_note(name, root, (path for path in visible(root) if path.is_dir() and path not in used))
