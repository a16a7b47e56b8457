"""A group's exported model: read texts, run in batches by length, decode; the same for scores and served answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, decoder_of
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Group, Precision
from gradsim_shared.ngrams import PADDING

CHUNK_TOKENS = 4096
"""Texts that run together hold at most so many tokens, padding counted; it bounds memory."""

KNOWN_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class Session(Protocol):
    """The part of an onnxruntime session that is used."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[np.int64]]) -> list[Any]:
        """Return the model's outputs."""


class Contract(Protocol):
    """What a model must know of its bundle: a manifest, or what will become one."""

    @property
    def task(self) -> str:
        """What is predicted."""

    @property
    def labels(self) -> Sequence[str]:
        """In the order of the model's outputs."""

    @property
    def maximum_length(self) -> int:
        """Tokens that the model reads at once."""

    @property
    def segmentation(self) -> str:
        """The rule that splits raw text into words."""

    @property
    def normalisation(self) -> int:
        """The version of the text normalisation that the model was trained with."""

    @property
    def long_texts(self) -> str:
        """How texts of more tokens are read, where a text has one label: ``cut`` or ``windows``."""


class GroupModel:
    """The model that answers for one group. It may be used from several threads.

    Whoever has all texts at once asks for ``answers``. The service, which puts texts of several requests together,
    takes the same steps one by one: ``read``, ``chunks``, ``run_chunk``, ``gather``, ``decode``.

    Args:
        session: Runs model.onnx.
        tokenizer: Reads tokenizer.json; its padding and truncation are set here.
        group: The group's entry in the manifest.
        contract: Of the bundle: its manifest, or what will become one.
        wide: The linear model over n-grams that the group's entry names.

    Raises:
        BundleError: The model asks for inputs that this version does not know, or so does the task.
    """

    def __init__(
        self,
        session: Session,
        tokenizer: FastTokenizer,
        group: Group,
        contract: Contract,
        wide: GroupModel | None = None,
    ) -> None:
        if unknown := set(group.inputs) - KNOWN_INPUTS:
            raise BundleError(f"group {group.id} needs inputs that this version does not know: {sorted(unknown)}")
        self._decoder = decoder_of(contract.task)
        self._reader = self._decoder.Reader(
            tokenizer, contract.maximum_length, contract.segmentation, contract.normalisation, contract.long_texts
        )
        self._session, self._group, self._labels = session, group, list(contract.labels)
        self._wide = wide

    @property
    def in_memory(self) -> bool:
        """Whether the model runs without being loaded first."""
        ready: bool = getattr(self._session, "in_memory", True)
        return ready and (self._wide is None or self._wide.in_memory)

    def mark_used(self) -> None:
        """Note that a request asks for the model: where memory is short, others are unloaded first."""
        if (note := getattr(self._session, "mark_used", None)) is not None:
            note()
        if self._wide is not None:
            self._wide.mark_used()

    def answers(self, texts: Sequence[Text]) -> list[Decoded]:
        """Return the answer to each text, raw or as words, in their order.

        Raises:
            ValueError: The model's outputs are not what they must be.
        """
        readings = self.read(texts)
        return self.decode(self.logits_of(readings), texts, readings)

    def logits(self, texts: Sequence[Text]) -> list[Logits]:
        """Return the logits of each text, ``[units, labels]``: a unit is the text, or each of its words."""
        return self.logits_of(self.read(texts))

    def logits_of(self, readings: Sequence[Reading]) -> list[Logits]:
        """Return the logits of texts that have been read, ``[units, labels]`` each."""
        outputs = iter(self.run([ids for reading in readings for ids in reading.ids]))
        gathered = [self.gather(reading, list(islice(outputs, len(reading.ids)))) for reading in readings]
        return self.with_wide(readings, gathered)

    def with_wide(self, readings: Sequence[Reading], logits: Sequence[Logits]) -> list[Logits]:
        """Return the logits of texts, ``[units, labels]`` each, with those of the linear model over their n-grams."""
        if self._wide is None or self._group.wide is None:
            return list(logits)
        wide = self._wide.logits_of([reading.wide for reading in readings if reading.wide is not None])
        weight, model_weight = self._group.wide.weight, self._group.wide.model_weight
        return [model_weight * one + weight * other for one, other in zip(logits, wide, strict=True)]

    def read(self, texts: Sequence[Text]) -> list[Reading]:
        """Turn each text into token ids of its own, and of its n-grams where a linear model reads them."""
        readings = self._decoder.apart(self._reader.read(texts))
        if self._wide is None:
            return readings
        return [replace(reading, wide=wide) for reading, wide in zip(readings, self._wide.read(texts), strict=True)]

    def gather(self, reading: Reading, outputs: Sequence[NDArray[np.float32]]) -> Logits:
        """Return one text's logits, ``[units, labels]``, from the outputs of its pieces."""
        if not outputs:  # a text without a word has no piece
            return np.zeros((0, len(self._labels)), np.float32)
        return self._decoder.gather(reading, outputs)[0]

    def decode(self, logits: Sequence[Logits], texts: Sequence[Text], readings: Sequence[Reading]) -> list[Decoded]:
        """Return the answer to each text from its logits, of this group or of several mixed.

        Raises:
            ValueError: The logits do not fit the labels, or are not finite.
        """
        together = Reading([], [layout for reading in readings for layout in reading.layout])
        return self._decoder.decode(logits, texts, together, self._labels)

    def run(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the model's output for each piece, without what was padded: ``[labels]`` or ``[tokens, labels]``."""
        outputs: dict[int, NDArray[np.float32]] = {}
        for rows in self.chunks([len(tokens) for tokens in ids]):
            outputs |= zip(rows, self.run_chunk([ids[row] for row in rows]), strict=True)
        return [outputs[row] for row in range(len(ids))]

    def run_chunk(self, ids: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Run the model once, on these pieces, and return the output for each, without what was padded.

        Raises:
            ValueError: The model's outputs are not one for each piece, or of no shape that it may have.
        """
        outputs = self._session.run(None, self._inputs(ids))[0]
        labels = len(self._labels)
        if outputs.shape == (len(ids), labels):
            return list(outputs)
        if outputs.ndim != 3 or outputs.shape[::2] != (len(ids), labels):
            raise ValueError(f"outputs of shape {outputs.shape} for {len(ids)} inputs and {labels} labels")
        return [output[: len(tokens)] for output, tokens in zip(outputs, ids, strict=True)]

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

    def padded(self, length: int) -> int:
        """Return how many tokens the model sees of a piece of ``length`` tokens that runs alone."""
        return -(-max(length, 1) // self._group.pad_multiple) * self._group.pad_multiple

    def _inputs(self, ids: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
        """Return the model's inputs, each ``[texts, tokens]``."""
        shape = (len(ids), self.padded(max(map(len, ids))))
        input_ids = np.full(shape, self._group.pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            mask[row, : max(len(tokens), 1)] = 1  # a text of no token: let the model see one padding, not nothing
        arrays = {"input_ids": input_ids, "attention_mask": mask}
        if "token_type_ids" in self._group.inputs:
            arrays["token_type_ids"] = np.zeros(shape, np.int64)
        return {name: arrays[name] for name in self._group.inputs}


def wide_group(group: Group) -> Group | None:
    """Return a group's linear model over n-grams as an entry of its own, to be opened as any; ``None``: it has none."""
    if group.wide is None:
        return None
    form = Precision(file=group.wide.file, parity=group.wide.parity, latency_milliseconds=0)
    return Group(
        id=group.id,
        members=group.members,
        tokenizer=group.wide.tokenizer,
        precisions={"fp32": form},
        inputs=["input_ids"],
        pad_id=PADDING,
    )


def served_precision(group: Group) -> Precision:
    """Return the exported form of a group's model that is served: fp32 where there is one, else the first."""
    return group.precisions.get("fp32") or next(iter(group.precisions.values()))
