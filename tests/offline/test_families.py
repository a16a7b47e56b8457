"""Families of the languages that people use, against what is known and against URIEL's own family features."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pycountry
import pytest

from gradsim_offline.core import families as module
from gradsim_offline.core.families import MEMBER, families, lineage, origins
from gradsim_offline.datasets.sources import demo
from gradsim_shared.errors import DataError

KNOWN = {
    "Afro-Asiatic": "amh arq ary hau",
    "Atlantic-Congo": "ibo kin swa tso twi yor lug wol",
    "Indo-European": "pcm por bul dan eng hin rus spa",
    "Uralic": "est fin hun",
    "Nilotic": "luo",
    "Dravidian": "tam",
    "Austronesian": "ind",
    "Turkic": "tur",
}


@pytest.fixture(scope="module")
def widest():
    """The widest family of every language by URIEL's own arrays: the one of its families with the most members."""
    path = resources.files("urielplus") / "database" / "original_uriel" / "family_features.npz"
    with path.open("rb") as stream, np.load(stream) as arrays:
        member = arrays["data"][:, :, 0] > 0
        names = [str(name).removeprefix("F_") for name in arrays["feats"]]
        codes = [str(code) for code in arrays["langs"]]
    order = np.argsort(-member.sum(axis=0), kind="stable")
    return {c: names[order[row[order].argmax()]] for c, row in zip(codes, member, strict=True) if row.any()}


def test_languages_of_the_data_sets():
    expected = {code: family for family, codes in KNOWN.items() for code in codes.split()}
    assert dict(zip(expected, families(list(expected)), strict=True)) == expected
    assert set(demo.load().languages) <= set(expected)


def test_macrolanguages_are_their_standard_member(widest):
    assert lineage("swa") == lineage("swh") and lineage("est") == lineage("ekk")
    for macro, member in MEMBER.items():
        assert pycountry.languages.get(alpha_3=macro).scope == "M", macro
        assert pycountry.languages.get(alpha_3=member).scope == "I", member
        assert families([macro])[0] == widest.get(macro, widest.get(member)), macro
    for language in pycountry.languages:
        assert language.scope != "M" or language.alpha_3 in origins(), language


def test_agrees_with_the_family_features_but_for_names_that_changed(widest):
    both = [code for code in widest if code in origins()]
    same = [code for code in both if families([code])[0] == widest[code]]
    assert len(both) > 7000
    assert len(same) / len(both) > 0.91  # 0.920: Glottolog has since renamed or split some families, as Kru
    large = {"Atlantic-Congo", "Austronesian", "Indo-European", "Sino-Tibetan", "Afro-Asiatic", "Pama-Nyungan"}
    assert sum(widest[code] in large and code not in same for code in both) < 100


def test_lineages_are_nested_and_end_with_the_language():
    assert lineage("deu")[:3] == ("Indo-European", "Classical Indo-European", "Germanic")
    assert lineage("deu")[-1] == "German" and len(set(lineage("deu"))) == len(lineage("deu"))


def test_without_relatives_a_language_is_a_family_of_its_own():
    assert lineage("eus") == ("Basque",)
    assert len(set(families(["eus", "epo", "ido", "ain"]))) == 4


def test_places_are_degrees():
    latitude, longitude = origins()["hau"].place
    assert latitude == pytest.approx(11, abs=1) and longitude == pytest.approx(8.8, abs=1)


@pytest.mark.parametrize("code", ["xxx", "", "hausa"])
def test_an_unknown_language_is_named(code):
    with pytest.raises(DataError, match=rf"the family of '{code}' is not known.*--measure given"):
        families(["hau", code])


def test_families_are_read_without_loading_urielplus(capfd):
    package = Path(str(resources.files("urielplus")))
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*.npz")}
    origins.cache_clear()
    families(["hau"])
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*.npz")} == before
    assert not {"urielplus.urielplus", "urielplus.base_uriel"} & set(sys.modules)
    assert capfd.readouterr() == ("", "")


def test_another_urielplus_without_these_tables(tmp_path, monkeypatch):
    origins.cache_clear()
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    with pytest.raises(DataError, match=r"the installed urielplus has no urielplus_csvs.*pip install urielplus==1\.3"):
        families(["hau"])
