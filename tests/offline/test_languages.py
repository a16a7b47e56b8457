"""Languages at the edge: every code and every name that people write."""

from __future__ import annotations

import pycountry
import pytest

from gradsim_offline.core import languages
from gradsim_shared.errors import DataError


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(("pt-BR", "por"), ("zh_Hant_TW", "zho"), ("de-CH-1901", "deu"), ("es-419", "spa"), ("GER", "deu")),
        *(("in", "ind"), ("iw", "heb"), ("ji", "yid"), ("jw", "jav"), ("mo", "ron"), ("sh", "hbs")),
        *(("balinese", "ban"), ("Acehnese", "ace"), ("BATAK_TOBA", "bbc"), ("swahili", "swa"), ("bangla", "ben")),
        *(("Nigerian-Pidgin", "pcm"), ("naija", "pcm"), ("Toba Batak", "bbc"), ("Batak (Toba)", "bbc"), ("luo", "luo")),
        *(("zh-CN", "zho"), ("Greek", "ell"), ("isiZulu", "zul"), ("Yorùbá", "yor"), ("Norwegian bokmal", "nob")),
        *(("Darija", "ary"), ("Xitsonga", "tso"), ("farsi", "fas"), ("brazilian portuguese", "por")),
    ],
)
def test_codes_and_names_resolve_to_iso_639_3(written, code):
    assert languages.resolve(written) == code


def test_every_shown_language_name_resolves():
    for language in pycountry.languages:
        shown = languages.name(language.alpha_3)
        if len(shown) > 3:
            assert languages.resolve(shown) == language.alpha_3


def test_names_that_could_be_several_languages_are_not_guessed():
    for written in ("Luo-", "Kurdish (other)", "Pidgin"):
        assert languages.find(written) is None


def test_the_table_of_usual_spellings_names_codes_that_iso_lists():
    for code, *names in (entry.split() for line in languages._USUAL.splitlines() for entry in line.split("|") if entry):
        assert not names or languages.listed(code) == code


@pytest.mark.parametrize(
    ("written", "meant"), [("balinees", "ban (Balinese)"), ("yorr", "yor (Yoruba)"), ("zh-yue", ""), ("hau-old", "")]
)
def test_an_unknown_code_or_name_names_the_nearest(written, meant):
    with pytest.raises(DataError, match=f"^unknown language code '{written}'; it must be an ISO 639-3 code") as caught:
        languages.resolve(written)
    assert meant in str(caught.value)
