"""Write the sentences of the `demo` data set from the grammars in demo_grammars/, always the same ones.

A template such as ``"{opener}, {clause}"`` is filled from lists of whole phrases, so agreement is settled in the
grammar file. A slot is looked up in the list of the sentence's label first, then in the list for all labels; phrases
may hold slots again. Slots PER, LOC and ORG, also with a form as in ``{LOC_in}``, are named entities.
How emoji, hashtags, punctuation and company names go with labels depends on the language's block: conventions.toml.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from gradsim_offline.core.dataset import Split

FOLDER = Path(__file__).parent / "demo_grammars"
SEED = 20240607
SIZES: Mapping[Split, int] = {"train": 200, "dev": 40, "test": 60}
"""Sentences per language; the percentages of the labels are multiples of 5, so that every share is a whole number."""

CUE_PERCENT = {"emoji": 30, "hashtag": 16}
"""How often a sentence gets one of each, drawn independently: four sentences of ten get one or both."""

Entity = tuple[int, int, str]
"""Start and end in code points, and PER, LOC or ORG."""

Item = TypeVar("Item")
_SLOT = re.compile(r"\{(\w+)\}")
_ENTITY_TYPES = ("PER", "LOC", "ORG")


@dataclass(frozen=True)
class Sentence:
    """One generated text, its label and where its named entities are."""

    text: str
    label: str
    entities: tuple[Entity, ...]


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def languages() -> tuple[str, ...]:
    """Name the languages that have a grammar, as sorted ISO 639-3 codes."""
    return tuple(sorted(path.stem for path in FOLDER.glob("???.toml")))


def grammar(code: str) -> dict[str, Any]:
    """Return the grammar of a language, as its TOML file has it, with the conventions of its block."""
    found = _read(code)
    return {**found, "conventions": _read("conventions")[found["block"]]}


@cache
def generate(code: str) -> dict[Split, tuple[Sentence, ...]]:
    """Write all sentences of a language; no two are the same but for emoji, hashtags and punctuation."""
    language = grammar(code)
    rng = random.Random(f"{SEED}:{code}")
    splits: dict[Split, list[Sentence]] = {split: [] for split in SIZES}
    taken: set[str] = set()
    for label, percent in sorted(language["percent"].items()):
        for split, size in SIZES.items():
            splits[split] += [_new_sentence(language, label, rng, taken) for _ in range(size * percent // 100)]
    return {split: tuple(_shuffled(sentences, rng)) for split, sentences in splits.items()}


def _new_sentence(language: Mapping[str, Any], label: str, rng: random.Random, taken: set[str]) -> Sentence:
    """Write a sentence whose words are not taken yet, and take them."""
    templates: Sequence[str] = [template["text"] for template in language["template"]]
    for _ in range(1000):
        text, entities = _fill(_pick(templates, rng), language, label, rng)
        text = _capital(text, language)
        if text not in taken:
            taken.add(text)
            ending = _ending(language, label, rng)
            opening = language.get("opening", {}).get(ending[0], "")  # Spanish opens with ¡ what ends with !
            return _opened(Sentence(text + ending, label, tuple(entities)), opening)
    raise ValueError(f"the grammar of {language['code']} has too few {label} sentences: 1000 draws gave no new one")


def _opened(sentence: Sentence, opening: str) -> Sentence:
    """Put the opening mark before the sentence, or behind its colon as in ``Ana escribe: ¡...!``; move the spans."""
    text, width = sentence.text, len(opening)
    place = text.find(": ") + 2 if ": " in text else 0
    moved = [
        (start + width, end + width, kind) if start >= place else (start, end, kind)
        for start, end, kind in sentence.entities
    ]
    return Sentence(text[:place] + opening + text[place:], sentence.label, tuple(moved))


def _fill(text: str, language: Mapping[str, Any], label: str, rng: random.Random) -> tuple[str, list[Entity]]:
    """Fill the slots of a phrase, and those of the phrases put there; return the text and its entities."""
    out, entities, position = "", list[Entity](), 0
    for slot in _SLOT.finditer(text):
        out += text[position : slot.start()]
        phrase, inner = _fill(_choose(slot[1], language, label, rng), language, label, rng)
        kind = slot[1].split("_")[0]
        inner = [(0, len(phrase), kind)] if kind in _ENTITY_TYPES else inner
        entities += [(start + len(out), end + len(out), kind) for start, end, kind in inner]
        out += phrase
        position = slot.end()
    return out + text[position:], entities


def _choose(slot: str, language: Mapping[str, Any], label: str, rng: random.Random) -> str:
    if slot == "ORG":
        return _convention("organisation", language, label, rng)
    phrases: Sequence[str] = language[label].get(slot) or language["slots"][slot]
    return _pick(phrases, rng)


def _ending(language: Mapping[str, Any], label: str, rng: random.Random) -> str:
    """Draw the punctuation at the end, and perhaps an emoji and a hashtag."""
    ending = _convention("punctuation", language, label, rng)
    ending = language.get("full_stop", ".") if ending == "." else ending
    for cue, percent in CUE_PERCENT.items():
        if _below(100, rng) < percent:
            ending += " " + _convention(cue, language, label, rng)
    return ending


def _convention(cue: str, language: Mapping[str, Any], label: str, rng: random.Random) -> str:
    """Draw an emoji, hashtag, ... with the odds that the language's block gives it for this label."""
    odds: Mapping[str, Mapping[str, int]] = language["conventions"][cue]
    return _pick([sign for sign, weights in odds.items() for _ in range(weights[label])], rng)


def _capital(text: str, language: Mapping[str, Any]) -> str:
    first: str = language.get("capitals", {}).get(text[0], text[0].upper())
    return first + text[1:]


def _below(bound: int, rng: random.Random) -> int:
    return int(rng.random() * bound)  # choice() and shuffle() may differ between Python versions, random() may not


def _pick(items: Sequence[Item], rng: random.Random) -> Item:
    return items[_below(len(items), rng)]


def _shuffled(items: Sequence[Item], rng: random.Random) -> list[Item]:
    """Return the items in a random order (Fisher and Yates)."""
    shuffled = list(items)
    for last in range(len(shuffled) - 1, 0, -1):
        other = _below(last + 1, rng)
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return shuffled
