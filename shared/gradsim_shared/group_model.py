"""A group's exported model: read texts, run in batches by length, decode; the same for scores and served answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, decoder_of
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest_models import Group, Precision, Trunk, TrunkPrecision
from gradsim_shared.ngrams import PADDING
from gradsim_shared.token_model import Session, TokenModel, check_inputs, in_memory, mark_used
from gradsim_shared.trunk import TrunkModel, TrunkOutput


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

    @property
    def thresholds(self) -> Sequence[float]:
        """The probability from which a text has each label, where it may have several; else empty."""

    @property
    def trunk(self) -> Trunk | None:
        """What groups share that do not read tokens by themselves; ``None``: there are none."""


class GroupModel:
    """The model that answers for one group. It may be used from several threads.

    Whoever has all texts at once asks for ``answers``. The service, which puts texts of several requests together,
    takes the same steps one by one: ``read``, ``chunks``, ``run_chunk``, ``gather``, ``decode``; of groups that share a
    trunk it runs that first, and then each group's ``run_top``.

    Args:
        session: Runs model.onnx, or top.onnx, which reads what the trunk says.
        tokenizer: Reads tokenizer.json; its padding and truncation are set here.
        group: The group's entry in the manifest.
        contract: Of the bundle: its manifest, or what will become one.
        wide: The linear model over n-grams that the group's entry names.
        trunk: What the group's model reads, where it does not read tokens.

    Attributes:
        decoder: The numpy half of the task.
        trunk: As above; ``None``: the group's model reads tokens.

    Raises:
        BundleError: The model asks for inputs that this version does not know, or so does the task; or its trunk is
            missing.
    """

    def __init__(
        self,
        session: Session,
        tokenizer: FastTokenizer,
        group: Group,
        contract: Contract,
        wide: GroupModel | None = None,
        trunk: TrunkModel | None = None,
    ) -> None:
        self.decoder = decoder_of(contract.task)
        self._reader = self.decoder.Reader(
            tokenizer, contract.maximum_length, contract.segmentation, contract.normalisation, contract.long_texts
        )
        self._session, self._group, self._labels = session, group, list(contract.labels)
        self._thresholds = list(contract.thresholds)
        self._wide, self.trunk = wide, trunk if group.reads == "trunk" else None
        if self.trunk is not None:
            check_inputs(group.inputs, self.trunk.inputs_of_groups, f"group {group.id}")
            self._of_tokens: TokenModel = self.trunk
        elif group.reads == "trunk":
            raise BundleError(f"group {group.id} reads a trunk, but there is none")
        else:
            self._of_tokens = TokenModel(session, group, f"group {group.id}")

    @property
    def in_memory(self) -> bool:
        """Whether the model runs without being loaded first."""
        return all(map(in_memory, self._sessions)) and (self._wide is None or self._wide.in_memory)

    def mark_used(self) -> None:
        """Note that a request asks for the model: where memory is short, others are unloaded first."""
        for session in self._sessions:
            mark_used(session)
        if self._wide is not None:
            self._wide.mark_used()

    @property
    def _sessions(self) -> list[Session]:
        """The group's own, and what it stands on last: where memory is short, that is the last to be unloaded."""
        return [self._session] if self.trunk is None else [self._session, self.trunk.session]

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
        readings = self.decoder.apart(self._reader.read(texts))
        if self._wide is None:
            return readings
        return [replace(reading, wide=wide) for reading, wide in zip(readings, self._wide.read(texts), strict=True)]

    def gather(self, reading: Reading, outputs: Sequence[NDArray[np.float32]]) -> Logits:
        """Return one text's logits, ``[units, labels]``, from the outputs of its pieces."""
        if not outputs:  # a text without a word has no piece
            return np.zeros((0, len(self._labels)), np.float32)
        return self.decoder.gather(reading, outputs)[0]

    def decode(self, logits: Sequence[Logits], texts: Sequence[Text], readings: Sequence[Reading]) -> list[Decoded]:
        """Return the answer to each text from its logits, of this group or of several mixed.

        Raises:
            ValueError: The logits do not fit the labels, or are not finite.
        """
        together = Reading([], [layout for reading in readings for layout in reading.layout])
        return self.decoder.decode(logits, texts, together, self._labels, self._thresholds)

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
        if self.trunk is not None:
            return self.run_top(self.trunk.run(ids))
        return self._each(self._of_tokens.run_padded(ids)[0], [len(tokens) for tokens in ids])

    def run_top(self, output: TrunkOutput) -> list[NDArray[np.float32]]:
        """As ``run_chunk``, from what the trunk says of the pieces."""
        arrays = output.inputs()
        outputs = self._session.run(None, {name: arrays[name] for name in self._group.inputs})[0]
        return self._each(outputs, output.mask.sum(axis=1).tolist())

    def _each(self, outputs: NDArray[np.float32], lengths: Sequence[int]) -> list[NDArray[np.float32]]:
        """Return the output of each piece, from those of all."""
        count, labels = len(lengths), len(self._labels)
        if outputs.shape == (count, labels):
            return list(outputs)
        if outputs.ndim != 3 or outputs.shape[::2] != (count, labels):
            raise ValueError(f"outputs of shape {outputs.shape} for {count} inputs and {labels} labels")
        return [output[:length] for output, length in zip(outputs, lengths, strict=True)]

    def chunks(
        self, lengths: Sequence[int], tokens: int | None = None, padding: float = float("inf")
    ) -> Iterator[list[int]]:
        """Yield rows that run together, as ``TokenModel.chunks``."""
        return self._of_tokens.chunks(lengths, tokens, padding)

    def padded(self, length: int) -> int:
        """Return how many tokens the model sees of a piece of ``length`` tokens that runs alone."""
        return self._of_tokens.padded(length)


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


@overload
def served_precision(entry: Group) -> Precision: ...


@overload
def served_precision(entry: Trunk) -> TrunkPrecision: ...


def served_precision(entry: Group | Trunk) -> Precision | TrunkPrecision:
    """Return the exported form of a model that is served: fp32 where there is one, else the first."""
    forms: Mapping[str, Precision | TrunkPrecision] = entry.precisions
    return forms.get("fp32") or next(iter(forms.values()))
