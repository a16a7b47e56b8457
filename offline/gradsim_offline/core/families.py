"""The family of a language, by Glottolog's names, from the data inside the installed package ``urielplus``.

Two of its tables are read as text: codes to Glottolog's codes, and those to lineage and place. ``urielplus`` itself is
not loaded (it would copy 10 MB into its own folder and configure the log); none of its data (CC BY-SA) is shipped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import IO

from gradsim_shared.errors import DataError

_CODES = "urielplus_csvs/uriel_glottocode_map.csv"
_LATER_CODES = "urielplus_csvs/dialects.csv"  # languages that got their code after the first table was made
_ORIGINS = "urielplus_csvs/lang_fam_geo.csv"
_NO_FAMILY = {  # Glottolog's pseudo-families: no known relatives, or no natural spoken language
    "Artificial Language",
    "Bookkeeping",
    "Mixed Language",
    "Pidgin",
    "Sign Language",
    "Speech Register",
    "Unattested",
    "Unclassifiable",
}
_MEMBERS = """
    ara:arb aze:azj bal:bgp bik:bcl est:ekk fas:pes gba:gbp grn:gug hmn:mww iku:ike jrb:yud kau:knc kok:knn kon:kng
    kpe:xpe lah:pnb luy:bxk man:mnk mlg:plt msa:zsm mwr:rwr oji:ojb ori:ory orm:gaz que:quz raj:hoj srd:sro swa:swh
    syr:aii yid:ydd zho:cmn
"""  # macrolanguages of ISO 639-3 that Glottolog has no entry for, by their largest or standard member
MEMBER = dict(pair.split(":") for pair in _MEMBERS.split())


@dataclass(frozen=True)
class Origin:
    """Where a language comes from.

    Attributes:
        lineage: Families from the widest to the narrowest, then the language's own name; an isolate has only that.
        place: Latitude and longitude in degrees; ``None``: not known.
    """

    lineage: tuple[str, ...]
    place: tuple[float, float] | None


def families(languages: Sequence[str]) -> tuple[str, ...]:
    """Return the widest family of each language; one without known relatives is a family of its own.

    Args:
        languages: ISO 639-3 codes; macrolanguages such as ``swa`` are taken as their standard member.

    Raises:
        DataError: A language is not in Glottolog's tables.
    """
    return tuple(lineage(code)[0] for code in languages)


def lineage(language: str) -> tuple[str, ...]:
    """Return a language's families from the widest to the narrowest, then its own name.

    Raises:
        DataError: It is not in Glottolog's tables.
    """
    return origin(language).lineage


def origin(language: str) -> Origin:
    """Return families and place of an ISO 639-3 code.

    Raises:
        DataError: It is not in Glottolog's tables.
    """
    known = origins().get(language)
    if known is None:
        raise DataError(
            f"the family of {language!r} is not known to urielplus (Glottolog). Leave the language out, or state how "
            "near it is to the others yourself: --measure given --set similarity.path=FILE"
        )
    return known


@cache
def origins() -> Mapping[str, Origin]:
    """Return all known origins by ISO 639-3 code; about 8 000, read once in a tenth of a second.

    Raises:
        DataError: The installed urielplus has not the tables that are expected.
    """
    codes = {row["Language Iso"]: row["Language Glot"] for row in _table(_LATER_CODES)}
    codes |= {row["iso_code"]: row["glottocode"] for row in _table(_CODES) if row["glottocode"]}
    by_glottocode = {row["language_id"]: _origin(row) for row in _table(_ORIGINS)}
    listed = {code: by_glottocode[glottocode] for code, glottocode in codes.items() if glottocode in by_glottocode}
    members = {macro: listed[member] for macro, member in MEMBER.items() if member in listed}
    return {code: origin for code, origin in (members | listed).items() if code}


def _origin(row: Mapping[str, str]) -> Origin:
    names = tuple(row["lineage"].split(", ")) if row["lineage"] else ()
    if names and names[0] in _NO_FAMILY:
        names = ()
    known = row["latitude"] and row["longitude"]
    place = (float(row["latitude"]), float(row["longitude"])) if known else None
    return Origin((*names, row["language_name"]), place)


def _table(name: str) -> list[dict[str, str]]:
    with io.TextIOWrapper(open_uriel(name), encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def uriel_version() -> str:
    """Return which urielplus is installed: its tables may differ between versions.

    Raises:
        ModuleNotFoundError: None is.
    """
    return f"urielplus {metadata.version('urielplus')}"


def open_uriel(name: str) -> IO[bytes]:
    """Open one of urielplus' data files for reading, without loading urielplus.

    Raises:
        DataError: The installed version has no such file.
        ModuleNotFoundError: urielplus is not installed.
    """
    path = resources.files("urielplus").joinpath("database", name)
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"the installed urielplus has no {name}; pip install urielplus==1.3 brings it") from error
