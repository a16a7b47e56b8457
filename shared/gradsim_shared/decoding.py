"""What the numpy half of a task offers, the same for scores and for served answers: read, gather, decode.

A text is *read* into token ids, a model *runs* on them, its outputs are *gathered* per text and *decoded*. Scores and
served answers differ only in what runs the model.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from gradsim_shared import decode
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Manifest
from gradsim_shared.nearest import unknown
from gradsim_shared.segments import HOLDS, Pair, Question, Sent

Text = Sent | Sequence[str]
"""A text as it was sent, or its words."""

Logits = NDArray[np.floating]
"""Of one text: ``[units, labels]``; a unit is what gets a label: the text, or each of its words."""


SMALLEST_PROBABILITY = 1e-30
"""Probabilities below it count as this one in a logarithm."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Texts as a model gets them.

    Attributes:
        ids: Token ids of every piece that a model runs on its own: a text, or a window of a long one.
        layout: How the pieces make up the texts, in the task's own form.
        cut: Numbers of the texts that the model does not see all of.
        wide: What the linear model over n-grams gets that answers with it; ``None``: there is none.
    """

    ids: list[list[int]]
    layout: list[Any] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    wide: Reading | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was made of one text's logits.

    Attributes:
        answer: In the form of the annotators' gold: a label, several labels, or a tag for each word.
        prediction: What a client of the service gets: an instance of the task's ``prediction_type``.
    """

    answer: str | tuple[str, ...]
    prediction: Any


def said(decoded: Decoded) -> list[str]:
    """Return what is counted of an answer: its labels; of tagged words each entity's type, or each tag; ``O``: none."""
    if hasattr(decoded.prediction, "answers"):  # of a question: never the text of the answer
        return ["answer"]
    if isinstance(decoded.answer, str):
        return [decoded.answer]
    entities = getattr(decoded.prediction, "entities", None)
    if entities is None:
        return list(decoded.answer) or ["O"]
    return [entity.type for entity in entities] or ["O"]


class FastTokenizer(Protocol):
    """The part of a ``tokenizers.Tokenizer`` that is used."""

    @property
    def padding(self) -> dict[str, Any] | None:
        """How it pads; ``None``: not at all."""

    @property
    def truncation(self) -> dict[str, Any] | None:
        """How it cuts; ``None``: not at all."""

    def encode_batch(self, input: Sequence[Any], is_pretokenized: bool = False) -> list[Any]:  # noqa: A002 - its name
        """Return one encoding, with ``ids`` and ``word_ids``, per text."""

    def no_padding(self) -> None:
        """Switch padding off."""

    def no_truncation(self) -> None:
        """Switch truncation off."""

    def enable_truncation(self, max_length: int) -> None:
        """Cut longer texts."""


def set_up(tokenizer: FastTokenizer, maximum_length: int | None) -> None:
    """Let a tokenizer pad nothing, and cut longer texts (``None``: cut nothing).

    Only what differs is changed: a tokenizer that another thread reads with (while a bundle is exchanged for one that
    holds the same tokenizer) cannot be changed and would raise ``RuntimeError``.
    """
    if tokenizer.padding is not None:
        tokenizer.no_padding()
    cut = tokenizer.truncation
    if maximum_length is None and cut is not None:
        tokenizer.no_truncation()
    elif maximum_length is not None and (cut is None or cut["max_length"] != maximum_length):
        tokenizer.enable_truncation(maximum_length)


class Reader(Protocol):
    """Reads texts with one tokenizer; it may be used from several threads."""

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts into token ids."""


class MakeReader(Protocol):
    """Makes a reader."""

    def __call__(
        self,
        tokenizer: FastTokenizer,
        maximum_length: int,
        segmentation: str = ...,
        normalisation: int = ...,
        long_texts: str = ...,
    ) -> Reader:
        """Return a reader; the tokenizer's padding and truncation are set here.

        Args:
            tokenizer: The model's.
            maximum_length: Tokens that a model can read at once.
            segmentation: The rule that splits raw text into words.
            normalisation: The version that the model was, or is to be, trained with.
            long_texts: ``cut`` or ``windows``: how texts of more tokens are read, where a text has one label.
        """


class Decoder(Protocol):
    """What a file of ``gradsim_shared/decode`` offers."""

    @property
    def READS(self) -> str:  # noqa: N802 - a constant
        """Return what is answered: ``text``, ``pair``: two segments, or ``question``: one about a context."""

    @property
    def Reader(self) -> MakeReader:  # noqa: N802 - a class
        """Make a reader."""

    def route_name(self, labels: Sequence[str]) -> str:
        """Return the name of the task's endpoint, such as ``sentiment``."""

    def prediction_type(self, labels: Sequence[str]) -> type[Any]:
        """Return the dataclass of one served prediction."""

    def apart(self, reading: Reading) -> list[Reading]:
        """Return a reading of its own for each text: then texts that were read together may run apart."""

    def gather(self, reading: Reading, outputs: Sequence[NDArray[np.floating]]) -> list[Logits]:
        """Return the logits of each text from the model's output for each piece."""

    def probabilities(self, logits: Logits, labels: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities that logits, ``[units, labels]``, stand for.

        Raises:
            ValueError: The logits do not fit the labels, or are not finite.
        """

    def mixed_logits(self, weighted: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return logits of an answer that several groups give: those of the sum of their weighted probabilities.

        Args:
            weighted: Of each group P(group) times its probabilities, ``[units, labels]``.
        """

    def decode(
        self,
        logits: Sequence[Logits],
        texts: Sequence[Text],
        reading: Reading,
        labels: Sequence[str],
        thresholds: Sequence[float] = (),
    ) -> list[Decoded]:
        """Turn logits into answers; ``thresholds`` are of tasks whose labels have them, one for each label.

        Raises:
            ValueError: The logits do not fit the labels, or are not finite.
        """


def decoder_of(task: str) -> Decoder:
    """Return the numpy half of a task.

    Raises:
        BundleError: This version has none for the task.
    """
    known = [module.name for module in pkgutil.iter_modules(decode.__path__)]
    if task not in known:
        raise BundleError(unknown("task", task, known))
    return cast("Decoder", importlib.import_module(f"{decode.__name__}.{task}"))


def reads_pairs(task: str) -> bool:
    """Return whether what a task answers is two texts: pairs, or questions with their contexts."""
    return issubclass(sent_type(task), Pair)


def sent_type(task: str) -> type[str | Pair]:
    """Return what a task answers: texts, pairs or questions."""
    return {"text": str, "pair": Pair, "question": Question}[decoder_of(task).READS]


def holds_of(task: str) -> str:
    """Return the field of a request that holds what a task answers: ``texts``, ``pairs`` or ``questions``."""
    return HOLDS[sent_type(task)]


def endpoint_of(manifest: Manifest) -> str:
    """Return where a bundle is answered, such as ``/sentiment``."""
    return f"/{manifest.endpoint or decoder_of(manifest.task).route_name(manifest.labels)}"


def probabilities(logits: Logits, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the softmax of ``[units, labels]``, row by row: of labels that exclude each other.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    check_logits(logits, labels)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    found: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return found


def check_logits(logits: Logits, labels: Sequence[str]) -> None:
    """Refuse logits that are not ``[units, labels]`` or not finite.

    Raises:
        ValueError: They are not.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise ValueError(f"logits of shape {logits.shape} do not fit {len(labels)} labels")
    if not np.isfinite(logits).all():
        raise ValueError("the model's outputs are not finite")


def mixed_logits(weighted: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return logits of an answer that several groups give: the logarithm of the sum of their weighted probabilities.

    That is of labels that exclude each other.

    Args:
        weighted: Of each group P(group) times its probabilities, ``[units, labels]``.
    """
    total: NDArray[np.float64] = np.sum(list(weighted), axis=0)  # [units, labels]
    return np.log(np.maximum(total, SMALLEST_PROBABILITY))
