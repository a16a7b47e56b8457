"""One label per text, or per pair of texts; logits become a label and the scores of all.

A text of more tokens than the model reads at once is cut, or read in windows: the mean of their logits is the text's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, set_up
from gradsim_shared.decoding import mixed_logits as mixed_logits  # noqa: PLC0414 - a part of the decoder
from gradsim_shared.decoding import probabilities as probabilities  # noqa: PLC0414
from gradsim_shared.ngrams import NGramTable
from gradsim_shared.normalisation import NEWEST
from gradsim_shared.segments import Sent, normalised

READS = "text"
MOST_WINDOWS = 16
"""Of a text; what is beyond them is cut, which bounds what a text costs."""


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
    """Reads whole texts; longer ones are cut, or read in windows.

    Two segments are put together as the tokenizer's template for pairs says; what is too long is cut from the longer
    one, token by token.

    Args:
        tokenizer: The model's.
        maximum_length: Tokens that the model can read at once, those at the ends counted.
        segmentation: Of no use here.
        normalisation: The version that the model was, or is to be, trained with.
        long_texts: ``cut`` or ``windows``; the first window is what ``cut`` leaves.
    """

    def __init__(
        self,
        tokenizer: FastTokenizer,
        maximum_length: int,
        segmentation: str = "none",  # noqa: ARG002
        normalisation: int = NEWEST,
        long_texts: str = "cut",
    ) -> None:
        self._in_windows = long_texts == "windows" and not isinstance(tokenizer, NGramTable)  # it reads whole texts
        set_up(tokenizer, None if self._in_windows else maximum_length)
        self._tokenizer, self._maximum, self._normalisation = tokenizer, maximum_length, normalisation

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts into token ids; the layout holds how many pieces each text has."""
        plain = [normalised(cast("Sent", text), self._normalisation) for text in texts]
        encodings = self._tokenizer.encode_batch(plain)
        reading = Reading([])
        for row, encoding in enumerate(encodings):
            pieces = [encoding.ids]
            if self._in_windows and len(encoding.ids) > self._maximum:
                pieces = self._windows(encoding, row, reading)
            elif len(encoding.ids) >= self._maximum and encoding.overflowing:
                reading.cut.append(row)
            reading.ids.extend(pieces)
            reading.layout.append(len(pieces))
        return reading

    def _windows(self, encoding: Any, row: int, reading: Reading) -> list[list[int]]:  # noqa: ANN401 - of tokenizers
        """Return pieces of full length, spread evenly from the first token to the last."""
        ids, is_end = encoding.ids, encoding.special_tokens_mask
        first, last = is_end.index(0), len(ids) - is_end[::-1].index(0)
        before, inside, after = ids[:first], ids[first:last], ids[last:]  # the tokenizer's own stand at the ends
        room = max(1, self._maximum - len(before) - len(after))
        if len(inside) > MOST_WINDOWS * room:
            reading.cut.append(row)
            inside = inside[: MOST_WINDOWS * room]
        steps = max(1, -(-len(inside) // room) - 1)
        starts = [step * (len(inside) - room) // steps for step in range(steps + 1)]
        return [[*before, *inside[start : start + room], *after] for start in starts]


def apart(reading: Reading) -> list[Reading]:
    """Return a reading of its own for each text, with its pieces."""
    cut, first, readings = set(reading.cut), 0, []
    for row, count in enumerate(reading.layout):
        readings.append(Reading(reading.ids[first : first + count], [count], [0] if row in cut else []))
        first += count
    return readings


def gather(reading: Reading, outputs: Sequence[NDArray[np.floating]]) -> list[Logits]:
    """Return the logits of each text, ``[1, labels]``: the mean over its pieces, ``[labels]`` each."""
    if len(outputs) == len(reading.layout):  # one piece each
        return [output[None] for output in outputs]
    starts = np.cumsum([0, *reading.layout])
    return [np.mean(outputs[a:b], axis=0, keepdims=True) for a, b in pairwise(starts.tolist())]


def decode(
    logits: Sequence[Logits],
    _texts: Sequence[Text],
    _reading: Reading,
    labels: Sequence[str],
    _thresholds: Sequence[float] = (),
) -> list[Decoded]:
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
