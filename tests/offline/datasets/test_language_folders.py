"""Folders whose names are no plain codes: regions, old codes, names of languages."""

from __future__ import annotations

import pytest

from gradsim_offline.datasets.sources import files, wikiann
from gradsim_shared.errors import DataError

TRAIN = "text\tlabel\nbom\tpositive\nruim\tnegative\n"


@pytest.fixture
def put(tmp_path):
    """A function that writes a train split for each of some folders, and returns the directory."""

    def write(*folders):
        for folder in folders:
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "train.tsv").write_text(TRAIN)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("folder", "code", "name"),
    [("pt-BR", "por", "Portuguese"), ("iw", "heb", "Hebrew"), ("acehnese", "ace", "Achinese")],
)
def test_a_folder_that_is_no_plain_code_is_read_and_said(put, folder, code, name):
    found = files.load(put(folder, "ha"))
    assert found.languages == tuple(sorted((code, "hau"))) and found.aliases[code] == (folder,)
    assert found.notes == (f"files: by the names of the folders, {folder} is {code} ({name})",)


@pytest.mark.parametrize("pair", [("pt-BR", "pt-PT"), ("in", "ind"), ("Hausa", "ha")])
def test_two_folders_of_one_language_are_named(put, pair):
    with pytest.raises(DataError, match="are the same language") as caught:
        files.load(put(*pair))
    assert all(folder in str(caught.value) for folder in pair)


def test_a_language_may_be_asked_for_by_any_of_its_names(put):
    assert files.load(put("pt-BR", "ha"), ["Portuguese"]).languages == ("por",)


def test_the_folders_of_a_public_data_set_are_as_its_authors_name_them(tmp_path):
    for folder in ("nds", "nds-nl", "ro", "mo"):  # four Wikipedias
        (tmp_path / folder).mkdir()
        for split in ("train", "dev", "test"):
            (tmp_path / folder / split).write_text(f"{folder}:Bremen\tB-LOC\n")
    assert wikiann.load(tmp_path, ["nds", "ro"]).languages == ("nds", "ron")
