"""Language codes: any code or name that people write, to ISO 639-3 and an English name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pycountry

from gradsim_shared.errors import DataError
from gradsim_shared.language_tags import readings
from gradsim_shared.nearest import nearest

_KINDS = ("alpha_3", "alpha_2", "bibliographic")  # ISO 639-3 (and 639-2/T), 639-1, 639-2/B
_MACRO = " (macrolanguage)"
_LONGEST_CODE = 3


def find(written: str) -> str | None:
    """Return the ISO 639-3 code that a code or a name stands for; ``None`` if there is no such language.

    It may be of ISO 639-1, 639-2 or 639-3, or one that ISO 639-1 has withdrawn (``iw``); region, script and variant are
    dropped (``pt-BR``). A name is the English one of ISO 639-3 or Glottolog, in any case (``balinese``).
    """
    codes = (listed(reading) or _names().get(_plain(reading)) for reading in readings(written))
    return next(filter(None, codes), None)


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
    from gradsim_offline.core.families import MEMBER, origins

    iso = {str(each.alpha_3): each.name.removesuffix(_MACRO) for each in pycountry.languages}
    common = {str(each.alpha_3): getattr(each, "common_name", "") for each in pycountry.languages}
    glottolog = {code: each.lineage[-1] for code, each in origins().items() if code in iso and code not in MEMBER}
    return _unambiguous(glottolog.items()) | _unambiguous([*iso.items(), *common.items()])


def _unambiguous(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the code of each name, from codes and names; without names of several codes, or as short as a code."""
    codes_of: dict[str, set[str]] = {}
    for code, each in named:
        if len(each) > _LONGEST_CODE:
            codes_of.setdefault(_plain(each), set()).add(code)
    return {each: codes.pop() for each, codes in codes_of.items() if len(codes) == 1}


def _plain(written: str) -> str:
    return written.replace("_", " ").casefold()


def _meant(written: str) -> str:
    """Ask whether one of the nearest codes was meant; where a name was written, the nearest names."""
    if len(written) > _LONGEST_CODE + 1:
        guesses = [_names()[each] for each in nearest(_plain(written), _names())]
    else:
        guesses = nearest(written.lower(), [language.alpha_3 for language in pycountry.languages])
    shown = ", ".join(f"{guess} ({name(guess)})" for guess in guesses)
    return f" Did you mean {shown}?" if shown else ""
