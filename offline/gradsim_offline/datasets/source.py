"""What a source of labelled texts is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset


class Load(Protocol):
    """Loads a data set."""

    def __call__(self, data_dir: Path | None, languages: Sequence[str] | None, /) -> Dataset:
        """Return the examples.

        Args:
            data_dir: Where the files lie; ``None``: the source's own rule.
            languages: Only these; ``None``: all.

        Raises:
            DataError: They cannot be found, or are not as they should be.
        """


@dataclass(frozen=True)
class DatasetSource(plugins.Plugin):
    """A source of labelled texts, or of words with tags.

    Attributes:
        load: Loads them.
        task: What they are labelled for; of ``task_in``'s sources, usually.
        task_in: From a directory to what its files are labelled for, where that depends on them; ``None``: it does not.
    """

    load: Load
    task: str
    task_in: Callable[[Path], str] | None = None


def load_source(name: str) -> DatasetSource:
    """Return the source of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("datasets", name, DatasetSource)
