"""One label per text: the text is cut to what the model can read; logits become a label and the scores of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, probabilities, set_up
from gradsim_shared.normalisation import NEWEST, normalise


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text: the likeliest label, its probability, and the probability of each label."""

    label: str
    score: float
    scores: dict[str, float]


def route_name(_labels: Sequence[str]) -> str:
    """Return the name of the endpoint."""
    return "sentiment"


def prediction_type(_labels: Sequence[str]) -> type[Prediction]:
    """Return the dataclass of one served prediction."""
    return Prediction


class Reader:
    """Reads whole texts; longer ones are cut."""

    def __init__(
        self,
        tokenizer: FastTokenizer,
        maximum_length: int,
        segmentation: str = "none",  # noqa: ARG002
        normalisation: int = NEWEST,
    ) -> None:
        set_up(tokenizer, maximum_length)
        self._tokenizer, self._maximum, self._normalisation = tokenizer, maximum_length, normalisation

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts into token ids, one piece each."""
        plain = [normalise(cast("str", text), self._normalisation) for text in texts]
        encodings = self._tokenizer.encode_batch(plain)
        ids = [encoding.ids for encoding in encodings]
        full = [row for row, tokens in enumerate(ids) if len(tokens) >= self._maximum]
        return Reading(ids, cut=[row for row in full if encodings[row].overflowing])


def apart(reading: Reading) -> list[Reading]:
    """Return a reading of its own for each text."""
    return [Reading([tokens], cut=[0] if row in reading.cut else []) for row, tokens in enumerate(reading.ids)]


def gather(_reading: Reading, outputs: Sequence[NDArray[np.floating]]) -> list[Logits]:
    """Return the logits of each text, ``[1, labels]``, from ``[labels]`` each."""
    return [output[None] for output in outputs]


def decode(logits: Sequence[Logits], _texts: Sequence[Text], _reading: Reading, labels: Sequence[str]) -> list[Decoded]:
    """Turn logits, ``[1, labels]`` each, into answers; ties go to the label that stands first.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    if not logits:
        return []
    return [_decoded(row, labels) for row in probabilities(np.concatenate(logits), labels)]


def _decoded(chances: NDArray[np.float64], labels: Sequence[str]) -> Decoded:
    best = int(chances.argmax())
    scores = {label: float(probability) for label, probability in zip(labels, chances, strict=True)}
    return Decoded(labels[best], Prediction(labels[best], scores[labels[best]], scores))
