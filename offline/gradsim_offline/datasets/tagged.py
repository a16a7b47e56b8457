"""Turn tagged sentences, as files hold them, into a data set: tags checked, entities repaired, repairs counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gradsim_offline.core.dataset import SPLITS, Dataset, Split, TaggedSentence
from gradsim_offline.datasets.bio import repair
from gradsim_offline.datasets.columns import SURROGATE, check_allowed
from gradsim_offline.datasets.folders import aliases_of, by_language, choose, split_files, unread_note, visible
from gradsim_shared.errors import DataError
from gradsim_shared.iob import is_iob
from gradsim_shared.segmentation import join

TASK = "token_classification"

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
    by_code: dict[str, dict[Split, list[TaggedSentence]]] = {}
    opened: dict[tuple[str, Split], int] = {}
    left_out: dict[tuple[str, Split], int] = {}
    for code, splits in places.items():
        by_code[code] = {}
        for split in (split for split in SPLITS if split in splits):
            sentences = read(splits[split])
            if skip_empty:
                sentences, left_out[code, split] = _without_empty_words(sentences)
            by_code[code][split], opened[code, split] = examples(sentences, labels)
        if not by_code[code].get("train"):
            raise DataError(f"{name}: the train split of {code} holds no sentences; a language needs some")
    notes = (
        *notes,
        *count_note(name, "words of nothing but white space were left out", left_out),
        *count_note(name, "I- tags that opened an entity were read as B-", opened),
    )
    return Dataset(name, TASK, tuple(labels), by_code, aliases, notes)


def folders_dataset(
    name: str,
    labels: Sequence[str],
    directory: Path,
    languages: Sequence[str] | None,
    read: Callable[[Path], Sequence[Sentence]],
    *,
    endings: Sequence[str],
    usual: Sequence[str] | None = None,
    only: Collection[str] | None = None,
    otherwise: str = "",
    notes: Sequence[str] = (),
    skip_empty: bool = False,
) -> Dataset:
    """Read a data set of tagged sentences from a directory of ``<lang>/{train,dev,test}``.

    Args:
        name: Of the source.
        labels: The allowed tags, in the order of the model's outputs.
        directory: Holds the folders; those that are not named by a code as ISO 639 lists it are passed over.
        languages: ISO 639 codes to read; ``None``: the usual ones that are there, or all if none of them is.
        read: Reads one file.
        endings: Of the files' names; the first is the one that messages name.
        usual: ISO 639-3 codes; ``None``: all that are there.
        only: Folders of other languages are passed over, too; ``None``: of none.
        otherwise: What the directory may hold instead, for the message.
        notes: What the user should know, beside what is found here.
        skip_empty: As for ``tagged_dataset``.

    Raises:
        DataError: There are no folders, a language or a file is missing, or as for ``tagged_dataset``.
    """
    folders = {code: path for code, path in by_language(visible(directory)).items() if only is None or code in only}
    if not folders:
        train, dev, test = (f"{split}{endings[0]}" for split in SPLITS)
        raise DataError(f"{name}: {directory} holds no data; expected {otherwise}<lang>/{train}, {dev} and {test}")
    chosen, left_out = choose(name, folders, languages, usual or list(folders))
    folder_of = {code: folders[code] for code in chosen}
    files = {code: split_files(name, path, endings) for code, path in folder_of.items()}
    others = [path for path in visible(directory) if path.is_dir() and path not in folders.values()]
    notes = (*left_out, *(unread_note(name, directory, others) if languages is None else ()), *notes)
    return tagged_dataset(name, labels, files, read, aliases=aliases_of(folder_of), notes=notes, skip_empty=skip_empty)


def examples(sentences: Iterable[Sentence], labels: Sequence[str]) -> tuple[list[TaggedSentence], int]:
    """Check sentences and repair their entities; also return how many ``I-`` became ``B-``.

    Raises:
        DataError: A tag is not among the labels, or a word is empty or half a character; the message names the line.
    """
    entities, allowed = is_iob(labels), frozenset(labels)
    checked, opened = [], 0
    for sentence in sentences:
        if not _is_good(sentence, allowed):
            _refuse(sentence, labels)
        tags, count = repair(sentence.tags) if entities else (sentence.tags, 0)
        text = join(sentence.words) if sentence.text is None else sentence.text
        checked.append(TaggedSentence(text, sentence.words, tags))
        opened += count
    return checked, opened


def _is_good(sentence: Sentence, allowed: frozenset[str]) -> bool:
    good = all(map(str.strip, sentence.words)) and not SURROGATE.search("".join(sentence.words + sentence.tags))
    return good and allowed.issuperset(sentence.tags)


def _refuse(sentence: Sentence, labels: Sequence[str]) -> None:
    """Say what is wrong with a sentence, and in which line."""
    for index, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True)):
        where = sentence.place(index)
        if not word.strip():
            raise DataError(f"{where}: the word is empty")
        if SURROGATE.search(word + tag):
            raise DataError(f"{where}: a word or a tag holds a lone surrogate, half a character; write it whole")
        check_allowed(where, "tag", tag, labels)


def _without_empty_words(sentences: Iterable[Sentence]) -> tuple[list[Sentence], int]:
    """Leave out words of nothing but white space; also return how many there were."""
    whole, left_out = [], 0
    for sentence in sentences:
        full = [place for place, word in enumerate(sentence.words) if word.strip()]
        left_out += len(sentence.words) - len(full)
        if len(full) == len(sentence.words):
            whole.append(sentence)
        elif full:
            rows = ((sentence.lines[place], sentence.words[place], sentence.tags[place]) for place in full)
            lines, words, tags = zip(*rows, strict=True)
            whole.append(replace(sentence, lines=lines, words=words, tags=tags))
    return whole, left_out


def count_note(name: str, what: str, counts: Counts) -> tuple[str, ...]:
    """Word what was found how often, in one sentence; empty if nothing was."""
    places = [f"{code} {split} {count}" for (code, split), count in counts.items() if count]
    return (f"{name}: {sum(counts.values())} {what} ({', '.join(places)})",) if places else ()
