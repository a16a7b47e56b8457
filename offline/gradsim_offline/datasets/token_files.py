"""The user's own tagged words: CoNLL-like files, CoNLL-U, JSON and Parquet; what is wrong is named by file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from gradsim_offline.core.dataset import Dataset, Split, TaggedSentence
from gradsim_offline.datasets.bio import bio, bio_labels, is_prefixed, types, usual_spelling
from gradsim_offline.datasets.columns import USUAL, Columns
from gradsim_offline.datasets.conll import read_conll, read_conllu
from gradsim_offline.datasets.objects import OBJECT_ENDINGS, Part, place_of, read_objects
from gradsim_offline.datasets.tagged import Sentence, count_note, examples, tagged_dataset
from gradsim_offline.datasets.text import are_quoted, ending, is_blank, unquoted
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted
from gradsim_shared.iob import OUTSIDE, is_iob
from gradsim_shared.segmentation import locate

ENDINGS = (".conll", ".txt", ".bio", ".conllu", *OBJECT_ENDINGS)
WORD_FIELDS = ("words", "tokens")
TAG_FIELDS = ("tags", "ner_tags", "labels")

Key = TypeVar("Key")


def holds_words(part: Part) -> bool | None:
    """Return whether a file holds tagged words: by its ending; files of objects by the first, if there is one."""
    if isinstance(part, Path) and not part.is_dir() and ending(part) not in OBJECT_ENDINGS:
        return ending(part) in ENDINGS
    try:
        _, first = next(read_objects(part) if isinstance(part, Path) else iter(part), (None, None))
    except DataError:
        return False  # whoever reads it says what is wrong
    if first is None:
        return None
    return "label" not in first and not set(WORD_FIELDS).isdisjoint(first)


def load(name: str, parts: Mapping[str, Mapping[Split, Part]], columns: Columns) -> Dataset:
    """Read the files of each language and split; the labels are those of the train splits.

    Args:
        name: Of the data set, for messages.
        parts: By language and split; every language has a train split.
        columns: Which column of CoNLL-like files holds what.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    flat = {(code, split): part for code, splits in parts.items() for split, part in splits.items()}
    sentences, quotes, spelling = _read_all(flat, columns, lambda place: place[1] == "train")
    for code, splits in parts.items():
        if not sentences[code, "train"]:
            raise DataError(
                f"{place_of(splits['train'])}: no sentences; a language needs a train split that is not empty"
            )
    labels = labels_of(chain.from_iterable(sentences[code, "train"] for code in parts))
    if len(labels) < 2:
        raise DataError(f"{name}: the train splits hold {len(labels)} tag; a tagger needs two")
    as_bio = {place: _as_bio(part, labels) for place, part in sentences.items()}
    notes = (
        *count_note("files", "words were read without the quotation marks that an export put around them", quotes),
        *spelling,
        *count_note("files", "tags of BIOES or the like were read as BIO", {key: n for key, (_, n) in as_bio.items()}),
    )
    read_parts = {code: {split: as_bio[code, split][0] for split in splits} for code, splits in parts.items()}
    return tagged_dataset("files", labels, read_parts, list, aliases={}, notes=notes)


def read(part: Part, columns: Columns = USUAL) -> list[Sentence]:
    """Read one file, by its ending; or rows of a table of languages."""
    if not isinstance(part, Path):
        return [_sentence(*row) for row in part]
    if part.is_dir() or ending(part) in OBJECT_ENDINGS:
        return [_sentence(*row) for row in read_objects(part)]
    return read_conllu(part) if ending(part) == ".conllu" else read_conll(part, columns)


def read_labelled(
    parts: Mapping[Key, Part], columns: Columns, labels: Sequence[str] | None = None
) -> tuple[dict[Key, list[TaggedSentence]], tuple[str, ...]]:
    """Return the sentences of some files that stand alone, and their labels.

    Args:
        parts: The files.
        columns: Which of their columns hold what.
        labels: The allowed tags; ``None``: those of the files themselves.

    Raises:
        DataError: What is wrong, in which file and line, and what is allowed.
    """
    sentences, *_ = _read_all(parts, columns, lambda _: True)
    labels = labels_of(chain.from_iterable(sentences.values())) if labels is None else labels
    return {key: examples(_as_bio(part, labels)[0], labels)[0] for key, part in sentences.items()}, tuple(labels)


def _read_all(
    parts: Mapping[Key, Part], columns: Columns, is_training: Callable[[Key], bool]
) -> tuple[dict[Key, list[Sentence]], dict[Key, int], tuple[str, ...]]:
    """Read files: without an export's quotation marks, and with entities' tags in the usual spelling.

    Returns:
        The sentences of each file, how many of its words were quoted, and a note on the spelling of the tags, which is
        that of the training files.
    """
    read_files = {key: _without_quotes(read(part, columns)) for key, part in parts.items()}
    training = chain.from_iterable(part for key, (part, _) in read_files.items() if is_training(key))
    usual, notes = usual_spelling(tag for sentence in training for tag in sentence.tags)
    sentences = {key: _retagged(part, usual) if usual else part for key, (part, _) in read_files.items()}
    return sentences, {key: count for key, (_, count) in read_files.items()}, notes


def _retagged(sentences: Iterable[Sentence], change: Callable[[str], str]) -> list[Sentence]:
    return [replace(sentence, tags=tuple(map(change, sentence.tags))) for sentence in sentences]


def _without_quotes(sentences: list[Sentence]) -> tuple[list[Sentence], int]:
    """Take off quotation marks that an export put around words; also return how many words that changed.

    They are such if every word of the file with a mark is quoted as in CSV: one mark, alone, is four.
    """
    if not are_quoted(word for sentence in sentences for word in sentence.words):
        return sentences, 0
    marked = sum('"' in word for sentence in sentences for word in sentence.words)
    return [replace(sentence, words=tuple(map(unquoted, sentence.words))) for sentence in sentences], marked


def labels_of(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Return the labels of training sentences: their tags, or both tags of every type where they mark entities.

    Raises:
        DataError: Some tags are entities' (``B-X``, ``I-X``) and some are neither that nor ``O``.
    """
    where: dict[str, str] = {}
    for sentence in sentences:
        for index, tag in enumerate(sentence.tags):
            if tag not in where:
                where[tag] = sentence.place(index)
    others = [tag for tag in where if tag != OUTSIDE and not is_prefixed(tag)]
    if not any(tag[:2] in ("B-", "I-") for tag in where) and (others or OUTSIDE not in where):
        return tuple(sorted(where))
    if others:
        other = others[0]
        raise DataError(f"{where[other]}: the tag {quoted(other)} among entities' tags; expected O, B-TYPE or I-TYPE")
    return bio_labels(types(where))


def _as_bio(sentences: list[Sentence], labels: Sequence[str]) -> tuple[list[Sentence], int]:
    """Read BIOES and its kin as BIO where the labels mark entities; also return how many tags that changed."""
    if not is_iob(labels):
        return sentences, 0
    changed = sum(bio(tag) != tag for sentence in sentences for tag in sentence.tags)
    return _retagged(sentences, bio), changed


def _sentence(where: str, row: Mapping[str, object]) -> Sentence:
    """Read an object such as ``{"words": ["Aisha", "lives"], "tags": ["B-PER", "O"]}``; ``text`` may stand beside."""
    words, tags = _strings(where, row, WORD_FIELDS), _strings(where, row, TAG_FIELDS)
    if len(words) != len(tags):
        raise DataError(f"{where}: {len(words)} words and {len(tags)} tags; each word has one tag")
    if any(map(is_blank, tags)):
        raise DataError(f"{where}: a tag is empty")
    text = row.get("text")
    if not isinstance(text, str) or locate(words, text) is None:
        text = None  # the words are joined
    return Sentence(where, (), words, tags, text)


def _strings(where: str, row: Mapping[str, object], names: Sequence[str]) -> tuple[str, ...]:
    """Return the one of some fields that is there: a list of strings that is not empty."""
    name = next((name for name in names if name in row), None)
    if name is None:
        raise DataError(f"{where}: no field {' or '.join(names)}; found {listing(map(quoted, row))}")
    values = row[name]
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        raise DataError(f"{where}: {name} is not a list of strings that are not empty")
    return tuple(values)
