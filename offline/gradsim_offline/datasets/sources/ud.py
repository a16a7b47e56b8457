"""Universal Dependencies: part-of-speech tags (UPOS) from any UD release, or from `<lang>/{train,dev,test}.conllu`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import SPLITS, Dataset, Split
from gradsim_offline.datasets.conll import read_conllu
from gradsim_offline.datasets.folders import choose, source_folder
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tagged import Sentence, folders_dataset, tagged_dataset
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

TASK = "token_classification"
LABELS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
LICENCE = "per treebank"
CITATION = "de Marneffe et al., Universal Dependencies, Computational Linguistics 47(2), 2021"

LANGUAGES = (  # our choice of 27, after the 27 of Yasunaga et al. (NAACL 2018, UD 1.2); the paper's own may differ
    *("bul", "ces", "dan", "deu", "ell", "eng", "est", "eus", "fas"),
    *("fin", "fra", "gle", "heb", "hin", "hrv", "hun", "ind", "ita"),
    *("nld", "nor", "pol", "por", "ron", "slv", "spa", "swe", "tam"),
)

_FILE = re.compile(r"([a-z]{2,3}(?:_[a-z0-9]+)?)-ud-(train|dev|test)\b.*\.conllu")
_LINES_LOOKED_AT = 1000

Treebanks = Mapping[str, Mapping[Split, Sequence[Path]]]
"""Files by treebank, as ``en_ewt``, and split; a few treebanks have a split in several files."""


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read treebanks from ``data_dir``, else from ``$GRADSIM_DATA/ud``.

    In a release, a language's treebanks are put one after the other, split by split, in the order of their names.
    Those without a train file (such as PUD) and those whose words are not free (every form is ``_``) are left out.
    ``en_ewt`` in place of ``en`` reads that treebank only.

    Args:
        data_dir: A release of UD (``UD_Bulgarian-BTB/bg_btb-ud-train.conllu``), one of its treebanks, or a directory
            of ``<lang>/{train,dev,test}.conllu``.
        languages: ISO 639 codes, or in a release treebanks; ``None``: those of ``LANGUAGES`` that are there, or all
            if none of them is; in a directory of ``<lang>``, all.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("ud", data_dir)
    if directory is None:
        raise DataError(
            "ud needs --data-dir: a release from universaldependencies.org, unpacked, or a directory of "
            "<lang>/{train,dev,test}.conllu"
        )
    treebanks = _find_treebanks(directory)
    if treebanks:
        return _from_release(directory, treebanks, languages)
    release = "UD_<Language>-<Treebank> or "
    return folders_dataset("ud", LABELS, directory, languages, read_conllu, endings=(".conllu",), otherwise=release)


def _from_release(directory: Path, treebanks: Treebanks, languages: Sequence[str] | None) -> Dataset:
    readable, left_out = _usable(treebanks)
    if not readable:
        raise DataError(f"ud: {directory} holds no treebank to train on. {' '.join(left_out)}")
    chosen, notes = _of_languages(readable, languages, LANGUAGES)
    files = {code: _files_of(readable, names) for code, names in chosen.items()}
    aliases = {code: short for code, names in chosen.items() if (short := _short_codes(code, names))}
    return tagged_dataset("ud", LABELS, files, _read_all, aliases=aliases, notes=(*left_out, *notes))


def _read_all(paths: Sequence[Path]) -> list[Sentence]:
    return [sentence for path in paths for sentence in read_conllu(path)]


def _find_treebanks(directory: Path) -> Treebanks:
    """Return the treebanks of a release, or the one that the directory is; empty if it is neither."""
    found: dict[str, dict[Split, list[Path]]] = {}
    paths = [*directory.glob("*-ud-*.conllu"), *directory.glob("UD_*/*-ud-*.conllu")]
    for path in sorted(paths, key=lambda path: path.name):
        if named := _FILE.fullmatch(path.name):
            split = next(split for split in SPLITS if split == named[2])
            found.setdefault(named[1], {}).setdefault(split, []).append(path)
    return found


def _usable(treebanks: Treebanks) -> tuple[Treebanks, tuple[str, ...]]:
    """Leave out treebanks without a train file or without words; also return what the user should know about it."""
    without_train = [name for name, splits in treebanks.items() if "train" not in splits]
    without_words = [
        name for name, splits in treebanks.items() if "train" in splits and not _holds_words(splits["train"][0])
    ]
    nameless = [name for name in treebanks if codes.find(_language(name)) is None]
    reasons = {
        "have no train file": without_train,
        "have no words, as their text is not free": without_words,
        "are of no language in ISO 639": nameless,
    }
    left_out = {*without_train, *without_words, *nameless}
    notes = (f"ud: left out, for they {why}: {', '.join(names)}" for why, names in reasons.items() if names)
    return {name: splits for name, splits in treebanks.items() if name not in left_out}, tuple(notes)


def _of_languages(
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
        all_of.setdefault(codes.find(_language(name)) or name, []).append(name)
    if wanted is None:
        chosen, notes = choose("ud", all_of, None, usual)
        return {code: all_of[code] for code in chosen}, notes
    names_of: dict[str, list[str]] = {}
    for written in wanted:
        code = codes.find(_language(written)) or written
        names = [written] if written in treebanks and "_" in written else all_of.get(codes.find(written) or "", [])
        if not names:
            raise DataError("ud: " + unknown("language or treebank", written, [*all_of, *treebanks]))
        names_of[code] = sorted({*names_of.get(code, ()), *names})
    return dict(sorted(names_of.items())), ()


def _files_of(treebanks: Treebanks, names: Iterable[str]) -> dict[Split, list[Path]]:
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


def _short_codes(code: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the codes that UD writes for a language, but for its ISO 639-3 code: its aliases."""
    return tuple(sorted({_language(name) for name in names} - {code}))


def _language(treebank: str) -> str:
    return treebank.split("_", maxsplit=1)[0]


def _holds_words(path: Path) -> bool:
    """Return whether one of the first words is more than ``_``, which stands for words that may not be given away."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = [line for _, line in zip(range(_LINES_LOOKED_AT), lines, strict=False)]
    return any(line[:1].isdigit() and line.split("\t")[1:2] != ["_"] for line in first)


PLUGIN = DatasetSource(load, TASK)
