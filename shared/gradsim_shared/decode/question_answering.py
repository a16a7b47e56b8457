"""The answer to a question is a span of its context: logits of starts and ends become the likeliest spans.

A context that does not fit beside its question is read in windows, half of which stands in the next one, too; a token
is judged where it is nearest to the middle. Its logits are taken against those of the window's first token, which
training answers with where a window does not hold the answer: so windows can be compared. Places are characters of the
context as it was sent, so that groups with other tokenizers can answer together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, check_logits, set_up
from gradsim_shared.normalisation import NEWEST, Span, normalise, original_spans
from gradsim_shared.segments import Question

READS = "question"
LABELS = ("start", "end")
"""What a model says of each token."""
MOST_WINDOWS = 64
"""Of a context; what is beyond them is cut, which bounds what a question costs."""
LONGEST = 200
"""Characters of an answer, at most."""
BEST = 5
"""Spans that are named, at most."""
_NOWHERE = -1e4  # the logit of a character where no token starts, or ends


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """A span that may be the answer: ``context[start:end]`` of the context as it was sent."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one question, ``context[start:end]``, its probability, and the likeliest spans with theirs.

    Probabilities are of all spans that could be the answer; of one text only the likeliest span is named.
    """

    answer: str
    start: int
    end: int
    score: float
    answers: list[AnswerSpan]


@dataclass(frozen=True, slots=True)
class Piece:
    """A window of a context, beside its question.

    Attributes:
        number: Of the piece in the reading.
        positions: Of the tokens of the context, ``[tokens]``.
        characters: The first and the last that each stands for, ``[tokens, 2]``.
        judged: Whether its logits here count, ``[tokens]``.
    """

    number: int
    positions: NDArray[np.intp]
    characters: NDArray[np.intp]
    judged: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layout:
    """One question: how many characters its context has, and its windows."""

    count: int
    pieces: list[Piece]


def route_name(_labels: Sequence[str]) -> str:
    """Return the name of the endpoint."""
    return "qa"


def prediction_type(_labels: Sequence[str]) -> type[Prediction]:
    """Return the dataclass of one served prediction."""
    return Prediction


class Reader:
    """Reads questions with their contexts.

    A question takes half of what the model reads at most; what is beyond is cut.

    Args:
        tokenizer: The model's; its template for pairs says what stands between both.
        maximum_length: Tokens that the model can read at once, those at the ends counted.
        segmentation: Of no use here.
        normalisation: The version that the model was, or is to be, trained with.
        long_texts: Of no use here: contexts are always read in windows.
    """

    def __init__(
        self,
        tokenizer: FastTokenizer,
        maximum_length: int,
        segmentation: str = "none",  # noqa: ARG002
        normalisation: int = NEWEST,
        long_texts: str = "windows",  # noqa: ARG002
    ) -> None:
        set_up(tokenizer, None)
        self._tokenizer, self._maximum, self._normalisation = tokenizer, maximum_length, normalisation

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn questions into the token ids of their windows."""
        asked = [_asked(text) for text in texts]
        plain = [Question(*(normalise(segment, self._normalisation) for segment in each)) for each in asked]
        reading = Reading([])
        for sent, read, encoding in zip(asked, plain, self._tokenizer.encode_batch(plain), strict=True):
            spans = _spans(encoding, sent.context, read.context, self._normalisation)
            reading.layout.append(Layout(len(sent.context), self._pieces(encoding, spans, reading)))
        return reading

    def _pieces(self, encoding: Any, spans: NDArray[np.intp], reading: Reading) -> list[Piece]:  # noqa: ANN401 - of tokenizers
        """Add a question's windows to a reading; return what stands where in each."""
        ids: list[int] = encoding.ids
        owners = encoding.sequence_ids
        asked = [place for place, owner in enumerate(owners) if owner == 0]
        inside = [place for place, owner in enumerate(owners) if owner == 1]
        if not asked or not inside:  # such as a context of control characters
            reading.ids.append(ids[: self._maximum])
            return [Piece(len(reading.ids) - 1, *_nothing())]
        most = max(1, (self._maximum - len(ids) + len(asked) + len(inside)) // 2)
        before = ids[: asked[0] + min(len(asked), most)] + ids[asked[-1] + 1 : inside[0]]
        after = ids[inside[-1] + 1 :]
        room = max(1, self._maximum - len(before) - len(after))
        starts, count = _windows(len(inside), room)
        if len(asked) > most or count < len(inside):
            reading.cut.append(len(reading.layout))
        borders = [0, *((one + room + other) // 2 for one, other in pairwise(starts)), count]
        pieces = []
        for start, (first, last) in zip(starts, pairwise(borders), strict=True):
            tokens = np.arange(start, min(start + room, count))
            tokens = tokens[spans[tokens, 0] <= spans[tokens, 1]]  # not those that stand for white space
            reading.ids.append(before + [ids[place] for place in inside[start : start + room][: count - start]] + after)
            judged = (first <= tokens) & (tokens < last)
            pieces.append(Piece(len(reading.ids) - 1, len(before) + tokens - start, spans[tokens], judged))
        return pieces


def _asked(text: Text) -> Question:
    """Return a question; any other text, as one that only warms a model up, is its own context."""
    return text if isinstance(text, Question) else Question(str(text), str(text))


def _nothing() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    return np.zeros(0, np.intp), np.zeros((0, 2), np.intp), np.zeros(0, bool)


def _windows(count: int, room: int) -> tuple[list[int], int]:
    """Return where windows of ``room`` tokens start, spread evenly, and how many of the tokens they hold."""
    step = room - room // 2
    count = min(count, room + (MOST_WINDOWS - 1) * step)
    further = -(-max(0, count - room) // step)
    return [number * (count - room) // max(1, further) if number else 0 for number in range(further + 1)], count


def _spans(encoding: Any, context: str, plain: str, version: int) -> NDArray[np.intp]:  # noqa: ANN401 - of tokenizers
    """Return the first and the last character of the context that each of its tokens stands for, ``[tokens, 2]``.

    White space at their ends is left out; of a token of nothing else the last stands before the first.
    """
    found: list[Span] = []
    for (start, end), owner in zip(encoding.offsets, encoding.sequence_ids, strict=True):
        if owner == 1:
            inside = plain[start:end]
            first = start + len(inside) - len(inside.lstrip())
            found.append((first, first + len(inside.strip())))
    seen = [span for span in found if span[0] < span[1]]
    sent = iter(original_spans(seen, context, version))
    both = [next(sent) if span[0] < span[1] else (0, 0) for span in found]
    return np.array([(start, end - 1) for start, end in both], np.intp).reshape(-1, 2)


def apart(reading: Reading) -> list[Reading]:
    """Return a reading of its own for each question, with its windows."""
    readings = []
    for row, layout in enumerate(reading.layout):
        first = layout.pieces[0].number  # a question's windows stand side by side
        pieces = [replace(piece, number=piece.number - first) for piece in layout.pieces]
        ids = reading.ids[first : first + len(pieces)]
        readings.append(Reading(ids, [Layout(layout.count, pieces)], [0] if row in reading.cut else []))
    return readings


def gather(reading: Reading, outputs: Sequence[NDArray[np.floating]]) -> list[Logits]:
    """Return the logits of each context's characters, ``[characters, 2]``, from ``[tokens, 2]`` of each window.

    A start counts at the first character of its token, an end at the last.
    """
    found: list[Logits] = []
    for layout in reading.layout:
        logits = np.full((layout.count, 2), _NOWHERE, np.float32)
        for piece in layout.pieces:
            output = outputs[piece.number]
            against = (output - output[0])[piece.positions[piece.judged]]
            for side in (0, 1):  # several tokens may share a character
                np.maximum.at(logits[:, side], piece.characters[piece.judged, side], against[:, side])
        found.append(logits)
    return found


def probabilities(logits: Logits, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the softmax over characters, ``[characters, 2]``: of one start, and of one end; zeros where there is none.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    check_logits(logits, labels)
    most = logits.max(axis=0, keepdims=True)
    exponentials = np.exp(logits.astype(np.float64) - most)
    found: NDArray[np.float64] = exponentials / exponentials.sum(axis=0, keepdims=True)
    return np.where(most > _NOWHERE, found, 0.0)


def mixed_logits(weighted: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return logits of an answer that several groups give: the logarithm of the sum of their weighted probabilities.

    Args:
        weighted: Of each group P(group) times its probabilities, ``[characters, 2]``.
    """
    total: NDArray[np.float64] = np.sum(list(weighted), axis=0)
    return np.where(total > 0, np.log(np.where(total > 0, total, 1.0)), _NOWHERE)


def decode(
    logits: Sequence[Logits],
    texts: Sequence[Text],
    _reading: Reading,
    labels: Sequence[str],
    _thresholds: Sequence[float] = (),
) -> list[Decoded]:
    """Turn logits, ``[characters, 2]`` each, into answers.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    return [
        _decoded(probabilities(of_text, labels), _asked(text).context)
        for of_text, text in zip(logits, texts, strict=True)
    ]


def _decoded(chances: NDArray[np.float64], context: str) -> Decoded:
    spans = best_spans(chances, context)
    if not spans:
        return Decoded("", Prediction("", 0, 0, 0.0, []))
    best = spans[0]
    return Decoded(best.text, Prediction(best.text, best.start, best.end, best.score, spans))


def best_spans(chances: NDArray[np.float64], context: str) -> list[AnswerSpan]:
    """Return the likeliest spans of different texts, the likeliest first; none where no token can be an answer.

    The probability of a span is that of its start times that of its end, over the sum for all spans of ``LONGEST``
    characters at most.

    Args:
        chances: Of each character to be the start, and the end, ``[characters, 2]``.
        context: As it was sent.
    """
    ends = np.lib.stride_tricks.sliding_window_view(np.pad(chances[:, 1], (0, LONGEST - 1)), LONGEST)
    whole = float(chances[:, 0] @ ends.sum(axis=1))  # ends: [characters, LONGEST], from each start on
    likely = np.argsort(-chances[:, 0] * ends.max(axis=1), kind="stable")[: 4 * BEST]
    joint = chances[likely, 0][:, None] * ends[likely]
    found: dict[str, AnswerSpan] = {}
    for place in np.argsort(-joint, axis=None, kind="stable")[: 16 * BEST].tolist():
        row, length = divmod(place, LONGEST)
        if joint[row, length] == 0 or len(found) == BEST:
            break
        start = int(likely[row])
        text = context[start : start + length + 1]
        score = min(1.0, float(joint[row, length]) / whole)
        found.setdefault(text.casefold(), AnswerSpan(text, start, start + length + 1, score))
    return list(found.values())
