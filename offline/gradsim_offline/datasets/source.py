"""Sources of labelled texts, and the data set that people name: a source, or a directory of their own files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_shared.errors import DataError, SettingsError
from gradsim_shared.manifest import Manifest

FILES = "files"


@dataclass(frozen=True)
class DatasetSource(plugins.Plugin):
    """A source of labelled texts, or of words with tags.

    Attributes:
        load: From ``data_dir`` (where the files lie; ``None``: the source's own rule), languages (only these; ``None``:
            all) and, if it has options, these to the examples. Raises ``DataError`` if they cannot be found, or are not
            as they should be.
        task: What they are labelled for; of ``task_in``'s sources, usually.
        task_in: From a directory and the options to what its files are labelled for, where that depends on them;
            ``None``: it does not.
    """

    load: Callable[..., Dataset]
    task: str
    task_in: Callable[[Path, Mapping[str, Any]], str] | None = None


def load_source(name: str) -> DatasetSource:
    """Return the source of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("datasets", name, DatasetSource)


def named(data: str, data_dir: Path | None) -> tuple[str, Path | None]:
    """Return name and directory of a data set; a directory or a file in its place is short for ``files`` with that.

    Raises:
        DataError: A path is named, and nothing is there.
        SettingsError: Two directories are named.
    """
    path = Path(data)
    if data.replace("-", "_") in plugins.names("datasets"):
        return data, data_dir
    if not path.exists():
        if path.suffix or len(path.parts) > 1:
            raise DataError(f"--data {data}: there is no such file or directory, and no data set of that name")
        return data, data_dir
    if data_dir is not None:
        raise SettingsError(
            f"--data {data} is a {'directory' if path.is_dir() else 'file'}; leave out --data-dir, or name a data set "
            "with --data"
        )
    return FILES, path


def data_name(data: str, data_dir: Path | None) -> str:
    """Return what bundle and run directory are called: as the data set, or as the user's own directory or file.

    Args:
        data: Name of the data set.
        data_dir: Where its files lie; ``None``: its own rule.
    """
    if data != FILES or data_dir is None:
        return data
    path = data_dir.resolve()
    written = path.name if path.is_dir() else path.name.split(".")[0]
    return re.sub(r"[^\w.-]+", "-", written).strip("-.") or FILES


def built_with(manifest: Manifest, data: str) -> Mapping[str, Any]:
    """Return the own settings of a data set that a bundle was built with; none if it was built from another one."""
    settings = manifest.provenance.settings
    is_same = str(settings.get("data")).replace("-", "_") == data.replace("-", "_")
    found = settings.get("data_options") if is_same else None
    return found if isinstance(found, dict) else {}


def load_dataset(
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
    source, given = load_source(data), plugins.options("datasets", data, options or {})
    return source.load(data_dir, languages) if given is None else source.load(data_dir, languages, given)
