"""Language codes: any code or name that people write, to ISO 639-3 and an English name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

import pycountry

from gradsim_shared.errors import DataError
from gradsim_shared.language_tags import readings
from gradsim_shared.nearest import nearest

_KINDS = ("alpha_3", "alpha_2", "bibliographic")  # ISO 639-3 (and 639-2/T), 639-1, 639-2/B
_MACRO = " (macrolanguage)"
_LONGEST_CODE = 3
_USUAL = """
    arb modern standard arabic | ary darija | aze azeri | bjn banjarese | bug bugis | cat valencian
    ckb sorani | cmn mandarin | ell greek | eng american english, british english | fas farsi | fry frisian
    ful fula, fulfulde | gla gaelic, scots gaelic | gle irish gaelic | hat haitian creole | ind bahasa indonesia
    khm cambodian | kik gikuyu | kin ikinyarwanda | kir kyrgyz | kmr kurmanji | lao laotian | lug luganda | luo dholuo
    mos moore | msa bahasa melayu | mya myanmar | nbl isindebele | nld flemish | nso sepedi | nya chewa, chinyanja
    orm afaan oromo, afan oromo | pan punjabi | pcm naija, pidgin nigeria | por brazilian portuguese | pus pashto
    ron moldavian, moldovan | run kirundi | sin sinhalese | slv slovene | sna chishona | sot sesotho | spa castilian
    ssw siswati | swa kiswahili | tir tigrigna | tsn setswana | tso xitsonga | twi asante twi | uig uyghur
    ven tshivenda | xho isixhosa | yue cantonese | zho simplified chinese, traditional chinese | zul isizulu
"""  # spellings that people use and neither ISO 639-3 nor Glottolog lists
_BRACKETS = re.compile(r"\(.*?\)")
_NO_LETTERS = re.compile(r"[\W_]+")


def find(written: str) -> str | None:
    """Return the ISO 639-3 code that a code or a name stands for; ``None`` if there is no such language.

    It may be of ISO 639-1, 639-2 or 639-3, or one that ISO 639-1 has withdrawn (``iw``); region, script and variant are
    dropped (``pt-BR``). A name is the English one of ISO 639-3 or Glottolog, or a usual spelling, in any case, with
    or without accents, its words in any order (``balinese``, ``Toba-Batak``, ``isiZulu``).
    """
    codes = (listed(reading) or _names().get(_plain(reading)) for reading in readings(written))
    return next(filter(None, codes), None) or _loose_names().get(_loose(written))


def resolve(written: str) -> str:
    """Return what ``find`` returns.

    Raises:
        DataError: There is no such language; the message names the nearest.
    """
    code = find(written)
    if code is None:
        raise DataError(
            f"unknown language code {written!r}; it must be an ISO 639-3 code such as hau.{_meant(written)}"
        )
    return code


def listed(code: str) -> str | None:
    """Return the ISO 639-3 code for a code that ISO 639 lists today, exactly as it does; ``None`` for anything else."""
    language = next(filter(None, (pycountry.languages.get(**{kind: code.lower()}) for kind in _KINDS)), None)
    return str(language.alpha_3) if language else None


def name(code: str) -> str:
    """Return the English name of an ISO 639-3 code."""
    return str(pycountry.languages.get(alpha_3=code).name).removesuffix(_MACRO)


def other_codes(code: str) -> tuple[str, ...]:
    """Return the ISO 639-1 code of a language, if it has one."""
    short = getattr(pycountry.languages.get(alpha_3=code), "alpha_2", None)
    return (short,) if short else ()


@cache
def _names() -> dict[str, str]:
    """Return the code of each name that one language alone has: ISO's names, then Glottolog's."""
    iso, glottolog = _listed_names()
    return _unambiguous(glottolog, _plain) | _unambiguous(iso, _plain)


@cache
def _loose_names() -> dict[str, str]:
    """Return the code of each name in its loose form: usual spellings, then ISO's names, then Glottolog's."""
    iso, glottolog = ([(code, _BRACKETS.sub("", each)) for code, each in names] for names in _listed_names())
    entries = (entry.split(maxsplit=1) for line in _USUAL.strip().splitlines() for entry in line.split(" | "))
    usual = [(code, each) for code, names in entries for each in names.split(",")]
    return _unambiguous(glottolog, _loose) | _unambiguous(iso, _loose) | _unambiguous(usual, _loose)


Named = list[tuple[str, str]]
"""Codes and names."""


def _listed_names() -> tuple[Named, Named]:
    """Return the names in ISO 639-3, and Glottolog's of its languages."""
    from gradsim_offline.core.families import MEMBER, origins

    iso = {str(each.alpha_3): each.name.removesuffix(_MACRO) for each in pycountry.languages}
    common = {str(each.alpha_3): getattr(each, "common_name", "") for each in pycountry.languages}
    glottolog = {code: each.lineage[-1] for code, each in origins().items() if code in iso and code not in MEMBER}
    return [*iso.items(), *common.items()], [*glottolog.items()]


def _unambiguous(named: Iterable[tuple[str, str]], form: Callable[[str], str]) -> dict[str, str]:
    """Return the code of each name in a form, without names of several codes, or as short as a code."""
    codes_of: dict[str, set[str]] = {}
    for code, each in named:
        if len(each) > _LONGEST_CODE:
            codes_of.setdefault(form(each), set()).add(code)
    return {each: codes.pop() for each, codes in codes_of.items() if len(codes) == 1}


def _plain(written: str) -> str:
    return written.replace("_", " ").casefold()


def _loose(written: str) -> str:
    """Return a name without capitals, accents and signs, its words in alphabetical order."""
    letters = unicodedata.normalize("NFKD", written.casefold())
    spoken = "".join(each for each in letters if not unicodedata.combining(each) and each not in "'\u2019\u02bc")
    return " ".join(sorted(_NO_LETTERS.sub(" ", spoken).split()))


def _meant(written: str) -> str:
    """Ask whether one of the nearest codes was meant; where a name was written, the nearest names."""
    if len(written) > _LONGEST_CODE + 1:
        guesses = [_names()[each] for each in nearest(_plain(written), _names())]
    else:
        guesses = nearest(written.lower(), [language.alpha_3 for language in pycountry.languages])
    shown = ", ".join(f"{guess} ({name(guess)})" for guess in guesses)
    return f" Did you mean {shown}?" if shown else ""
