"""Short reviews and posts in nine languages with their sentiment, written from templates; ships with the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.datasets import demo_generator
from gradsim_offline.datasets.source import DatasetSource
from gradsim_shared.errors import DataError
from gradsim_shared.nearest import unknown

TASK = "text_classification"
LABELS = ("negative", "neutral", "positive")
LICENCE = "Apache-2.0"
CITATION = ""


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Return the demo sentences: 200 for training, 40 for development and 60 for testing per language.

    Args:
        data_dir: It has none: the sentences are written anew, always the same.
        languages: ISO 639 codes; ``None`` means all nine.

    Raises:
        DataError: A language is not in the demo, or a directory is given.
    """
    if data_dir is not None:
        raise DataError("demo takes no --data-dir; for your own texts use --data files")
    chosen = demo_generator.languages() if languages is None else {_resolve(code) for code in languages}
    examples = {
        code: {
            split: tuple(Example(sentence.text, sentence.label) for sentence in sentences)
            for split, sentences in demo_generator.generate(code).items()
        }
        for code in sorted(chosen)
    }
    return Dataset(name="demo", task=TASK, labels=LABELS, examples=examples)


def _resolve(code: str) -> str:
    known, language = demo_generator.languages(), codes.find(code)
    if language not in known:
        raise DataError("demo: " + unknown("language", code, known))
    return str(language)


PLUGIN = DatasetSource(load, TASK)
