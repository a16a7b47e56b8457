"""Where unlabelled texts come from: a directory of `<lang>.txt` or `<lang>/*.txt`, or a data set without its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.folders import visible
from gradsim_offline.training.text_stream import Chosen, Listed, Streamed, Texts
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing
from gradsim_shared.nearest import unknown

_HELD_OUT = 29  # keeps the random stream that draws the held-out texts apart from the others
_LARGEST_SHARE = 10  # at most one text in so many is held out


@dataclass(frozen=True)
class Unlabelled:
    """Texts to learn from and texts to judge on, by language.

    Attributes:
        train: At least one text of each language.
        held_out: None of them is in ``train``; a language with a single text has none.
    """

    train: Mapping[str, Texts]
    held_out: Mapping[str, Texts]

    def of(self, languages: Sequence[str]) -> Unlabelled:
        """Return the texts of some languages."""
        return Unlabelled(
            {code: self.train[code] for code in languages}, {code: self.held_out[code] for code in languages}
        )


def folder_texts(
    directory: Path, languages: Sequence[str] | None = None, *, option: str = "--text"
) -> dict[str, Texts]:
    """Find the texts of every language below a directory, one text a line; they are streamed from their files.

    Args:
        directory: Holds ``<lang>.txt`` or ``<lang>/*.txt``; names are language codes.
        languages: Codes of the languages to read, other files are not looked at; ``None``: all that are there.
        option: What names the directory, for messages.

    Raises:
        DataError: There are none, a name is no language code, a wanted language is missing, two names are the same
            language, a language has no text or a folder with nothing to read, or a file is not UTF-8.
    """
    if not directory.is_dir():
        raise DataError(
            f"{option} {directory} is not a directory; it holds <lang>.txt or <lang>/*.txt, one text a line"
        )
    files = _files(directory, languages)
    by_language: dict[str, Texts] = {}
    for code, paths in sorted(files.items()):
        texts = Streamed(paths)
        if not len(texts):
            where = paths[0] if len(paths) == 1 else paths[0].parent
            raise DataError(f"{where}: no text for {code}; it takes at least one line that is not blank")
        by_language[code] = texts
    return by_language


def unread(directory: Path, languages: Sequence[str] | None = None) -> list[Path]:
    """Return the files and folders that ``folder_texts`` ignores, without hidden ones and those of other languages."""
    wanted = None if languages is None else [codes.resolve(code) for code in languages]
    ignored: list[Path] = []
    for path in visible(directory):
        texts = _texts_at(path)
        if wanted is not None and _code(path) not in wanted:
            continue
        if not texts:
            ignored.append(path)
        elif path.is_dir():
            ignored += [file for file in visible(path) if file not in texts]
    return ignored


def hold_out(texts: Mapping[str, Texts], most: int, seed: int) -> Unlabelled:
    """Hold out some texts of each language, drawn at random: ``most``, but no more than one in ten.

    Of a language with few texts it is one; of a single text, none. A language's draw does not depend on the others.
    """
    train: dict[str, Texts] = {}
    held: dict[str, Texts] = {}
    for code, of_language in texts.items():
        count = min(most, max(1, len(of_language) // _LARGEST_SHARE)) if len(of_language) > 1 else 0
        drawn = _draw(len(of_language), count, seed, code)
        kept = np.ones(len(of_language), dtype=bool)
        kept[drawn] = False
        train[code], held[code] = Chosen(of_language, np.flatnonzero(kept)), Chosen(of_language, drawn)
    return Unlabelled(train, held)


def train_texts(dataset: Dataset) -> dict[str, Texts]:
    """Return a data set's train texts, without their labels.

    Raises:
        DataError: A language has none.
    """
    texts: dict[str, Texts] = {}
    for code in dataset.languages:
        texts[code] = Listed(dataset.texts(code, "train"))
        if not len(texts[code]):
            raise DataError(f"{dataset.name}: {code} has no train texts that are not blank")
    return texts


def data_texts(dataset: Dataset, most: int, seed: int) -> Unlabelled:
    """Return a data set's train texts to learn from and dev texts to judge on, without their labels.

    A language without dev texts is judged on some of its train texts, which are held out. Test texts are not read.

    Args:
        dataset: The data set.
        most: Texts of a language to judge on.
        seed: Draws the texts to judge on.

    Raises:
        DataError: A language has no train texts.
    """
    train = train_texts(dataset)
    split = hold_out(train, most, seed)
    learnt, judged = dict(split.train), dict(split.held_out)
    for code in dataset.languages:
        dev = Listed(dataset.texts(code, "dev"))
        if len(dev):
            drawn = _draw(len(dev), min(most, len(dev)), seed, code)
            learnt[code], judged[code] = train[code], Chosen(dev, drawn)
    return Unlabelled(learnt, judged)


def _draw(texts: int, count: int, seed: int, language: str) -> NDArray[np.int64]:
    """Return the indices of that many texts, drawn at random, in their order."""
    random = np.random.default_rng([seed, _HELD_OUT, *language.encode()])
    return np.sort(random.choice(texts, count, replace=False)).astype(np.int64)


def _files(directory: Path, languages: Sequence[str] | None) -> dict[str, list[Path]]:
    """Return the files of each language that is to be read.

    Raises:
        DataError: There is none, a name is no language code, or one that is wanted is not there.
    """
    there = {path: _texts_at(path) for path in visible(directory)}
    if languages is None:
        empty = [path for path, files in there.items() if not files and path.is_dir() and _code(path)]
        if empty:
            names = listing(path.name for path in visible(empty[0]))
            raise DataError(f"{empty[0]}: no text in it; expected *.txt, one text a line; found {names}")
        by_language = _by_language({path: files for path, files in there.items() if files})
        if not by_language:
            raise DataError(f"{directory} holds no text: expected <lang>.txt or <lang>/*.txt, one text a line")
        return by_language
    wanted = [codes.resolve(code) for code in languages]
    known = {path: _code(path) for path, files in there.items() if files}
    by_language = _by_language({path: there[path] for path, code in known.items() if code in wanted})
    for code in wanted:
        if code not in by_language:
            raise DataError(f"{directory}: " + unknown("language", code, sorted(filter(None, known.values()))))
    return by_language


def _texts_at(path: Path) -> list[Path]:
    """Return the file itself, or the files in the folder; empty if it is neither."""
    if path.is_dir():
        return sorted(file for file in path.glob("*.txt") if file.is_file())
    return [path] if path.suffix == ".txt" and path.is_file() else []


def _by_language(there: Mapping[Path, list[Path]]) -> dict[str, list[Path]]:
    by_language: dict[str, list[Path]] = {}
    names: dict[str, Path] = {}
    for path, files in there.items():
        try:
            code = codes.resolve(_name(path))
        except DataError as error:
            raise DataError(f"{path}: {error} Rename it, or name what to read: --languages CODES") from error
        if code in by_language:
            raise DataError(f"{names[code]} and {path} are the same language, {code}; keep one of them")
        by_language[code], names[code] = files, path
    return by_language


def _code(path: Path) -> str | None:
    """Return the language that a name stands for, if any."""
    return codes.find(_name(path))


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem
