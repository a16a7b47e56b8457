"""What a data set is: labelled texts per language and split, for one task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gradsim_shared.segments import Pair, Question, Sent, segments

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class RightAnswers:
    """What is right as the answer to a question.

    Attributes:
        texts: Each is.
        language: Whose articles and signs make no difference (``core/answer_match.py``); ``None``: as SQuAD has it.
    """

    texts: tuple[str, ...]
    language: str | None = None


Gold = str | tuple[str, ...] | RightAnswers
"""What the annotators gave an example: a label, several labels in their order, a tag for each word, or right answers.

A model's answer has the same form; to a question it is the text of one answer."""


@dataclass(frozen=True, slots=True)
class Example:
    """One text, of one or two segments, and its label, as the annotators gave it."""

    text: Sent
    label: str

    @property
    def input(self) -> Sent:
        """What a model reads."""
        return self.text

    @property
    def gold(self) -> str:
        """What a model should answer."""
        return self.label


@dataclass(frozen=True, slots=True)
class MultiLabelExample:
    """One text and its labels, as the annotators gave them.

    Attributes:
        text: The text.
        labels: In the order of the data set's; there may be none.
    """

    text: str
    labels: tuple[str, ...]

    @property
    def input(self) -> str:
        """What a model reads."""
        return self.text

    @property
    def gold(self) -> tuple[str, ...]:
        """What a model should answer."""
        return self.labels


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One sentence, word by word, with a tag for each, as the annotators gave them.

    Attributes:
        text: The sentence as it was written, or its words joined again where the data does not hold it.
        words: The words, one or more; a word may hold a space.
        tags: The tag of each word.
    """

    text: str
    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def input(self) -> tuple[str, ...]:
        """What a model reads."""
        return self.words

    @property
    def gold(self) -> tuple[str, ...]:
        """What a model should answer."""
        return self.tags


@dataclass(frozen=True, slots=True)
class QuestionExample:
    """A question, its context, and the spans of the context that answer it.

    Attributes:
        text: Question and context.
        answers: Right answers, one or more, as they stand in the context.
        starts: Where each starts in the context, in code points.
        language: As of ``RightAnswers``.
    """

    text: Question
    answers: tuple[str, ...]
    starts: tuple[int, ...]
    language: str | None = None

    @property
    def input(self) -> Question:
        """What a model reads."""
        return self.text

    @property
    def gold(self) -> RightAnswers:
        """What a model should answer."""
        return RightAnswers(self.answers, self.language)


AnyExample = Example | MultiLabelExample | TaggedSentence | QuestionExample


@dataclass(frozen=True)
class Dataset:
    """Labelled texts of several languages; all examples are of one class.

    Attributes:
        name: The source that made it, as on the command line.
        task: The task it is labelled for, as in ``gradsim-offline list``.
        labels: The allowed labels; their order is the order of the model's outputs.
        examples: ``examples[language][split]``; languages are ISO 639-3 codes, sorted.
        aliases: Other codes of a language, as the source writes them: ``aliases["kin"] == ("kr",)``.
        notes: What the user should know about the data, a sentence each: what was repaired, what was left out.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    examples: Mapping[str, Mapping[Split, Sequence[AnyExample]]]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def tagged(self) -> bool:
        """Whether words have tags, rather than texts a label."""
        return any(isinstance(example, TaggedSentence) for example in self.split(self.languages[0], "train"))

    @property
    def asks(self) -> bool:
        """Whether the examples are questions about contexts."""
        return any(isinstance(example, QuestionExample) for example in self.split(self.languages[0], "train")[:1])

    @property
    def read_whole(self) -> bool:
        """Whether long texts are always read in windows: words have tags, or answers stand anywhere."""
        return self.tagged or self.asks

    @property
    def plain(self) -> bool:
        """Whether each example is one string, not words with tags or two segments: what linear models can read."""
        return not self.tagged and not any(isinstance(e.text, Pair) for e in self.split(self.languages[0], "train")[:1])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, sorted by code: the order of every matrix in the project."""
        return tuple(sorted(self.examples))

    def split(self, language: str, split: Split) -> Sequence[AnyExample]:
        """Return the examples of a language's split; empty when there are none."""
        return self.examples[language].get(split, ())

    def texts(self, language: str, split: Split) -> list[str]:
        """Return the strings of a language's split: of each example one, or its two segments; a context once."""
        texts = [segment for example in self.split(language, split) for segment in segments(example.text)]
        return list(dict.fromkeys(texts)) if self.asks else texts

    def counts(self, split: Split) -> dict[str, int]:
        """Count the examples of a split, per language."""
        return {language: len(self.split(language, split)) for language in self.languages}

    def fingerprint(self, *splits: Split) -> str:
        """Return a SHA-256 over labels, languages and every example of the splits in order; none named: all."""
        digest = hashlib.sha256(repr((self.task, self.labels)).encode())
        for language in self.languages:
            for split in splits or SPLITS:
                digest.update(f"\x00{language}\x01{split}\x01".encode())
                for example in self.split(language, split):
                    digest.update(_content(example).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _content(example: AnyExample) -> str:
    if isinstance(example, Example):
        return "\x02".join((example.label, "\x04".join(segments(example.text)))) + "\x03"
    if isinstance(example, MultiLabelExample):
        return f"{chr(4).join(example.labels)}\x02{example.text}\x03"
    if isinstance(example, QuestionExample):
        spans = (f"{start}\x05{answer}" for start, answer in zip(example.starts, example.answers, strict=True))
        return "\x02".join(("\x04".join(spans), "\x04".join(example.text), example.language or "")) + "\x03"
    words = "\x04".join(f"{word}\x05{tag}" for word, tag in zip(example.words, example.tags, strict=True))
    return f"{words}\x02{example.text}\x03"
