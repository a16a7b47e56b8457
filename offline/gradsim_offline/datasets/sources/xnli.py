"""XNLI: whether a hypothesis follows from a premise, contradicts it, or neither; its translated dev split is train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.parallel_pairs import ParallelPairs
from gradsim_offline.datasets.source import DatasetSource

TASK = "pair_classification"
LABELS = ("entailment", "neutral", "contradiction")
LICENCE = "CC BY-NC 4.0"
CITATION = "Conneau et al., XNLI, EMNLP 2018 (arXiv 1809.05053)"
DATA = ParallelPairs(
    "xnli",
    LABELS,
    {label: label for label in LABELS},
    ("premise", "hypothesis", "label"),
    ("facebook/xnli", "b8dd5d7af51114dbda02c0e3f6133f332186418e"),
    {
        "ara": "ar",
        "bul": "bg",
        "deu": "de",
        "ell": "el",
        "eng": "en",
        "fra": "fr",
        "hin": "hi",
        "rus": "ru",
        "spa": "es",
        "swa": "sw",
        "tha": "th",
        "tur": "tr",
        "urd": "ur",
        "vie": "vi",
        "zho": "zh",
    },
    ("train",) * 9 + ("dev",),
)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read XNLI from ``data_dir``, else ``$GRADSIM_DATA/xnli``, else the Hub; nine tenths of its dev split are train.

    Args:
        data_dir: A directory of ``<lang>/{dev,test}.tsv``: premise, hypothesis and label between tabs, no header.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    return DATA.load(data_dir, languages)


PLUGIN = DatasetSource(load, TASK)
