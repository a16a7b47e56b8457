"""From texts to a group model's logits: tokenise, batch by length, run. The same for scores and for served answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Group, Precision

CHUNK_TOKENS = 4096
"""Texts that run together hold at most so many tokens, padding counted; it bounds memory."""

KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class Session(Protocol):
    """The part of an onnxruntime session that is used."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[np.int64]]) -> list[Any]:
        """Return the model's outputs."""


class FastTokenizer(Protocol):
    """The part of a ``tokenizers.Tokenizer`` that is used."""

    def encode_batch(self, input: list[str]) -> list[Any]:  # noqa: A002 - the library's own name
        """Return one encoding, with ``ids``, per text."""

    def no_padding(self) -> None:
        """Switch padding off."""

    def enable_truncation(self, max_length: int) -> None:
        """Cut longer texts."""


class GroupModel:
    """The model that answers for one group. It may be used from several threads.

    Args:
        session: Runs model.onnx.
        tokenizer: Reads tokenizer.json; its padding and truncation are set here.
        group: The group's entry in the manifest.
        maximum_length: Tokens; longer texts are cut.

    Raises:
        BundleError: The model asks for inputs that this version does not know.
    """

    def __init__(self, session: Session, tokenizer: FastTokenizer, group: Group, maximum_length: int) -> None:
        if unknown := set(group.inputs) - KNOWN_INPUTS:
            raise BundleError(f"group {group.id} needs inputs that this version does not know: {sorted(unknown)}")
        tokenizer.no_padding()
        tokenizer.enable_truncation(maximum_length)
        self._session, self._tokenizer, self._group = session, tokenizer, group

    def logits(self, texts: Sequence[str], before_chunk: Callable[[], None] | None = None) -> NDArray[np.float32]:
        """Return ``[texts, labels]``, in the order of ``texts``.

        Args:
            texts: One or more texts.
            before_chunk: Called before each batch runs; what it raises ends the work.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        parts: list[NDArray[np.float32]] = []
        order: list[int] = []
        for rows in self._chunks([len(encoding.ids) for encoding in encodings]):
            if before_chunk is not None:
                before_chunk()
            parts.append(self._session.run(None, self._inputs([encodings[row].ids for row in rows]))[0])
            order += rows
        return np.asarray(np.concatenate(parts)[np.argsort(order)])

    def _chunks(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield rows that run together: shortest first, so that little is padded."""
        chunk: list[int] = []
        for row in sorted(range(len(lengths)), key=lengths.__getitem__):
            if chunk and (len(chunk) + 1) * self._padded(lengths[row]) > CHUNK_TOKENS:
                yield chunk
                chunk = []
            chunk.append(row)
        yield chunk

    def _padded(self, length: int) -> int:
        return -(-max(length, 1) // self._group.pad_multiple) * self._group.pad_multiple

    def _inputs(self, ids: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
        """Return the model's inputs, each ``[texts, tokens]``."""
        shape = (len(ids), self._padded(max(map(len, ids))))
        input_ids = np.full(shape, self._group.pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            mask[row, : max(len(tokens), 1)] = 1  # a text of no token: let the model see one padding, not nothing
        arrays = {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        return {name: arrays[name] for name in self._group.inputs}


def served_precision(group: Group) -> Precision:
    """Return the exported form of a group's model that is served: fp32 where there is one, else the first."""
    return group.precisions.get("fp32") or next(iter(group.precisions.values()))
