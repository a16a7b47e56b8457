"""Tags of named entities: read as BIO from other schemes and spellings, and repaired.

An entity of type X is ``B-X`` and then any number of ``I-X``; all other words are ``O`` (IOB2). The rule of repair: an
``I-X`` after ``O``, after another type or at the start of a sentence opens an entity, so it is read as ``B-X``. What
IOB1 means is the same, so IOB1 needs no rule of its own. BIOES, BILOU and BMES say more than BIO and are read as it.

Other spellings are such as ``b-per``, ``B_PER`` and ``PER-B``. One is recognised only where all training tags are in
it, so that no tagger of another kind is taken for one of entities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from gradsim_shared.excerpts import listing, quoted
from gradsim_shared.iob import OUTSIDE

_BIO_OF = {"B": "B", "I": "I", "E": "I", "L": "I", "M": "I", "S": "B", "U": "B"}  # end, last, middle; single, unit
_SPELLINGS = (
    re.compile(r"(?P<prefix>[BIELMSU])[-_:/](?P<type>.+)", re.IGNORECASE),
    re.compile(r"(?P<type>.+)[-_:/](?P<prefix>[BIELMSU])", re.IGNORECASE),
)


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


def usual_spelling(training: Iterable[str]) -> tuple[Callable[[str], str] | None, tuple[str, ...]]:
    """Return what turns a tag into the usual spelling, ``None`` if nothing has to, and notes for the user.

    A tag that is not in the spelling of the others stays as it is; whoever checks it says what is wrong.

    Args:
        training: The tags that tell the spelling.
    """
    tags = sorted(set(training))
    if any(_is_usual(tag) for tag in tags):
        return None, ()
    for form in _SPELLINGS:
        usual = {tag: _usual(tag, form) for tag in tags}
        read = [tag for tag in usual.values() if tag]
        if len(read) == len(tags) and OUTSIDE in read and any(tag[0] in "BI" for tag in read):
            changed = [f"{quoted(tag)} as {quoted(usual[tag])}" for tag in tags if usual[tag] != tag]
            note = f"files: the tags are read as entities': {listing(changed)}"
            return partial(_usual_or_same, form=form), (note,)
    return None, _doubts(tags)


def _is_usual(tag: str) -> bool:
    return is_prefixed(tag) and tag[0] in "BI"


def _usual(tag: str, form: re.Pattern[str]) -> str | None:
    """Return a tag of one spelling as ``O`` or prefix, hyphen and type; ``None`` if it is of another."""
    if tag.upper() == OUTSIDE:
        return OUTSIDE
    matched = form.fullmatch(tag)
    return f"{matched['prefix'].upper()}-{matched['type']}" if matched else None


def _usual_or_same(tag: str, form: re.Pattern[str]) -> str:
    return _usual(tag, form) or tag


def _doubts(tags: Sequence[str]) -> tuple[str, ...]:
    """Word what looks half like entities in tags that are taken as they are, in one sentence; empty if nothing does."""
    bare = [tag for tag in tags if tag.upper() in _BIO_OF]
    if {"B", "I"} <= {tag.upper() for tag in tags} and len(bare) + 1 >= len(tags):
        return (f"files: the tags {', '.join(bare)} have no type, so no entities are read; write B-TYPE and I-TYPE",)
    like = [tag for tag in tags if _SPELLINGS[0].fullmatch(tag) and tag[0] in "BIbi"]
    others = [tag for tag in tags if tag not in like and tag.upper() != OUTSIDE]
    if not like:
        return ()
    why = f"{quoted(others[0])} does not" if others else "there is no O"
    what = f"{quoted(like[0])} looks like an entity's tag and {why}"
    return (f"files: {what}: no entities are read, each tag stands for itself",)
