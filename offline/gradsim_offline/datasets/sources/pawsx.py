"""PAWS-X: do two sentences of much the same words say the same; seven languages, of the dev split, translated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.parallel_pairs import ParallelPairs
from gradsim_offline.datasets.source import DatasetSource

TASK = "pair_classification"
LABELS = ("different", "paraphrase")
LICENCE = "free for any purpose; acknowledgement of Google LLC is appreciated"
CITATION = "Yang et al., PAWS-X, EMNLP 2019 (arXiv 1908.11828)"
DATA = ParallelPairs(
    "pawsx",
    LABELS,
    {"different": "0", "paraphrase": "1"},
    ("sentence1", "sentence2", "label"),
    ("google-research-datasets/paws-x", "4cd8187c404bda33cb1f62b49b001115862acf37"),
    {"deu": "de", "eng": "en", "fra": "fr", "jpn": "ja", "kor": "ko", "spa": "es", "zho": "zh"},
    ("train",) * 7 + ("dev",) + ("test",) * 2,
    without=("NS",),
)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read PAWS-X from ``data_dir``, else ``$GRADSIM_DATA/pawsx``, else the Hub; its dev split is divided by row.

    Where a language has a labelled test file, that is its test split; the rows of dev that would be are left out.

    Args:
        data_dir: A directory of ``<lang>/{dev,test}.tsv``: two sentences and 0 or 1 between tabs.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    return DATA.load(data_dir, languages)


PLUGIN = DatasetSource(load, TASK)
