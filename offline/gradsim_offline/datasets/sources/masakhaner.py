"""MasakhaNER: news in 21 African languages with persons, organisations, locations and dates (versions 1.0 and 2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.bio import bio_labels
from gradsim_offline.datasets.conll import read_conll
from gradsim_offline.datasets.folders import choose, source_folder
from gradsim_offline.datasets.hub import Hub, hub_dataset
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tagged import Sentence, folders_dataset

TASK = "token_classification"
LABELS = bio_labels(("DATE", "LOC", "ORG", "PER"))
LICENCE = "CC BY-NC 4.0"
CITATION = "Adelani et al., MasakhaNER, TACL 9, 2021; version 2.0: EMNLP 2022 (arXiv 2210.12391)"
HUB = Hub(
    "masakhane/masakhaner2",  # version 2.0; 1.0 is there as a script only, which no longer runs
    # A commit of refs/convert/parquet, the Hub's own conversion: the main branch is a script.
    "5a0f995916c93d467978abb78154c581a35e41a2",
    ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-DATE", "I-DATE"),
)

_FOUR = '"' * 4  # so 685 words of pcm train are written, and 345 of yor train
_QUOTES = f'masakhaner: the word {_FOUR}, left by an export, is read as "'

VERSION_1 = ("amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor")
VERSION_2 = (
    *("bam", "bbj", "ewe", "fon", "hau", "ibo", "kin", "lug", "luo", "mos"),
    *("nya", "pcm", "sna", "swa", "tsn", "twi", "wol", "xho", "yor", "zul"),
)
LANGUAGES = tuple(sorted({*VERSION_1, *VERSION_2}))


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read MasakhaNER from ``data_dir``, else ``$GRADSIM_DATA/masakhaner``, else version 2.0 from the Hub.

    Args:
        data_dir: A directory of ``<lang>/{train,dev,test}.txt`` in the form of its authors' repository; both versions
            have it. The languages are those that have a folder.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("masakhaner", data_dir)
    if directory is None:
        chosen, _ = choose("masakhaner", VERSION_2, languages, VERSION_2)
        return hub_dataset("masakhaner", LABELS, HUB, {code: code for code in chosen})
    return folders_dataset(
        "masakhaner", LABELS, directory, languages, _read, endings=(".txt",), only=LANGUAGES, notes=(_QUOTES,)
    )


def _read(path: Path) -> list[Sentence]:
    """Read a file; four quotation marks, which an export made of one, become one again."""
    return [
        replace(sentence, words=tuple('"' if word == _FOUR else word for word in sentence.words))
        for sentence in read_conll(path)
    ]


PLUGIN = DatasetSource(load, TASK)
