"""Reads encoder weights that were rounded to 4 bits: the file form ``E5S1``, little endian.

A block of 32 values is an fp16 scale d and 16 bytes; byte j holds value j in its low half and value j + 16 in its high
half, and a value is (half - 8) x d.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import ModelError

MAGIC = b"E5S1"
BLOCK = 32  # values that share a scale
_BLOCK_BYTES = 2 + BLOCK // 2
_FLOAT32, _FOUR_BITS = 0, 1


@dataclass(frozen=True)
class Sizes:
    """Sizes of a BERT, in the order of the file's header."""

    hidden: int
    blocks: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


def read(content: bytes) -> tuple[Sizes, Iterator[tuple[str, NDArray[np.float32]]]]:
    """Return the sizes, and the tensors one after the other, each flat: its name and its values.

    Raises:
        ModelError: The content is of another form.
    """
    cursor = _Cursor(content)
    if content[:4] != MAGIC:
        raise ModelError(f"weights of the form {content[:4]!r}, expected {MAGIC!r}")
    cursor.skip(8)  # and the version
    hidden, blocks, heads, inner, vocabulary, positions, types, epsilon, block = cursor.take("7ifi")
    if block != BLOCK:
        raise ModelError(f"weights in blocks of {block} values, expected {BLOCK}")
    _skip_tokenizer(cursor)
    return Sizes(hidden, blocks, heads, inner, vocabulary, positions, types, epsilon), _tensors(cursor)


class _Cursor:
    """Where reading is."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.content, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def skip(self, count: int) -> None:
        self.at += count


def _skip_tokenizer(cursor: _Cursor) -> None:
    """Skip pieces, scores and the normalisation map: tokenizer.json holds them, too."""
    pieces, *_special, spelled = cursor.take("i4iQ")
    cursor.skip(4 * (pieces + 1) + 4 * pieces + spelled)
    _entries, length = cursor.take("iI")
    cursor.skip(length)


def _tensors(cursor: _Cursor) -> Iterator[tuple[str, NDArray[np.float32]]]:
    (count,) = cursor.take("i")
    for _ in range(count):
        (length,) = cursor.take("H")
        name = cursor.content[cursor.at : cursor.at + length].decode("ascii")
        cursor.skip(length)
        kind, values, start, size = cursor.take("BIQQ")
        stored = np.frombuffer(cursor.content, np.uint8, size, start)
        if kind == _FLOAT32:
            yield name, stored.view("<f4")[:values].astype(np.float32)
        elif kind == _FOUR_BITS:
            yield name, decode(stored)[:values]
        else:
            raise ModelError(f"tensor {name} is of kind {kind}, expected {_FLOAT32} or {_FOUR_BITS}")


def decode(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the values of blocks of 4 bits, ``[18 x blocks]`` bytes to ``[32 x blocks]`` numbers."""
    blocks = stored.reshape(-1, _BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)  # [blocks, 1]
    values = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)  # [blocks, 32]
    values -= 8  # in place: the largest matrix is most of the model
    values *= scales
    return values.reshape(-1)
