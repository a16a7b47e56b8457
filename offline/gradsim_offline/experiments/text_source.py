"""The unlabelled texts that a user names: a directory of text files, or a data set whose labels are not read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.folders import unread_note
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.training.text_folders import Unlabelled, data_texts, folder_texts, hold_out, train_texts, unread
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import SettingsError


@dataclass(frozen=True)
class TextSource:
    """Either a directory or a data set.

    Attributes:
        text: Directory of ``<lang>.txt`` or ``<lang>/*.txt``; ``None``: the data set is meant.
        data: Name of the data set, or a directory of labelled texts; ``None``: ``text`` is meant.
        data_dir: Where the data set's files lie; ``None``: its own rule.
        languages: Codes; ``None``: all.
        options: The data set's own settings; ``None``: the defaults.
    """

    text: Path | None = None
    data: str | None = None
    data_dir: Path | None = None
    languages: Sequence[str] | None = None
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check that one of the two is named.

        Raises:
            SettingsError: None is, or both are; or there are settings of a data set, and none is named.
        """
        if (self.text is None) == (self.data is None):
            raise SettingsError("name the texts: either --text DIR, of <lang>.txt or <lang>/*.txt, or --data NAME")
        if self.options and self.data is None:
            raise SettingsError(f"--set data_options.{next(iter(self.options))} goes with --data, not with --text")

    @property
    def name(self) -> str:
        """The directory or data set, as the user named it."""
        return str(self.text or self.data)

    def read(self, held_out: int, seed: int, say: Callable[[str], None]) -> Unlabelled:
        """Read the texts, some of each language held out; of a data set dev texts are.

        Args:
            held_out: Texts of a language to keep back, at most.
            seed: Draws them.
            say: Is told what the user should know about the texts.

        Raises:
            GradsimError: Something is wrong with the texts; the message names file and line.
        """
        if self.text is not None:
            return hold_out(self._folder(self.text, say), held_out, seed)
        return data_texts(self._dataset(say), held_out, seed)

    def read_all(self, say: Callable[[str], None]) -> dict[str, Texts]:
        """Read all texts, none held out; of a data set the train texts; ``say`` is as for ``read``.

        Raises:
            GradsimError: Something is wrong with the texts; the message names file and line.
        """
        return train_texts(self._dataset(say)) if self.text is None else self._folder(self.text, say)

    def _folder(self, directory: Path, say: Callable[[str], None]) -> dict[str, Texts]:
        found = folder_texts(directory, self.languages)
        for note in unread_note("texts", directory, unread(directory, self.languages)):
            say(note)
        return found

    def _dataset(self, say: Callable[[str], None]) -> Dataset:
        dataset = load_dataset(str(self.data), self.data_dir, self.languages, self.options)
        for note in dataset.notes:
            say(note)
        return dataset
