"""Find the treebanks in a release of Universal Dependencies, and the files of each language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core.dataset import SPLITS, Split
from gradsim_offline.datasets.folders import choose, language_of
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

_FILE = re.compile(r"([a-z]{2,3}(?:_[a-z0-9]+)?)-ud-(train|dev|test)\b.*\.conllu")
_LINES_LOOKED_AT = 1000

Treebanks = Mapping[str, Mapping[Split, Sequence[Path]]]
"""Files by treebank, as ``en_ewt``, and split; a few treebanks have a split in several files."""


def find_treebanks(directory: Path) -> Treebanks:
    """Return the treebanks of a release, or the one that the directory is; empty if it is neither."""
    found: dict[str, dict[Split, list[Path]]] = {}
    paths = [*directory.glob("*-ud-*.conllu"), *directory.glob("UD_*/*-ud-*.conllu")]
    for path in sorted(paths, key=lambda path: path.name):
        if named := _FILE.fullmatch(path.name):
            split = next(split for split in SPLITS if split == named[2])
            found.setdefault(named[1], {}).setdefault(split, []).append(path)
    return found


def usable(treebanks: Treebanks) -> tuple[Treebanks, tuple[str, ...]]:
    """Leave out treebanks without a train file or without words; also return what the user should know about it."""
    without_train = [name for name, splits in treebanks.items() if "train" not in splits]
    without_words = [
        name for name, splits in treebanks.items() if "train" in splits and not _holds_words(splits["train"][0])
    ]
    nameless = [name for name in treebanks if language_of(_language(name)) is None]
    reasons = {
        "have no train file": without_train,
        "have no words, as their text is not free": without_words,
        "are of no language in ISO 639": nameless,
    }
    left_out = {*without_train, *without_words, *nameless}
    notes = (f"ud: left out, for they {why}: {', '.join(names)}" for why, names in reasons.items() if names)
    return {name: splits for name, splits in treebanks.items() if name not in left_out}, tuple(notes)


def of_languages(
    treebanks: Treebanks, wanted: Sequence[str] | None, usual: Sequence[str]
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Return the treebanks to read for each language, and what the user should know about the choice.

    Args:
        treebanks: Those that can be read.
        wanted: Languages or treebanks; ``None``: the usual languages that are there, or all if none is.
        usual: ISO 639-3 codes.

    Raises:
        DataError: One that is wanted is not there.
    """
    all_of: dict[str, list[str]] = {}
    for name in treebanks:
        all_of.setdefault(language_of(_language(name)) or name, []).append(name)
    if wanted is None:
        chosen, notes = choose("ud", all_of, None, usual)
        return {code: all_of[code] for code in chosen}, notes
    found: dict[str, list[str]] = {}
    for written in wanted:
        code = language_of(_language(written)) or written
        names = [written] if written in treebanks and "_" in written else all_of.get(language_of(written) or "", [])
        if not names:
            raise DataError("ud: " + unknown("language or treebank", written, [*all_of, *treebanks]))
        found[code] = sorted({*found.get(code, ()), *names})
    return dict(sorted(found.items())), ()


def files_of(treebanks: Treebanks, names: Iterable[str]) -> dict[Split, list[Path]]:
    """Return the files of each split of some treebanks, one treebank after the other.

    Raises:
        DataError: None of them has a test file.
    """
    found: dict[Split, list[Path]] = {}
    for name in names:
        for split, paths in treebanks[name].items():
            found.setdefault(split, []).extend(paths)
    if "test" not in found:
        raise DataError(f"ud: {', '.join(names)}: no test file")
    return found


def short_codes(code: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the codes that UD writes for a language, but for its ISO 639-3 code: its aliases."""
    return tuple(sorted({_language(name) for name in names} - {code}))


def _language(treebank: str) -> str:
    return treebank.split("_", maxsplit=1)[0]


def _holds_words(path: Path) -> bool:
    """Return whether one of the first words is more than ``_``, which stands for words that may not be given away."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = [line for _, line in zip(range(_LINES_LOOKED_AT), lines, strict=False)]
    return any(line[:1].isdigit() and line.split("\t")[1:2] != ["_"] for line in first)
