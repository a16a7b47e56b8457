"""TyDiQA-GoldP: questions that speakers of nine languages asked, with the passage of Wikipedia that answers them."""

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
LICENCE = "Apache-2.0"
CITATION = "Clark et al., TyDi QA, TACL 2020 (arXiv 2003.05002)"
_TENTHS: tuple[Split, ...] = ("dev",) + ("train",) * 9
_FIFTHS: tuple[Split, ...] = ("train", "dev") + ("test",) * 3


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read TyDiQA-GoldP from ``data_dir``, else ``$GRADSIM_DATA/tydiqa``.

    Its dev split is test, as other work has it; a tenth of train is dev. A language without a train file has its dev
    split divided: a fifth is train, a fifth dev, the rest test. Passages that are the same stay together. Answers are
    compared as SQuAD does.

    Args:
        data_dir: A directory of ``<lang>/dev.json`` and, where it is there, ``train.json``, in SQuAD's form.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("tydiqa", data_dir)
    if directory is None:
        raise DataError("tydiqa: name the directory of its <lang>/dev.json with --data-dir, or set GRADSIM_DATA")
    folders = {code: path for code, path in by_language(visible(directory)).items() if (path / "dev.json").is_file()}
    if not folders:
        raise DataError(f"tydiqa: {directory} holds no data; expected <lang>/dev.json and train.json")
    chosen, notes = choose("tydiqa", folders, languages, list(folders))
    divided = [code for code in chosen if not (folders[code] / "train.json").is_file()]
    examples = {code: _language(folders[code]) for code in chosen}
    said = ["tydiqa: dev is test, and a tenth of train is dev"]
    if divided:
        said.append(f"tydiqa: without train, dev is divided: 1 of 5 is train, 1 dev, 3 test ({', '.join(divided)})")
    aliases = aliases_of({code: folders[code] for code in chosen})
    return Dataset("tydiqa", TASK, LABELS, examples, aliases, (*notes, *said))


def _language(folder: Path) -> dict[Split, Sequence[QuestionExample]]:
    dev, train = [example for _, example in read_squad(folder / "dev.json")], folder / "train.json"
    if not train.is_file():
        return _divided(dev, _FIFTHS)
    return {**_divided([example for _, example in read_squad(train)], _TENTHS), "test": dev}


def _divided(examples: Sequence[QuestionExample], parts: Sequence[Split]) -> dict[Split, Sequence[QuestionExample]]:
    """Divide questions by the place of their passage among all."""
    splits: dict[Split, list[QuestionExample]] = {"train": [], "dev": [], "test": []}
    number: dict[str, int] = {}
    for example in examples:
        place = number.setdefault(example.text.context, len(number))
        splits[parts[place % len(parts)]].append(example)
    return {**splits}


PLUGIN = DatasetSource(load, TASK)
