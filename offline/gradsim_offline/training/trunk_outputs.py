"""What a trunk says of texts, each computed once and kept on disk: every training of a run reads it there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from gradsim_offline.core.disk import full_disk_said
from gradsim_offline.models.trunk import open_trunk_model, read_trunk
from gradsim_shared.trunk import TrunkModel

OUTPUTS_FOLDER = "trunk-outputs"
_STATES, _INDEX, _LOCK = "states.f16", "index.bin", ".lock"
_RECORD = np.dtype([("key", "S16"), ("row", "<i8"), ("rows", "<i4")])
_CHUNK, _HELD = 2048, 2**26  # pieces, and bytes of their outputs, that are computed before they are written


class TrunkOutputs:
    """The outputs of one trunk, by token ids; what is not there yet is computed and appended, by one process at a time.

    A pooled trunk has one row of ``width`` numbers for each piece, another one for each token, in 16 bits. A process
    that is killed leaves whole rows: the index is written after them, and what it names beyond them is dropped.

    Args:
        trunk: Directory of the trunk, as ``export_trunk`` wrote it.
        directory: Where outputs are kept.

    Attributes:
        entry: The trunk's.
    """

    def __init__(self, trunk: Path, directory: Path) -> None:
        self._trunk, self._directory, self.entry = trunk, directory, read_trunk(trunk)
        directory.mkdir(parents=True, exist_ok=True)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._rows = self._records = 0  # that are known, of both files
        self._lock = FileLock(directory / _LOCK)
        with self._lock:
            self._catch_up()

    @property
    def as_on_disk(self) -> bool:
        """Whether the file of outputs is as long as this object knows it."""
        return (
            self._index.is_file()
            and self._states.is_file()
            and self._states.stat().st_size == self._rows * self.row_bytes
        )

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.entry.width

    @property
    def pools(self) -> bool:
        """Whether a piece has one row, and not one for each token."""
        return self.entry.output == "pooled"

    def missing(self, ids: Sequence[Sequence[int]]) -> tuple[int, int]:
        """Return how many pieces are not there yet, and how many rows they will have."""
        absent = {key: len(each) for each in ids if (key := _key(each)) not in self._places}
        return len(absent), len(absent) if self.pools else sum(absent.values())

    def of(
        self, ids: Sequence[Sequence[int]], advance: Callable[[str], None] = lambda _: None
    ) -> list[NDArray[np.float16]]:
        """Return the output of each piece, ``[rows, width]``.

        Args:
            ids: Token ids of each piece.
            advance: Called once for each piece that is computed.

        Raises:
            GradsimError: The disk is full.
        """
        places = self._found(ids, advance)
        if not places:
            return []
        states = self._kept()
        return [np.asarray(states[row : row + rows]) for row, rows in places]

    def pooled(
        self, ids: Sequence[Sequence[int]], advance: Callable[[str], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Return the outputs of a pooled trunk, ``[pieces, width]``."""
        places = self._found(ids, advance)
        if not places:
            return np.zeros((0, self.width), np.float32)
        return self._kept()[[row for row, _ in places]].astype(np.float32)

    def _found(self, ids: Sequence[Sequence[int]], advance: Callable[[str], None]) -> list[tuple[int, int]]:
        """Return first row and number of rows of each piece; what is not there yet is computed."""
        keys = [_key(each) for each in ids]
        if any(key not in self._places for key in keys):
            with self._lock:
                self._catch_up()
        absent = list({key: i for i, key in enumerate(keys) if key not in self._places}.values())
        absent.sort(key=lambda i: len(ids[i]), reverse=True)  # the longest first: the time left is not underestimated
        for chunk in self._chunks(absent, ids):
            self._append([keys[i] for i in chunk], [ids[i] for i in chunk], advance)
        return [self._places[key] for key in keys]

    def _kept(self) -> NDArray[np.float16]:
        return np.memmap(self._states, np.float16, "r", shape=(self._rows, self.width))

    def _chunks(self, pieces: Sequence[int], ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield pieces, in their order, that are written together."""
        chunk: list[int] = []
        held = 0
        for piece in pieces:
            size = self.row_bytes * (1 if self.pools else len(ids[piece]))
            if chunk and (len(chunk) == _CHUNK or held + size > _HELD):
                yield chunk
                chunk, held = [], 0
            chunk.append(piece)
            held += size
        if chunk:
            yield chunk

    def _append(self, keys: Sequence[bytes], ids: Sequence[Sequence[int]], advance: Callable[[str], None]) -> None:
        found: list[NDArray[np.float16]] = [np.zeros((0, self.width), np.float16)] * len(ids)
        largest = np.finfo(np.float16).max
        for rows in self._model.chunks([len(each) for each in ids]):
            output = self._model.run([ids[row] for row in rows])
            for place, row in enumerate(rows):
                state = output.states[place]
                of_piece = state[None] if state.ndim == 1 else state[: len(ids[row])]
                found[row] = of_piece.clip(-largest, largest).astype(np.float16)
                advance("")
        with full_disk_said(self._directory), self._lock:
            self._catch_up()
            new = [(key, of_piece) for key, of_piece in zip(keys, found, strict=True) if key not in self._places]
            if not new:
                return
            records, row = np.zeros(len(new), _RECORD), self._rows
            for number, (key, of_piece) in enumerate(new):
                records[number] = (key, row, len(of_piece))
                row += len(of_piece)
            with self._states.open("ab") as stream:
                np.concatenate([of_piece for _, of_piece in new]).tofile(stream)
                os.fsync(stream.fileno())  # before the index says that they are there
            with self._index.open("ab") as stream:
                records.tofile(stream)
            self._catch_up()

    def _catch_up(self) -> None:
        """Take what was appended, by another process too, and drop what a killed one wrote in part."""
        index = np.fromfile(
            self._index,
            _RECORD,
            count=_whole(self._index, _RECORD.itemsize) - self._records,
            offset=self._records * _RECORD.itemsize,
        )
        index["row"] -= self._rows
        index = index[: _kept_records(index, _whole(self._states, self.row_bytes) - self._rows)]
        for record in index:
            place = (int(record["row"]) + self._rows, int(record["rows"]))
            self._places[bytes(record["key"]).ljust(16, b"\0")] = place
        self._records += len(index)
        self._rows += int(index["rows"].sum())
        sizes = {self._index: self._records * _RECORD.itemsize, self._states: self._rows * self.row_bytes}
        for path, size in sizes.items():
            with path.open("ab") as stream:
                stream.truncate(size)

    @cached_property
    def _model(self) -> TrunkModel:
        return open_trunk_model(self.entry, self._trunk)

    @property
    def _states(self) -> Path:
        return self._directory / _STATES

    @property
    def _index(self) -> Path:
        return self._directory / _INDEX

    @property
    def row_bytes(self) -> int:
        """What a row takes on disk."""
        return self.width * np.dtype(np.float16).itemsize


def _key(ids: Sequence[int]) -> bytes:
    return hashlib.blake2b(np.asarray(ids, np.int32).tobytes(), digest_size=16).digest()


def _kept_records(index: NDArray[np.void], rows: int) -> int:
    """Return how many records, from the first, follow one another and lie within the rows that are there."""
    ends = np.cumsum(index["rows"], dtype=np.int64)
    fits = (index["rows"] >= 0) & (index["row"] == ends - index["rows"]) & (ends <= rows)
    return len(index) if fits.all() else int(np.argmin(fits))


def _whole(path: Path, size: int) -> int:
    """Return how many whole records a file has, which is made if it is not there."""
    with path.open("ab"):
        pass
    return path.stat().st_size // size
