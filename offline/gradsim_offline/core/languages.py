"""Languages at the edge: any code that people write, to ISO 639-3 and a name."""

from __future__ import annotations

import pycountry

from gradsim_shared.errors import DataError
from gradsim_shared.nearest import nearest

_KINDS = ("alpha_3", "alpha_2", "bibliographic")  # ISO 639-3 (and 639-2/T), 639-1, 639-2/B
_MACRO = " (macrolanguage)"


def resolve(code: str) -> str:
    """Return the ISO 639-3 code for an ISO 639-1, 639-2 or 639-3 code.

    Raises:
        DataError: There is no such language; the message names the nearest codes.
    """
    found = next(filter(None, (pycountry.languages.get(**{kind: code.lower()}) for kind in _KINDS)), None)
    if found is None:
        named = pycountry.languages.get(name=code.capitalize())
        known = [language.alpha_3 for language in pycountry.languages]
        guesses = [named.alpha_3] if named else nearest(code.lower(), known)
        shown = ", ".join(f"{guess} ({name(guess)})" for guess in guesses)
        meant = f" Did you mean {shown}?" if shown else ""
        raise DataError(f"unknown language code {code!r}; it must be an ISO 639-3 code such as hau.{meant}")
    return str(found.alpha_3)


def name(code: str) -> str:
    """Return the English name of an ISO 639-3 code."""
    return str(pycountry.languages.get(alpha_3=code).name).removesuffix(_MACRO)


def other_codes(code: str) -> tuple[str, ...]:
    """Return the ISO 639-1 code of a language, if it has one."""
    found = getattr(pycountry.languages.get(alpha_3=code), "alpha_2", None)
    return (found,) if found else ()
