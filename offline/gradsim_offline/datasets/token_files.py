"""The user's own tagged words: CoNLL-like files, CoNLL-U and JSON lines; what is wrong is named by file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.datasets import bio as _bio
from gradsim_offline.datasets.conll import read_conll
from gradsim_offline.datasets.conllu import read_conllu
from gradsim_offline.datasets.tables import LABEL_COLUMN, read_text
from gradsim_offline.datasets.tagged import Sentence, count_note, tagged_dataset
from gradsim_shared.errors import DataError
from gradsim_shared.iob import OUTSIDE, is_iob
from gradsim_shared.segmentation import locate

CONLL_ENDINGS = (".conll", ".txt", ".bio")
ENDINGS = (*CONLL_ENDINGS, ".conllu", ".jsonl")
WORD_FIELDS = ("words", "tokens")
TAG_FIELDS = ("tags", "ner_tags", "labels")


def holds_words(path: Path) -> bool | None:
    """Return whether a file holds tagged words: by its ending; JSON lines by the fields of the first, if it has one."""
    if path.suffix.lower() != ".jsonl":
        return path.suffix.lower() in ENDINGS
    first = next(filter(str.strip, read_text(path).split("\n")), None)
    if first is None:
        return None
    try:
        row = json.loads(first)
    except ValueError:
        return False  # whoever reads it says what is wrong
    return isinstance(row, dict) and LABEL_COLUMN not in row and not set(WORD_FIELDS).isdisjoint(row)


def load(data_dir: Path, files: Mapping[str, Mapping[Split, Path]], aliases: Mapping[str, tuple[str, ...]]) -> Dataset:
    """Read the files of each language and split; the labels are those of the train splits.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    found = {code: {split: read(path) for split, path in splits.items()} for code, splits in files.items()}
    for code, splits in found.items():
        if not splits["train"]:
            raise DataError(f"{files[code]['train']}: no sentences; a language needs a train split that is not empty")
    labels = labels_of(chain.from_iterable(splits["train"] for splits in found.values()))
    if len(labels) < 2:
        raise DataError(f"{data_dir}: the train splits hold {len(labels)} tag; a tagger needs two")
    changed: dict[tuple[str, Split], int] = {}
    for code, splits in found.items():
        for split, sentences in splits.items():
            splits[split], changed[code, split] = as_bio(sentences, labels)
    notes = count_note("files", "tags of BIOES or the like were read as BIO", changed)
    return tagged_dataset("files", labels, found, list, aliases=aliases, notes=notes)


def read(path: Path) -> list[Sentence]:
    """Read one file, by its ending."""
    readers = {".conllu": read_conllu, ".jsonl": read_json_lines}
    return readers.get(path.suffix.lower(), read_conll)(path)


def labels_of(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Return the labels of training sentences: their tags, or both tags of every type where they mark entities.

    Raises:
        DataError: Some tags are entities' (``B-X``, ``I-X``) and some are neither that nor ``O``.
    """
    where: dict[str, str] = {}
    for sentence in sentences:
        for line, tag in zip(sentence.lines, sentence.tags, strict=True):
            if tag not in where:
                where[tag] = f"{sentence.source}:{line}"
    others = [tag for tag in where if tag != OUTSIDE and not _bio.is_prefixed(tag)]
    if not any(tag[:2] in ("B-", "I-") for tag in where) and (others or OUTSIDE not in where):
        return tuple(sorted(where))
    if others:
        raise DataError(f"{where[others[0]]}: the tag {others[0]!r} among entities' tags; expected O, B-TYPE or I-TYPE")
    return _bio.bio_labels(_bio.types(where))


def as_bio(sentences: Sequence[Sentence], labels: Sequence[str]) -> tuple[list[Sentence], int]:
    """Read BIOES and its kin as BIO where the labels mark entities; also return how many tags that changed."""
    if not is_iob(labels):
        return list(sentences), 0
    found = [replace(sentence, tags=tuple(map(_bio.bio, sentence.tags))) for sentence in sentences]
    pairs = zip(sentences, found, strict=True)
    return found, sum(old != new for before, after in pairs for old, new in zip(before.tags, after.tags, strict=True))


def read_json_lines(path: Path) -> list[Sentence]:
    """Read JSON lines such as ``{"words": ["Aisha", "lives"], "tags": ["B-PER", "O"]}``; ``text`` may stand beside.

    Raises:
        DataError: It is not UTF-8, or a line is not such an object; the message names the line.
    """
    lines = enumerate(read_text(path).split("\n"), start=1)
    return [_sentence(path, number, line) for number, line in lines if line.strip()]


def _sentence(path: Path, number: int, line: str) -> Sentence:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path}:{number}: not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: each line is a JSON object such as {{'words': [...], 'tags': [...]}}")
    words, tags = _strings(path, number, row, WORD_FIELDS), _strings(path, number, row, TAG_FIELDS)
    if len(words) != len(tags):
        raise DataError(f"{path}:{number}: {len(words)} words and {len(tags)} tags; each word has one tag")
    text = row.get("text")
    if not isinstance(text, str) or locate(words, text) is None:
        text = None  # the words are joined
    return Sentence(str(path), [number] * len(words), words, tags, text)


def _strings(path: Path, number: int, row: Mapping[str, object], names: Sequence[str]) -> tuple[str, ...]:
    """Return the one of some fields that is there: a list of strings that is not empty."""
    name = next((name for name in names if name in row), None)
    if name is None:
        raise DataError(f"{path}:{number}: no field {' or '.join(names)}; found {', '.join(map(repr, row))}")
    values = row[name]
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        raise DataError(f"{path}:{number}: {name} is not a list of strings that are not empty")
    return tuple(values)
