"""The unlabelled texts that a user names: a directory of text files, or a data set whose labels are not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.datasets.source import load_source
from gradsim_offline.training.text_folders import Unlabelled, data_texts, folder_texts, hold_out, train_texts
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import SettingsError


@dataclass(frozen=True)
class Source:
    """Either a directory or a data set.

    Attributes:
        text: Directory of ``<lang>.txt`` or ``<lang>/*.txt``; ``None``: the data set is meant.
        data: Name of the data set; ``None``: the directory is meant.
        data_dir: Where the data set's files lie; ``None``: its own rule.
        languages: Codes; ``None``: all.
    """

    text: Path | None = None
    data: str | None = None
    data_dir: Path | None = None
    languages: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check that one of the two is named.

        Raises:
            SettingsError: None is, or both are.
        """
        if (self.text is None) == (self.data is None):
            raise SettingsError("name the texts: either --text DIR, of <lang>.txt or <lang>/*.txt, or --data NAME")

    @property
    def name(self) -> str:
        """What the user called it."""
        return str(self.text or self.data)

    def read(self, held_out: int, seed: int) -> Unlabelled:
        """Find the texts, and keep some of each language back; a data set is judged on dev texts.

        Raises:
            GradsimError: Something is wrong with the texts; the message names file and line.
        """
        if self.text is not None:
            return hold_out(folder_texts(self.text, self.languages), held_out, seed)
        return data_texts(self._dataset(), held_out, seed)

    def read_all(self) -> dict[str, Texts]:
        """Find the texts, none of them held out; of a data set the train texts.

        Raises:
            GradsimError: Something is wrong with the texts; the message names file and line.
        """
        return train_texts(self._dataset()) if self.text is None else folder_texts(self.text, self.languages)

    def _dataset(self) -> Dataset:
        return load_source(str(self.data)).load(self.data_dir, self.languages)
