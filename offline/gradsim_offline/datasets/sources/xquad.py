"""XQuAD: questions about paragraphs of Wikipedia, the same in twelve languages, translated; split by article."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset, QuestionExample, Split
from gradsim_offline.datasets.folders import aliases_of, by_language, choose, source_folder, visible
from gradsim_offline.datasets.questions import read_squad
from gradsim_offline.datasets.source import DatasetSource
from gradsim_shared.decode.question_answering import LABELS
from gradsim_shared.errors import DataError

TASK = "question_answering"
LICENCE = "CC BY-SA 4.0"
CITATION = "Artetxe et al., On the Cross-lingual Transferability of Monolingual Representations, ACL 2020"
FILE = "test.json"
PARTS: tuple[Split, ...] = ("train",) * 5 + ("dev",) + ("test",) * 2
"""What every eighth article is."""


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read XQuAD from ``data_dir``, else ``$GRADSIM_DATA/xquad``.

    It is one split, and parallel: of its 48 articles 30 are train, 6 dev and 12 test, the same ones in every language,
    so that nothing is judged that was read in another one. Answers are compared as SQuAD does.

    Args:
        data_dir: A directory of ``<lang>/test.json``, in SQuAD's form.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("xquad", data_dir)
    if directory is None:
        raise DataError(f"xquad: name the directory of its <lang>/{FILE} with --data-dir, or set GRADSIM_DATA")
    folders = {code: path for code, path in by_language(visible(directory)).items() if (path / FILE).is_file()}
    if not folders:
        raise DataError(f"xquad: {directory} holds no data; expected <lang>/{FILE}")
    chosen, notes = choose("xquad", folders, languages, list(folders))
    examples = {code: _split(folders[code] / FILE) for code in chosen}
    said = "xquad: split by article, the same ones in every language: 5 of 8 are train, 1 dev, 2 test"
    aliases = aliases_of({code: folders[code] for code in chosen})
    return Dataset("xquad", TASK, LABELS, examples, aliases, (*notes, said))


def _split(path: Path) -> dict[Split, Sequence[QuestionExample]]:
    """Return a language's questions, by the place of their article among all."""
    splits: dict[Split, list[QuestionExample]] = {"train": [], "dev": [], "test": []}
    number: dict[str, int] = {}
    for article, example in read_squad(path):
        place = number.setdefault(article, len(number))
        splits[PARTS[place % len(PARTS)]].append(example)
    return {**splits}


PLUGIN = DatasetSource(load, TASK)
