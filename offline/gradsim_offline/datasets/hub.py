"""Load tables from the Hugging Face Hub at a pinned commit, and read tagged sentences from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.datasets.folders import ENVIRONMENT
from gradsim_offline.datasets.tagged import Sentence, tagged_dataset
from gradsim_shared.errors import DataError

SPLIT_NAMES: dict[Split, str] = {"train": "train", "dev": "validation", "test": "test"}


@dataclass(frozen=True)
class Hub:
    """Where a data set lies on the Hub.

    Attributes:
        name: Owner and name, or a local directory of the same form.
        revision: The commit; ``None`` for a local directory.
        labels: The tags by class number, where the files do not name them.
    """

    name: str
    revision: str | None
    labels: tuple[str, ...]


def hub_dataset(name: str, labels: Sequence[str], hub: Hub, folders: Mapping[str, str]) -> Dataset:
    """Read a data set whose files lie in ``<folder>/<split>/*.parquet`` or ``<folder>/<split>*.parquet``.

    Args:
        name: Of the source.
        labels: The allowed tags.
        hub: Where it lies.
        folders: The folder of each language; one that is not its ISO 639-3 code is an alias.

    Raises:
        DataError: It cannot be loaded, or a row is not as it should be.
    """
    tables = {code: _open(name, hub, folder) for code, folder in folders.items()}
    aliases = {code: (folder,) for code, folder in folders.items() if folder != code}
    return tagged_dataset(
        name, labels, tables, lambda table: _sentences(table, hub.labels), aliases=aliases, skip_empty=True
    )


Table = tuple[str, Any]
"""What messages name it, and a table of ``datasets``."""


def load_tables(source: str, repository: str, revision: str | None, part: str, **where: Any) -> Any:  # noqa: ANN401
    """Return the tables of one part of a repository on the Hub, by split, as ``datasets`` has them.

    Args:
        source: Name of the data set, for messages.
        repository: Owner and name, or a local directory of the same form.
        revision: The commit; ``None`` for a local directory.
        part: What messages call the part.
        **where: What ``datasets.load_dataset`` takes to find it: ``name`` or ``data_files``.

    Raises:
        DataError: It cannot be loaded; the message names the alternatives.
    """
    import datasets
    import huggingface_hub

    huggingface_hub.utils.logging.set_verbosity_error()  # its retries are no news; what comes of them is
    try:
        return datasets.load_dataset(repository, revision=revision, **where)
    except Exception as error:  # datasets raises errors of many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{source}: {repository} ({part}) cannot be loaded from the Hugging Face Hub: {reason}. Ways on: "
            f"--data-dir DIRECTORY with a folder per language, or set {ENVIRONMENT} to the folder that holds {source}/"
        ) from error


def _open(name: str, hub: Hub, folder: str) -> dict[Split, Table]:
    files = {
        theirs: [f"{folder}/{theirs}/*.parquet", f"{folder}/*{theirs}*.parquet"] for theirs in SPLIT_NAMES.values()
    }
    tables = load_tables(name, hub.name, hub.revision, folder, data_files=files)
    return {split: (f"{hub.name} {folder} {theirs}", tables[theirs]) for split, theirs in SPLIT_NAMES.items()}


def _sentences(named: Table, labels: Sequence[str]) -> list[Sentence]:
    """Turn a table with the columns ``tokens`` and ``ner_tags`` into sentences; a "line" is a row, from 1."""
    source, table = named
    if not {"tokens", "ner_tags"} <= set(table.column_names):
        raise DataError(f"{source}: expected the columns tokens and ner_tags; found {', '.join(table.column_names)}")
    feature = getattr(table.features["ner_tags"], "feature", None)
    labels = getattr(feature, "names", None) or labels
    rows = table.select_columns(["tokens", "ner_tags"])
    return [
        Sentence(
            source,
            [number] * len(row["tokens"]),
            tuple(row["tokens"]),
            tuple(_tag(source, number, tag, labels) for tag in row["ner_tags"]),
        )
        for number, row in enumerate(rows, start=1)
        if row["tokens"]
    ]


def _tag(source: str, row: int, tag: object, labels: Sequence[str]) -> str:
    """Return the name of a tag that may be a class number."""
    if isinstance(tag, str):
        return tag
    if isinstance(tag, int) and tag in range(len(labels)):
        return labels[tag]
    raise DataError(f"{source}:{row}: unknown tag {tag!r}; allowed: {', '.join(labels)}, or 0 to {len(labels) - 1}")
