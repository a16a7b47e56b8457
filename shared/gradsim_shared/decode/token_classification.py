"""A tag for each word: named entities where the tags are IOB2, else parts of speech.

Words are read by their first subword. Raw text is split into words by the bundle's segmentation rule, so that they are
as those of the training data; spans are told in the text as it was sent. A sentence that is too long for the model is
read in overlapping windows, not cut; only a single word that no window can hold is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, FastTokenizer, Logits, Reading, Text, set_up
from gradsim_shared.decoding import mixed_logits as mixed_logits  # noqa: PLC0414 - a part of the decoder
from gradsim_shared.decoding import probabilities as probabilities  # noqa: PLC0414
from gradsim_shared.iob import best_tags, entities, is_iob
from gradsim_shared.normalisation import NEWEST, Span, normalise, original_spans
from gradsim_shared.segmentation import join, locate, segment
from gradsim_shared.windows import windows

READS = "text"


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity: ``text[start:end]`` of the text as it was sent."""

    type: str
    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Entities:
    """The named entities of one text, in its order."""

    entities: list[Entity]


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its part of speech: ``text[start:end]`` of the text as it was sent."""

    text: str
    start: int
    end: int
    tag: str
    score: float


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one text, in its order."""

    words: list[Word]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a text's words are judged in one piece.

    Attributes:
        number: Of the piece in the reading.
        words: Words of the text that are judged here.
        positions: The token of each: its first subword.
    """

    number: int
    words: NDArray[np.intp]
    positions: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layout:
    """One text: the spans of its words as sent, ``None`` where words were given, and where they are judged."""

    count: int
    spans: list[Span] | None
    pieces: list[Piece]


def route_name(labels: Sequence[str]) -> str:
    """Return the name of the endpoint: ``ner`` for IOB2 tags, else ``pos``."""
    return "ner" if is_iob(labels) else "pos"


def prediction_type(labels: Sequence[str]) -> type[Entities] | type[Words]:
    """Return the dataclass of one served prediction."""
    return Entities if is_iob(labels) else Words


class Reader:
    """Reads texts word by word.

    Args:
        tokenizer: The model's.
        maximum_length: Tokens that the model can read at once, those at the ends counted.
        segmentation: The rule that splits raw text into words; ``none`` is for those that send words only.
        normalisation: The version that the model was, or is to be, trained with.
    """

    def __init__(
        self,
        tokenizer: FastTokenizer,
        maximum_length: int,
        segmentation: str = "none",
        normalisation: int = NEWEST,
        long_texts: str = "windows",  # noqa: ARG002 - no tag of a word can be left out
    ) -> None:
        set_up(tokenizer, None)
        self._tokenizer, self._maximum = tokenizer, maximum_length
        self._rule, self._normalisation = segmentation, normalisation

    def read(self, texts: Sequence[Text]) -> Reading:
        """Turn texts, raw or as words, into the token ids of their windows."""
        divided = [self._words(text) for text in texts]
        encodings = self._tokenizer.encode_batch([words for words, _ in divided], is_pretokenized=True)
        reading = Reading([])
        for (words, spans), encoding in zip(divided, encodings, strict=True):
            pieces = list(self._pieces(encoding.ids, encoding.word_ids, len(words), reading)) if words else []
            reading.layout.append(Layout(len(words), spans, pieces))
        return reading

    def _words(self, text: Text) -> tuple[list[str], list[Span] | None]:
        """Return the words to read, and where those of a raw text stand in it; given words stay words."""
        if not isinstance(text, str):
            return [normalise(word, self._normalisation) or word for word in text], None
        plain = normalise(text, self._normalisation)
        spans = segment(plain, self._rule)
        words = [plain[start:end] for start, end in spans]
        return words, original_spans(spans, text, self._normalisation)

    def _pieces(self, ids: list[int], owners: list[int | None], count: int, reading: Reading) -> Iterator[Piece]:
        """Add the next text's windows to a reading, and yield what is judged in each."""
        pieces = reading.ids
        if len(ids) <= self._maximum:  # nearly every text: one window
            firsts: dict[int, int] = {}
            for place, owner in enumerate(owners):
                if owner is not None:
                    firsts.setdefault(owner, place)
            pieces.append(ids)
            yield Piece(len(pieces) - 1, np.array([*firsts], np.intp), np.array([*firsts.values()], np.intp))
            return
        tokens: list[list[int]] = [[] for _ in range(count)]
        inside = [place for place, owner in enumerate(owners) if owner is not None]
        first, last = (inside[0], inside[-1] + 1) if inside else (len(ids) // 2, len(ids) // 2)
        before, after = ids[:first], ids[last:]  # what the tokenizer puts at the ends
        for place in inside:
            owner = owners[place]
            if owner is not None:
                tokens[owner].append(ids[place])
        room = max(1, self._maximum - len(before) - len(after))
        if any(len(token) > room for token in tokens):  # a word that no window can hold is cut
            tokens = [token[:room] for token in tokens]
            reading.cut.append(len(reading.layout))
        for window in windows([len(token) for token in tokens], room):
            starts: list[int] = []
            piece = list(before)
            for word in range(*window.words):
                starts.append(len(piece))
                piece += tokens[word]
            piece += after
            judged = [word for word in range(*window.judged) if tokens[word]]  # control characters have no token
            places = [starts[word - window.words[0]] for word in judged]
            pieces.append(piece)
            yield Piece(len(pieces) - 1, np.array(judged, np.intp), np.array(places, np.intp))


def apart(reading: Reading) -> list[Reading]:
    """Return a reading of its own for each text, with its windows."""
    readings = []
    for row, layout in enumerate(reading.layout):
        first = layout.pieces[0].number if layout.pieces else 0  # a text's windows stand side by side
        pieces = [Piece(piece.number - first, piece.words, piece.positions) for piece in layout.pieces]
        ids = reading.ids[first : first + len(pieces)]
        cut = [0] if row in reading.cut else []
        readings.append(Reading(ids, [Layout(layout.count, layout.spans, pieces)], cut))
    return readings


def gather(reading: Reading, outputs: Sequence[NDArray[np.floating]]) -> list[Logits]:
    """Return the logits of each text's words, ``[words, labels]``, from ``[tokens, labels]`` of each piece.

    A word without a token, such as a lone control character, has zeros: nothing is known of it.
    """
    labels = outputs[0].shape[-1] if outputs else 0
    by_text: list[Logits] = []
    for layout in reading.layout:
        logits = np.zeros((layout.count, labels), np.float32)
        for piece in layout.pieces:
            logits[piece.words] = outputs[piece.number][piece.positions]
        by_text.append(logits)
    return by_text


def decode(
    logits: Sequence[Logits],
    texts: Sequence[Text],
    reading: Reading,
    labels: Sequence[str],
    _thresholds: Sequence[float] = (),
) -> list[Decoded]:
    """Turn logits, ``[words, labels]`` each, into tags and what they say of the text.

    Raises:
        ValueError: The number of columns is not the number of labels, or an output is not finite.
    """
    iob = is_iob(labels)
    answers = []
    for words, chances, text, layout in zip(
        logits, _tag_probabilities(logits, labels), texts, reading.layout, strict=True
    ):
        if not len(words):
            answers.append(Decoded((), Entities([]) if iob else Words([])))
            continue
        chosen = best_tags(words, labels) if iob else words.argmax(axis=1)
        tags = tuple(labels[i] for i in chosen.tolist())
        scores = chances[np.arange(len(chosen)), chosen].tolist()
        written, spans = _written(text, layout)
        answers.append(Decoded(tags, (_entities if iob else _words)(written, spans, tags, scores)))
    return answers


def _tag_probabilities(logits: Sequence[Logits], labels: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return the probabilities of each text's tags, ``[words, labels]``."""
    if not any(map(len, logits)):
        return [np.zeros((0, len(labels)))] * len(logits)
    ends = np.cumsum([len(words) for words in logits])
    return np.split(probabilities(np.concatenate(logits), labels), ends[:-1])  # all at once: texts are short


def _written(text: Text, layout: Layout) -> tuple[str, list[Span]]:
    """Return a text and the spans of its words; words that were given are joined."""
    if isinstance(text, str):
        return text, layout.spans or []
    joined = join(text)
    return joined, locate(text, joined) or []


def _entities(text: str, spans: Sequence[Span], tags: Sequence[str], scores: Sequence[float]) -> Entities:
    return Entities(
        [
            Entity(
                kind,
                text[spans[first][0] : spans[last - 1][1]],
                spans[first][0],
                spans[last - 1][1],
                sum(scores[first:last]) / (last - first),
            )
            for kind, first, last in entities(tags)
        ]
    )


def _words(text: str, spans: Sequence[Span], tags: Sequence[str], scores: Sequence[float]) -> Words:
    return Words(
        [
            Word(text[start:end], start, end, tag, score)
            for (start, end), tag, score in zip(spans, tags, scores, strict=True)
        ]
    )
