"""Read tables of Arrow: Parquet, and what Hugging Face's `Dataset.save_to_disk` wrote; class numbers get names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_shared.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_STATE = "state.json"
SAVED_DICT = "dataset_dict.json"
"""Lies beside the folders of the splits that `DatasetDict.save_to_disk` writes."""

_BATCH = 1024  # rows that are turned into Python's values at once


def is_saved(path: Path) -> bool:
    """Return whether a path is a folder that `Dataset.save_to_disk` wrote."""
    return (path / _STATE).is_file() and (path / "dataset_info.json").is_file()


def open_arrow(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the names of a table's columns, and its rows, read as they are asked for.

    Where the table says which class a number stands for, as data sets of Hugging Face do, the class is read. Iterating
    raises ``DataError``, too.

    Args:
        path: A Parquet file, or a folder for which ``is_saved`` holds.

    Raises:
        DataError: pyarrow is missing, or the file is not as it should be.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet is read with pyarrow; run: pip install pyarrow") from error
    wrong = f"{path}: not {'a valid saved data set' if path.is_dir() else 'valid Parquet'}"

    def rows() -> Iterator[dict[str, Any]]:
        try:
            for batch in batches:
                yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{wrong}: {error}") from error

    try:
        if path.is_dir():
            streams = [pyarrow.ipc.open_stream(pyarrow.memory_map(str(path / name))) for name in _parts(path)]
            schema: pyarrow.Schema = streams[0].schema
            batches: Iterator[pyarrow.RecordBatch] = (batch for stream in streams for batch in stream)
        else:
            file = pyarrow.parquet.ParquetFile(path)
            schema, batches = file.schema_arrow, file.iter_batches(_BATCH)
    except (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{wrong}: {error}") from error
    names = _class_names(schema)
    return list(schema.names), ({key: _named(value, names.get(key)) for key, value in row.items()} for row in rows())


def _parts(path: Path) -> list[str]:
    state = json.loads((path / _STATE).read_text(encoding="utf-8"))
    return [str(part["filename"]) for part in state["_data_files"]]


def _class_names(schema: pyarrow.Schema) -> dict[str, Sequence[str]]:
    """Return the names of the classes of each column that holds class numbers, or lists of them."""
    content = (schema.metadata or {}).get(b"huggingface")
    if content is None:
        return {}
    features: Mapping[str, Any] = json.loads(content)["info"]["features"]
    inner = {name: feature.get("feature", feature) for name, feature in features.items() if isinstance(feature, dict)}
    return {
        name: feature["names"]
        for name, feature in inner.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def _named(value: object, names: Sequence[str] | None) -> object:
    """Return the class that a number stands for, ``None`` for a number of none, as -1; of a list each."""
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
