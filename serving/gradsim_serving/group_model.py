"""The model of one group: texts to logits, with onnxruntime."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError, RequestError
from gradsim_shared.manifest import Group

CHUNK_TOKENS = 4096
"""Texts that run together hold at most so many tokens, padding counted; it bounds memory."""

KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


def chosen_precision(group: Group) -> str:
    """Name the exported form of a group's model that is served: fp32 where there is one, else the first."""
    return "fp32" if "fp32" in group.precisions else next(iter(group.precisions))


class GroupModel:
    """The model that answers for one group. It may be used from several threads."""

    def __init__(self, bundle: Bundle, group: Group, threads: int) -> None:
        """Load tokenizer and model.

        Args:
            bundle: The bundle that holds the group.
            group: Its entry in the manifest.
            threads: How many threads compute one batch.

        Raises:
            BundleError: A file cannot be read, or the model asks for inputs that this version does not know.
        """
        precision = group.precisions[chosen_precision(group)]
        self._group = group
        if unknown := set(group.inputs) - KNOWN_INPUTS:
            raise BundleError(f"group {group.id} needs inputs that this version does not know: {sorted(unknown)}")
        try:
            self._tokenizer = Tokenizer.from_file(str(bundle.path(group.tokenizer)))
            self._session = _session(str(bundle.path(precision.file)), threads)
        except Exception as error:  # both libraries raise bare Exception and classes of their own
            raise BundleError(f"bundle {bundle.directory}: group {group.id} cannot be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(bundle.manifest.maximum_length)

    def logits(self, texts: Sequence[str], deadline: float | None = None) -> NDArray[np.float32]:
        """Return ``[texts, labels]``, in the order of ``texts``.

        Args:
            texts: One or more texts.
            deadline: On the clock of ``time.monotonic``; no chunk is begun after it. ``None`` means no limit.

        Raises:
            RequestError: ``timeout``: the deadline has passed.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        parts, order = [], []
        for rows in self._chunks([len(encoding) for encoding in encodings]):
            if deadline is not None and time.monotonic() > deadline:
                raise RequestError("the answer took too long; send fewer texts in a request", code="timeout")
            parts.append(self._session.run(None, self._inputs([encodings[row] for row in rows]))[0])
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

    def _inputs(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[np.int64]]:
        """Return the model's inputs, each ``[texts, tokens]``."""
        shape = (len(encodings), self._padded(max(map(len, encodings))))
        ids = np.full(shape, self._group.pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : max(len(encoding), 1)] = 1  # a text of no token: let the model see one padding, not nothing
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        return {name: arrays[name] for name in self._group.inputs}


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # every group has threads of its own: idle ones must sleep, or they take the cores from the group that works
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
