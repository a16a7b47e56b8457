"""Look-up forms of a language tag (BCP 47): as written, today's code, without region, script or variant."""

from __future__ import annotations

import re
from collections.abc import Iterator

WITHDRAWN = {"in": "ind", "iw": "heb", "ji": "yid", "jw": "jav", "mo": "ron"}
"""Codes that ISO 639-1 once had, and which Java, Android and old corpora still write, to ISO 639-3."""

_SUBTAG = re.compile(  # RFC 5646, section 2.1: script, region, or a variant with a digit, as in de-1996 and pt-ao1990
    r"[-_](?:[A-Za-z]{4}|[A-Za-z]{2}|[0-9]{3}|[0-9][A-Za-z0-9]{3}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{5,8})\Z"
)


def readings(tag: str) -> Iterator[str]:
    """Yield what a tag may be listed under, nearest to its spelling first.

    ``iw-IL`` gives ``iw-IL``, ``iw-il``, ``iw``, ``heb``. A variant of letters alone is not taken off: it may be any
    word.
    """
    while True:
        yield tag
        if tag != tag.lower():
            yield tag.lower()
        if tag.lower() in WITHDRAWN:
            yield WITHDRAWN[tag.lower()]
        last = _SUBTAG.search(tag)
        if last is None:
            return
        tag = tag[: last.start()]
