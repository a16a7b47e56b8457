"""Entities' tags in other spellings, such as ``b-per``, ``B_PER`` and ``PER-B``: recognised, and read as ``B-PER``.

A spelling is recognised only where all training tags are in it; so no tagger of another kind is taken for one of
entities, and tags in the usual spelling (``_bio``) are not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from gradsim_offline.datasets import bio as _bio
from gradsim_offline.datasets.tagged import Sentence
from gradsim_shared.excerpts import listing, quoted
from gradsim_shared.iob import OUTSIDE

_FORMS = (
    re.compile(r"(?P<prefix>[BIELMSU])[-_:/](?P<type>.+)", re.IGNORECASE),
    re.compile(r"(?P<type>.+)[-_:/](?P<prefix>[BIELMSU])", re.IGNORECASE),
)
_ALONE = frozenset("BIELMSU")

Key = TypeVar("Key")
Reading = Callable[[str], str | None]


def in_usual_spelling(
    sentences: Mapping[Key, Sequence[Sentence]], training: Iterable[Sentence]
) -> tuple[dict[Key, list[Sentence]], tuple[str, ...]]:
    """Return sentences with entities' tags in the usual spelling, and what the user should know about it.

    Args:
        sentences: All of a data set, in any parts.
        training: Those whose tags tell the spelling.
    """
    tags = sorted({tag for sentence in training for tag in sentence.tags})
    reading = _reading(tags)
    if reading is None:
        return {key: list(part) for key, part in sentences.items()}, _doubts(tags)
    found = {key: [_read(sentence, reading) for sentence in part] for key, part in sentences.items()}
    changed = [f"{quoted(tag)} as {quoted(reading(tag))}" for tag in tags if reading(tag) != tag]
    return found, (f"files: the tags mark entities and are read so: {listing(changed)}",)


def _reading(tags: Sequence[str]) -> Reading | None:
    """Return what reads all of these tags as entities'; ``None`` if they are in the usual spelling or nothing does."""
    if any(_is_usual(tag) for tag in tags):
        return None
    for form in _FORMS:
        found = {_usual(tag, form) for tag in tags}
        if None not in found and OUTSIDE in found and any(tag and tag[0] in "BI" for tag in found):
            return partial(_usual, form=form)
    return None


def _is_usual(tag: str) -> bool:
    return _bio.is_prefixed(tag) and tag[0] in "BI"


def _usual(tag: str, form: re.Pattern[str]) -> str | None:
    """Return a tag of one form as ``O`` or prefix, hyphen and type; ``None`` if it is of another."""
    if tag.upper() == OUTSIDE:
        return OUTSIDE
    matched = form.fullmatch(tag)
    return f"{matched['prefix'].upper()}-{matched['type']}" if matched else None


def _read(sentence: Sentence, reading: Reading) -> Sentence:
    """Read the tags that can be read; of the others whoever checks them says what is wrong."""
    return replace(sentence, tags=tuple(reading(tag) or tag for tag in sentence.tags))


def _doubts(tags: Sequence[str]) -> tuple[str, ...]:
    """Word what looks half like entities in tags that are taken as they are, in one sentence; empty if nothing does."""
    if any(_is_usual(tag) for tag in tags):
        return ()
    bare = [tag for tag in tags if tag.upper() in _ALONE]
    if {"B", "I"} <= {tag.upper() for tag in tags} and len(bare) + 1 >= len(tags):
        return (f"files: the tags {', '.join(bare)} have no type, so no entities are read; write B-TYPE and I-TYPE",)
    like = [tag for tag in tags if _FORMS[0].fullmatch(tag) and tag[0] in "BIbi"]
    others = [tag for tag in tags if tag not in like and tag.upper() != OUTSIDE]
    if not like:
        return ()
    why = f"{quoted(others[0])} does not" if others else "there is no O"
    what = f"{quoted(like[0])} looks like an entity's tag and {why}"
    return (f"files: {what}: no entities are read, each tag stands for itself",)
