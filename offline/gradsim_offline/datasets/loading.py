"""Read the data set that people name: one that the package knows, or a directory of their own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_shared.errors import SettingsError
from gradsim_shared.manifest import Manifest

FILES = "files"


def named(data: str, data_dir: Path | None) -> tuple[str, Path | None]:
    """Return name and directory of a data set; a directory as its name is short for ``files`` with that directory.

    Raises:
        SettingsError: Two directories are named.
    """
    if data.replace("-", "_") in plugins.names("datasets/sources") or not Path(data).is_dir():
        return data, data_dir
    if data_dir is not None:
        raise SettingsError(f"--data {data} is a directory; leave out --data-dir, or name a data set with --data")
    return FILES, Path(data)


def built_with(manifest: Manifest) -> Mapping[str, Any]:
    """Return the data set's own settings that a bundle was built with."""
    found = manifest.provenance.settings.get("data_options")
    return found if isinstance(found, dict) else {}


def load(
    data: str, data_dir: Path | None, languages: Sequence[str] | None, options: Mapping[str, Any] | None = None
) -> Dataset:
    """Load a data set.

    Args:
        data: Its name, or a directory of the user's own files.
        data_dir: Where its files lie; ``None``: its own rule.
        languages: Only these; ``None``: all.
        options: Its own settings; ``None``: the defaults.

    Raises:
        GradsimError: It is unknown, cannot be found, or is not as it should be.
    """
    data, data_dir = named(data, data_dir)
    source = plugins.load("datasets/sources", data)
    own = plugins.options("datasets/sources", data, options or {})
    dataset: Dataset = source.load(data_dir, languages) if own is None else source.load(data_dir, languages, own)
    return dataset
