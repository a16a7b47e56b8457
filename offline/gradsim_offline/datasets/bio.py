"""Tags of named entities: how they are recognised, read as BIO from other schemes, and repaired.

An entity of type X is ``B-X`` and then any number of ``I-X``; all other words are ``O`` (IOB2). The rule of repair: an
``I-X`` after ``O``, after another type or at the start of a sentence opens an entity, so it is read as ``B-X``. What
IOB1 means is the same, so IOB1 needs no rule of its own. BIOES, BILOU and BMES say more than BIO and are read as it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradsim_shared.iob import OUTSIDE

_BIO_OF = {"B": "B", "I": "I", "E": "I", "L": "I", "M": "I", "S": "B", "U": "B"}  # end, last, middle; single, unit


def is_prefixed(tag: str) -> bool:
    """Return whether a tag is one of a word in an entity: a prefix and a type, as ``B-PER``."""
    return len(tag) > 2 and tag[1] == "-" and tag[0] in _BIO_OF


def bio(tag: str) -> str:
    """Return a tag of BIOES, BILOU or BMES as BIO has it; other tags as they are."""
    return f"{_BIO_OF[tag[0]]}{tag[1:]}" if is_prefixed(tag) else tag


def bio_labels(types: Iterable[str]) -> tuple[str, ...]:
    """Return the labels for entity types: O, then B-X and I-X for each type in alphabetical order."""
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in sorted(set(types)) for prefix in "BI"))


def types(tags: Iterable[str]) -> set[str]:
    """Return the entity types of tags."""
    return {tag[2:] for tag in tags if tag != OUTSIDE}


def repair(tags: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Let every entity open with ``B-``; return the tags of a sentence and how many ``I-`` became ``B-``."""
    fixed: list[str] = []
    previous = OUTSIDE
    opened = 0
    for tag in tags:
        opens = tag.startswith("I-") and previous[2:] != tag[2:]
        fixed.append(f"B-{tag[2:]}" if opens else tag)
        opened += opens
        previous = tag
    return tuple(fixed), opened
