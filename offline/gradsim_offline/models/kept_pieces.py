"""Which pieces a vocabulary keeps when it is trimmed, and the tokenizer that is left.

A text whose pieces are all kept is tokenised as before. Unigram: the best path is still there, and no other has become
better; WordPiece: the longest match is still there; BPE: all merges that lead to a kept piece are kept, in their order.
Other texts fall into shorter pieces, for which the single characters of the scripts in use are all kept.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from tokenizers import Tokenizer

from gradsim_shared.errors import ModelError

_NO_SCRIPT = {"COMBINING", "MODIFIER", "FEMININE", "MASCULINE", "FULLWIDTH", "HALFWIDTH", "MICRO"}
_BYTE = "<0x"  # pieces that stand for a byte, where characters are unknown
_BYTE_ALPHABET = 0x144  # byte-level BPE spells every byte as a character below it


def scripts_of(characters: Iterable[str]) -> set[str]:
    """Return the scripts of letters and their marks, named as Unicode names them: ``LATIN``, ``ETHIOPIC``, ``CJK``."""
    return {script for character in characters if (script := _script(character))}


@cache
def _script(character: str) -> str:
    if unicodedata.category(character)[0] not in "LM":
        return ""
    word = unicodedata.name(character, "").partition(" ")[0]
    return "" if word in _NO_SCRIPT else word


def keep(tokenizer: Tokenizer, needed: Collection[int], scripts: set[str], common: int) -> tuple[Tokenizer, list[int]]:
    """Return a tokenizer with fewer pieces, and the numbers that they had, in the order of those that they have.

    Args:
        tokenizer: Of the kind Unigram, BPE or WordPiece.
        needed: Numbers of the pieces to keep.
        scripts: Their single characters are kept, too, beside all that are no letters.
        common: So many pieces from the first, the most frequent in all three kinds, are kept if all their letters are
            of these scripts.

    Raises:
        ModelError: The tokenizer is of another kind.
    """
    content, vocabulary = json.loads(tokenizer.to_str()), tokenizer.get_vocab()
    model = content["model"]
    special = {token["id"] for token in content["added_tokens"]}
    single = {number for piece, number in vocabulary.items() if _single(piece, model, scripts)}
    frequent = {number for piece, number in vocabulary.items() if number < common and scripts_of(piece) <= scripts}
    kept = sorted(_with_what_they_need(special.union(needed, single, frequent), model, vocabulary))
    new = {old: position for position, old in enumerate(kept)}
    _renumber(content, new)
    after = Tokenizer.from_str(json.dumps(content, ensure_ascii=False))
    if after.get_vocab() != {piece: new[old] for piece, old in vocabulary.items() if old in new}:
        raise ModelError("its tokenizer numbers pieces in a way of its own")
    return after, kept


def _single(piece: str, model: Mapping[str, Any], scripts: Collection[str]) -> bool:
    """Return whether a piece is a byte, or a single character of these scripts or of none."""
    plain = piece.removeprefix(model.get("continuing_subword_prefix") or "")
    if len(plain) != 1:
        return piece.startswith(_BYTE)
    script = _script(plain)
    return not script or script in scripts or (model["type"] == "BPE" and ord(plain) < _BYTE_ALPHABET)


def _with_what_they_need(kept: set[int], model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> set[int]:
    """Return the kept pieces, and those without which a text of them would be tokenised otherwise.

    Raises:
        ModelError: The tokenizer is of another kind.
    """
    kind, unknown = model["type"], vocabulary.get(model.get("unk_token") or "")
    needed = set(kept) if unknown is None else kept | {unknown}
    if kind == "Unigram":
        scores = [score for _, score in model["vocab"]]
        needed.add(scores.index(min(scores)))  # what an unknown character costs depends on the lowest score
        return needed if model["unk_id"] is None else needed | {model["unk_id"]}
    if kind == "BPE" and not model.get("continuing_subword_prefix") and not model.get("end_of_word_suffix"):
        ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}
        pieces = [piece for piece, number in vocabulary.items() if number in needed]
        return needed | {vocabulary[part] for piece in pieces for part in _merged(piece, ranks)}
    if kind != "WordPiece":
        raise ModelError(f"its tokenizer is of a kind ({kind}) or form that has no rule here")
    return needed


def _merged(piece: str, ranks: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Yield what arises while merges make a piece of its characters, in their order."""
    parts = list(piece)
    while len(parts) > 1:
        rank, place = min((ranks.get((parts[i], parts[i + 1]), len(ranks)), i) for i in range(len(parts) - 1))
        if rank == len(ranks):
            return
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        yield parts[place]


def _renumber(content: dict[str, Any], new: Mapping[int, int]) -> None:
    """Leave only kept pieces in a tokenizer's content, with their new numbers."""
    model = content["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new]
        model["unk_id"] = new.get(model["unk_id"])
    else:
        there = model["vocab"] = {piece: new[old] for piece, old in model["vocab"].items() if old in new}
        if "merges" in model:
            merges = [(left, right) for left, right in model["merges"] if left in there and right in there]
            model["merges"] = [(left, right) for left, right in merges if left + right in there]
    for token in content["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber_template(content.get("post_processor") or {}, new)


def _renumber_template(processor: dict[str, Any], new: Mapping[int, int]) -> None:
    """Give the special pieces around a text their new numbers."""
    for inner in processor.get("processors", ()):
        _renumber_template(inner, new)
    for name in ("cls", "sep"):  # of BERT's and RoBERTa's
        if name in processor:
            piece, old = processor[name]
            processor[name] = [piece, new[old]]
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [new[old] for old in token["ids"]]
