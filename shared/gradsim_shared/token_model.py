"""A model of token ids: pieces of texts are padded to a rectangle and run together, those of like length in one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError
from gradsim_shared.manifest_models import Group, Trunk

CHUNK_TOKENS = 4096
"""Texts that run together hold at most so many tokens, padding counted; it bounds memory."""

KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class Session(Protocol):
    """The part of an onnxruntime session that is used."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[Any]:
        """Return the model's outputs."""


class TokenModel:
    """A session that reads token ids. It may be used from several threads.

    Args:
        session: Runs the file.
        entry: Its inputs and how they are padded.
        name: Of the model, for messages.

    Raises:
        BundleError: It asks for inputs that this version does not know.
    """

    def __init__(self, session: Session, entry: Group | Trunk, name: str) -> None:
        check_inputs(entry.inputs, KNOWN_INPUTS, name)
        self.session, self._entry = session, entry

    def padded(self, length: int) -> int:
        """Return how many tokens the model sees of a piece of ``length`` tokens that runs alone."""
        return -(-max(length, 1) // self._entry.pad_multiple) * self._entry.pad_multiple

    def chunks(
        self, lengths: Sequence[int], tokens: int | None = None, padding: float = float("inf")
    ) -> Iterator[list[int]]:
        """Yield rows that run together: shortest first, so that little is padded.

        Args:
            lengths: Tokens of each piece.
            tokens: Most tokens that run together, padding counted; ``None`` means ``CHUNK_TOKENS``.
            padding: A chunk ends before more tokens than this would be padded in it.
        """
        limit = CHUNK_TOKENS if tokens is None else tokens
        chunk: list[int] = []
        size = wasted = 0
        for row in sorted(range(len(lengths)), key=lengths.__getitem__):
            length = self.padded(lengths[row])
            wasted += len(chunk) * (length - size)
            if chunk and ((len(chunk) + 1) * length > limit or wasted > padding):
                yield chunk
                chunk, wasted = [], 0
            chunk.append(row)
            size = length
        if chunk:
            yield chunk

    def run_padded(self, ids: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Run pieces together; return the model's first output, padding and all, and the mask, ``[pieces, tokens]``."""
        shape = (len(ids), self.padded(max(map(len, ids))))
        input_ids = np.full(shape, self._entry.pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            mask[row, : max(len(tokens), 1)] = 1  # a text of no token: let the model see one padding, not nothing
        arrays = {"input_ids": input_ids, "attention_mask": mask}
        if "token_type_ids" in self._entry.inputs:
            arrays["token_type_ids"] = np.zeros(shape, np.int64)
        output: NDArray[np.float32] = self.session.run(None, {name: arrays[name] for name in self._entry.inputs})[0]
        return output, mask


def check_inputs(inputs: Sequence[str], known: set[str], name: str) -> None:
    """Raise ``BundleError`` where a model asks for inputs that are not known."""
    if unknown := set(inputs) - known:
        raise BundleError(f"{name} needs inputs that this version does not know: {sorted(unknown)}")


def in_memory(session: Session) -> bool:
    """Whether a session runs without being loaded first."""
    ready: bool = getattr(session, "in_memory", True)
    return ready


def mark_used(session: Session) -> None:
    """Note that a request asks for a session: where memory is short, others are unloaded first."""
    if (note := getattr(session, "mark_used", None)) is not None:
        note()
