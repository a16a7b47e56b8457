"""WikiAnn (PAN-X): Wikipedia sentences with persons, organisations and locations, marked by machine; 15 languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.bio import bio_labels
from gradsim_offline.datasets.conll import read_conll
from gradsim_offline.datasets.folders import source_folder
from gradsim_offline.datasets.hub import Hub, hub_dataset
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tagged import Sentence, folders_dataset
from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import quoted

TASK = "token_classification"
LABELS = bio_labels(("LOC", "ORG", "PER"))
LICENCE = "not stated by its authors; the text is Wikipedia's, CC BY-SA"
CITATION = "Pan et al., Cross-lingual Name Tagging, ACL 2017; splits: Rahimi et al., ACL 2019 (arXiv 1902.00193)"
HUB = Hub(
    "unimelb-nlp/wikiann",
    "0a245b4c9e04bec903fb705504e301130971a9e2",  # of refs/convert/parquet, the Hub's own conversion
    ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
)

LANGUAGES = (  # our choice of 15; Shaffer (2021), whose 15 the paper may share, has swa and yor among them
    *("ara", "deu", "eng", "fra", "heb", "hin", "ind", "jpn"),
    *("kor", "rus", "spa", "swa", "tur", "yor", "zho"),
)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read WikiAnn from ``data_dir``, else ``$GRADSIM_DATA/wikiann``, else the Hugging Face Hub.

    Args:
        data_dir: A directory of ``<lang>/{train,dev,test}`` (or with the ending ``.txt``), whose lines are
            ``lang:token<TAB>tag``; the ``lang:`` may be missing from a whole file.
        languages: ISO 639 codes; ``None``: those of ``LANGUAGES`` that are there, or all if none of them is.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("wikiann", data_dir)
    if directory is None:
        return hub_dataset("wikiann", LABELS, HUB, _hub_folders(languages or LANGUAGES))
    return folders_dataset(
        "wikiann", LABELS, directory, languages, read_panx, endings=("", ".txt"), usual=LANGUAGES, skip_empty=True
    )


def read_panx(path: Path) -> list[Sentence]:
    """Read one file; if its first token begins with a language code and a colon, all must, and they are taken off.

    Raises:
        DataError: A line is not a token and a tag, or only some tokens begin with the code.
    """
    sentences = read_conll(path)
    if not sentences:
        return []
    code, colon, _ = sentences[0].words[0].partition(":")
    if not colon or (code != path.parent.name and codes.find(code) != codes.find(path.parent.name)):
        return sentences
    return [_without_code(sentence, f"{code}:") for sentence in sentences]


def _without_code(sentence: Sentence, code: str) -> Sentence:
    for index, word in enumerate(sentence.words):
        if not word.startswith(code):
            raise DataError(f"{sentence.place(index)}: {quoted(word)} does not begin with {code!r}, as other tokens do")
    return replace(sentence, words=tuple(word.removeprefix(code) for word in sentence.words))


def _hub_folders(languages: Sequence[str]) -> dict[str, str]:
    """Return the Hub's code of each language: ISO 639-1 where there is one."""
    resolved = {codes.resolve(written) for written in languages}
    return {code: (*codes.other_codes(code), code)[0] for code in sorted(resolved)}


PLUGIN = DatasetSource(load, TASK)
