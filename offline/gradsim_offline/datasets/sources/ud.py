"""Universal Dependencies: part-of-speech tags (UPOS) from any UD release, or from `<lang>/{train,dev,test}.conllu`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.conllu import read_conllu
from gradsim_offline.datasets.folders import (
    choose,
    language_folders,
    other_names,
    passed_over_note,
    source_folder,
    split_files,
)
from gradsim_offline.datasets.source import DatasetSource
from gradsim_offline.datasets.tagged import Sentence, tagged_dataset
from gradsim_offline.datasets.treebanks import Treebanks, files_of, find_treebanks, of_languages, short_codes, usable
from gradsim_shared.errors import DataError

TASK = "token_classification"
LABELS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
LICENCE = "per treebank"
CITATION = "de Marneffe et al., Universal Dependencies, Computational Linguistics 47(2), 2021"

LANGUAGES = (  # our choice of 27, after the 27 of Yasunaga et al. (NAACL 2018, UD 1.2); the paper's own may differ
    *("bul", "ces", "dan", "deu", "ell", "eng", "est", "eus", "fas"),
    *("fin", "fra", "gle", "heb", "hin", "hrv", "hun", "ind", "ita"),
    *("nld", "nor", "pol", "por", "ron", "slv", "spa", "swe", "tam"),
)


def load(data_dir: Path | None = None, languages: Sequence[str] | None = None) -> Dataset:
    """Read treebanks from ``data_dir``, else from ``$GRADSIM_DATA/ud``.

    In a release, a language's treebanks are put one after the other, split by split, in the order of their names.
    Those without a train file (such as PUD) and those whose words are not free (every form is ``_``) are left out.
    ``en_ewt`` in place of ``en`` reads that treebank only.

    Args:
        data_dir: A release of UD (``UD_Bulgarian-BTB/bg_btb-ud-train.conllu``), one of its treebanks, or a directory
            of ``<lang>/{train,dev,test}.conllu``.
        languages: ISO 639 codes, or in a release treebanks; ``None``: those of ``LANGUAGES`` that are there, or all
            if none of them is; in a directory of ``<lang>``, all.

    Raises:
        DataError: It is nowhere to be found, or a file is not as it should be.
    """
    directory = source_folder("ud", data_dir)
    if directory is None:
        raise DataError(
            "ud needs --data-dir: a release from universaldependencies.org, unpacked, or a directory of "
            "<lang>/{train,dev,test}.conllu"
        )
    treebanks = find_treebanks(directory)
    if treebanks:
        return _from_release(directory, treebanks, languages)
    folders = language_folders(directory)
    if not folders:
        raise DataError(f"ud: {directory} holds no data; expected UD_<Language>-<Treebank> or <lang>/train.conllu")
    passed_over = passed_over_note("ud", directory, folders.values()) if languages is None else ()
    chosen, _ = choose("ud", folders, languages, list(folders))
    files = {code: split_files("ud", folders[code], (".conllu",)) for code in chosen}
    aliases = other_names({code: folders[code] for code in chosen})
    return tagged_dataset("ud", LABELS, files, read_conllu, aliases=aliases, notes=passed_over)


def _from_release(directory: Path, treebanks: Treebanks, languages: Sequence[str] | None) -> Dataset:
    readable, left_out = usable(treebanks)
    if not readable:
        raise DataError(f"ud: {directory} holds no treebank to train on. {' '.join(left_out)}")
    chosen, notes = of_languages(readable, languages, LANGUAGES)
    files = {code: files_of(readable, names) for code, names in chosen.items()}
    aliases = {code: short for code, names in chosen.items() if (short := short_codes(code, names))}
    return tagged_dataset("ud", LABELS, files, _read_all, aliases=aliases, notes=(*left_out, *notes))


def _read_all(paths: Sequence[Path]) -> list[Sentence]:
    return [sentence for path in paths for sentence in read_conllu(path)]


PLUGIN = DatasetSource(load, TASK)
