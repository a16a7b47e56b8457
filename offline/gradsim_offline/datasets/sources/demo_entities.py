"""The sentences of `demo` with their named entities: persons, places and organisations in nine languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset, TaggedSentence
from gradsim_offline.datasets import demo_generator
from gradsim_offline.datasets.demo_generator import Sentence
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.sources import demo
from gradsim_shared.errors import DataError
from gradsim_shared.segmentation import segment

TASK = "token_classification"
LABELS = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
LICENCE = "Apache-2.0"
CITATION = ""

SEGMENTATION = "words"
"""The rule that cuts the sentences into words: it keeps ``Ankara'da`` and ``#MegaFest`` whole."""


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Return the sentences of ``demo``, word by word: 200 for training, 40 for development and 60 for testing each.

    Args:
        data_dir: It has none: the sentences are written anew, always the same.
        languages: ISO 639 codes; ``None`` means all nine.

    Raises:
        DataError: A language is not in the demo, or a directory is given.
    """
    if data_dir is not None:
        raise DataError("demo_entities takes no --data-dir; for your own texts use --data files")
    examples = {
        code: {
            split: tuple(tagged(sentence) for sentence in sentences)
            for split, sentences in demo_generator.generate(code).items()
        }
        for code in demo.load(languages=languages).languages
    }
    return Dataset(name="demo_entities", task=TASK, labels=LABELS, examples=examples)


def tagged(sentence: Sentence) -> TaggedSentence:
    """Cut a sentence into words and write its entities as IOB2 tags.

    An entity is whole words: a case ending belongs to it, written together (``Казани``) or behind an apostrophe
    (``Ankara'da``), for so the grammars write the phrases of its slot. A preposition of its own word does not.

    Raises:
        ValueError: An entity begins or ends inside a word; no sentence of the grammars has one.
    """
    spans = segment(sentence.text, SEGMENTATION)
    first_at = {start: place for place, (start, _) in enumerate(spans)}
    last_at = {end: place for place, (_, end) in enumerate(spans)}
    tags = ["O"] * len(spans)
    for start, end, kind in sentence.entities:
        if start not in first_at or end not in last_at:
            raise ValueError(f"the entity {sentence.text[start:end]!r} of {sentence.text!r} is not whole words")
        first, last = first_at[start], last_at[end]
        tags[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    words = tuple(sentence.text[start:end] for start, end in spans)
    return TaggedSentence(sentence.text, words, tuple(tags))


PLUGIN = DatasetSource(load, TASK)
