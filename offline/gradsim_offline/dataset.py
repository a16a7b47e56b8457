"""What a data set is: labelled texts per language and split, for one task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Example:
    """One text and its label, as the annotators gave it."""

    text: str
    label: str


@dataclass(frozen=True)
class Dataset:
    """Labelled texts of several languages.

    Attributes:
        name: The source that made it, as on the command line.
        task: The task it is labelled for, as in ``gradsim-offline list``.
        labels: The allowed labels; their order is the order of the model's outputs.
        examples: ``examples[language][split]``; languages are ISO 639-3 codes, sorted.
        aliases: Other codes of a language, as the source writes them: ``aliases["kin"] == ("kr",)``.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    examples: Mapping[str, Mapping[Split, Sequence[Example]]]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, sorted by code: the order of every matrix in the project."""
        return tuple(sorted(self.examples))

    def split(self, language: str, split: Split) -> Sequence[Example]:
        """Return the examples of a language's split; empty when there are none."""
        return self.examples[language].get(split, ())

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
                    digest.update(f"{example.label}\x02{example.text}\x03".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
