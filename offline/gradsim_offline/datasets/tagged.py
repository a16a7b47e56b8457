"""Turn tagged sentences, as a file holds them, into a data set: every tag checked, entities repaired, both counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gradsim_offline.core.dataset import SPLITS, Dataset, Split, TaggedSentence
from gradsim_offline.datasets import bio as _bio
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import cut, listing, quoted
from gradsim_shared.iob import is_iob
from gradsim_shared.nearest import nearest
from gradsim_shared.segmentation import join

TASK = "token_classification"
_SURROGATE = re.compile("[\ud800-\udfff]")

Place = TypeVar("Place")
Counts = Mapping[tuple[str, Split], int]
"""How often something was found, by language and split."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as it stands in a file.

    Attributes:
        source: The file, as messages name it.
        lines: The line of each word; empty: ``source`` is the place of the whole sentence.
        words: The words.
        tags: The tag of each.
        text: The sentence as it was written; ``None``: the file does not say.
    """

    source: str
    lines: Sequence[int]
    words: tuple[str, ...]
    tags: tuple[str, ...]
    text: str | None = None

    def place(self, index: int) -> str:
        """Return where a word stands, as messages name it."""
        return f"{self.source}:{self.lines[index]}" if self.lines else self.source


def tagged_dataset(
    name: str,
    labels: Sequence[str],
    places: Mapping[str, Mapping[Split, Place]],
    read: Callable[[Place], Sequence[Sentence]],
    *,
    aliases: Mapping[str, tuple[str, ...]],
    notes: Sequence[str] = (),
    skip_empty: bool = False,
) -> Dataset:
    """Read a data set of tagged sentences.

    Args:
        name: Of the source.
        labels: The allowed tags, in the order of the model's outputs.
        places: Where each language's splits are.
        read: Reads one of them.
        aliases: Other codes of the languages.
        notes: What the user should know, beside what is found here.
        skip_empty: Leave out words of nothing but white space, and say so; else they are an error.

    Raises:
        DataError: A tag is not allowed, a word is empty or half a character, or a train split is empty.
    """
    found: dict[str, dict[Split, list[TaggedSentence]]] = {}
    opened: dict[tuple[str, Split], int] = {}
    left_out: dict[tuple[str, Split], int] = {}
    for code, splits in places.items():
        found[code] = {}
        for split in (split for split in SPLITS if split in splits):
            sentences = read(splits[split])
            if skip_empty:
                sentences, left_out[code, split] = without_empty_words(sentences)
            found[code][split], opened[code, split] = examples(sentences, labels)
        if not found[code].get("train"):
            raise DataError(f"{name}: the train split of {code} holds no sentences; a language needs some")
    notes = (
        *notes,
        *count_note(name, "words of nothing but white space were left out", left_out),
        *count_note(name, "I- tags that opened an entity were read as B-", opened),
    )
    return Dataset(name, TASK, tuple(labels), found, aliases, notes)


def examples(sentences: Iterable[Sentence], labels: Sequence[str]) -> tuple[list[TaggedSentence], int]:
    """Check sentences and repair their entities; also return how many ``I-`` became ``B-``.

    Raises:
        DataError: A tag is not among the labels, or a word is empty or half a character; the message names the line.
    """
    entities, allowed = is_iob(labels), frozenset(labels)
    found, opened = [], 0
    for sentence in sentences:
        if not _is_good(sentence, allowed):
            _refuse(sentence, labels)
        tags, count = _bio.repair(sentence.tags) if entities else (sentence.tags, 0)
        text = join(sentence.words) if sentence.text is None else sentence.text
        found.append(TaggedSentence(text, sentence.words, tags))
        opened += count
    return found, opened


def _is_good(sentence: Sentence, allowed: frozenset[str]) -> bool:
    good = all(map(str.strip, sentence.words)) and not _SURROGATE.search("".join(sentence.words + sentence.tags))
    return good and allowed.issuperset(sentence.tags)


def _refuse(sentence: Sentence, labels: Sequence[str]) -> None:
    """Say what is wrong with a sentence, and in which line."""
    for index, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True)):
        where = sentence.place(index)
        if not word.strip():
            raise DataError(f"{where}: the word is empty")
        if _SURROGATE.search(word + tag):  # JSON's escapes can write one; no tokenizer can read it
            raise DataError(f"{where}: a word or a tag holds a lone surrogate, half a character; write it whole")
        if tag not in labels:
            guesses = nearest(tag, labels, limit=1)
            meant = f"did you mean {cut(guesses[0])}? " if guesses else ""
            raise DataError(f"{where}: unknown tag {quoted(tag)}; {meant}allowed: {listing(labels)}")


def without_empty_words(sentences: Iterable[Sentence]) -> tuple[list[Sentence], int]:
    """Leave out words of nothing but white space; also return how many there were."""
    found, left_out = [], 0
    for sentence in sentences:
        kept = [place for place, word in enumerate(sentence.words) if word.strip()]
        left_out += len(sentence.words) - len(kept)
        if len(kept) == len(sentence.words):
            found.append(sentence)
        elif kept:
            lines, words, tags = zip(
                *((sentence.lines[place], sentence.words[place], sentence.tags[place]) for place in kept), strict=True
            )
            found.append(replace(sentence, lines=lines, words=words, tags=tags))
    return found, left_out


def count_note(name: str, what: str, counts: Counts) -> tuple[str, ...]:
    """Word what was found how often, in one sentence; empty if nothing was."""
    places = [f"{code} {split} {count}" for (code, split), count in counts.items() if count]
    return (f"{name}: {sum(counts.values())} {what} ({', '.join(places)})",) if places else ()
