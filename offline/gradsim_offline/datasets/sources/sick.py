"""SICK: entailment between short descriptions of scenes, with splits of its own; English and its translations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset, Example, Split
from gradsim_offline.datasets.folders import aliases_of, by_language, choose, source_folder, split_files, visible
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tables import read_table
from gradsim_shared.errors import DataError

TASK = "pair_classification"
LABELS = ("entailment", "neutral", "contradiction")
LICENCE = "English CC BY-NC-SA 3.0; Dutch MIT; Japanese CC BY-SA 4.0; Portuguese names none"
CITATION = (
    "Marelli et al., SICK, LREC 2014; SICK-NL: Wijnholds and Moortgat, EACL 2021; SICK-BR: Real et al., PROPOR 2018; "
    "JSICK: Yanaka and Mineshima, TACL 2022"
)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read SICK from ``data_dir``, else ``$GRADSIM_DATA/sick``; no one place of the Hub holds the translations.

    Args:
        data_dir: A directory of ``<lang>/{train,dev,test}.tsv`` whose header has sentence1, sentence2 and label; a pair
            is in the same split in every language.
        languages: ISO 639 codes; ``None``: all that are there.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("sick", data_dir)
    if directory is None:
        raise DataError(
            "sick: name a directory of <lang>/{train,dev,test}.tsv with --data-dir, or set GRADSIM_DATA to the folder "
            "that holds sick/"
        )
    folders = by_language(visible(directory))
    chosen, notes = choose("sick", folders, languages, list(folders))
    if not chosen:
        raise DataError(f"sick: {directory} holds no data; expected <lang>/train.tsv, dev.tsv and test.tsv")
    examples: dict[str, dict[Split, Sequence[Example]]] = {}
    for code in chosen:
        files = split_files("sick", folders[code], (".tsv",))
        examples[code] = {split: read_table(path, LABELS, literal=True) for split, path in files.items()}
    aliases = aliases_of({code: folders[code] for code in chosen})
    return Dataset("sick", TASK, LABELS, examples, aliases, notes)


PLUGIN = DatasetSource(load, TASK)
