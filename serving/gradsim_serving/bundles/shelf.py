"""Models in memory, at most so many megabytes: the one that was not asked for longest makes room for the next."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.bundle import file_entry
from gradsim_shared.errors import BundleError
from gradsim_shared.group_model import Session
from gradsim_shared.manifest import FileEntry

MEGABYTE = 2**20


class Shelf:
    """Keeps models in memory.

    Args:
        memory_mb: Size of all model files that may be in memory, MB; ``None`` means any. The model that runs is
            kept, so a single one that is larger is served all the same.
    """

    def __init__(self, memory_mb: int | None = None) -> None:
        self._limit = float("inf") if memory_mb is None else memory_mb * MEGABYTE
        self._changed = threading.Condition()
        # guarded by the condition:
        self._models: weakref.WeakSet[KeptModel] = weakref.WeakSet()  # those of an old bundle go with it
        self._loading: set[KeptModel] = set()  # of these models; they cannot make room yet

    def keep(self, path: Path, entry: FileEntry, load: Callable[[Path], Session]) -> KeptModel:
        """Return a model that is loaded when it is asked for, and may be unloaded after.

        Args:
            path: Its file.
            entry: Size and SHA-256 that the file must have.
            load: Loads it.
        """
        return KeptModel(self, path, entry, load)

    @contextmanager
    def room(self, model: KeptModel) -> Iterator[None]:
        """Keep room for a model, which is loaded inside; if that fails, the room is given back.

        Where only models that are being loaded themselves could make room, this waits until one of them is in memory.
        """
        with self._changed:
            while model.entry.size + sum(other.entry.size for other in self._models) > self._limit:
                idle = set(self._models) - self._loading
                if idle:
                    longest = min(idle, key=lambda other: other.used)
                    longest.unload()
                    self._models.discard(longest)
                elif self._loading:
                    self._changed.wait()
                else:
                    break
            self._models.add(model)
            self._loading.add(model)
        try:
            yield
        finally:
            with self._changed:
                self._loading.discard(model)
                if not model.in_memory:
                    self._models.discard(model)
                self._changed.notify_all()


class KeptModel:
    """A session that is in memory when it runs; it may be used from several threads.

    Attributes:
        entry: Size and SHA-256 of its file.
        used: When a request last asked for it, or when it was loaded; on the clock of ``time.monotonic``.
    """

    def __init__(self, shelf: Shelf, path: Path, entry: FileEntry, load: Callable[[Path], Session]) -> None:
        self.entry = entry
        self.used = 0.0
        self._paths = [path]
        self._shelf, self._load = shelf, load
        self._session: Session | None = None
        self._loading = threading.Lock()

    @property
    def in_memory(self) -> bool:
        """Whether it runs without being loaded first."""
        return self._session is not None

    def lies_at(self, path: Path) -> None:
        """Note that another version of the bundle holds the same file: either version may go, or never be served."""
        with self._loading:
            self._paths = [path, *(other for other in self._paths if other != path and other.is_file())]

    def asked(self) -> None:
        """Note that a request asks for it: others make room first."""
        self.used = time.monotonic()

    def run(self, output_names: None, input_feed: dict[str, NDArray[np.int64]]) -> list[Any]:
        """Return the model's outputs."""
        return self.session().run(output_names, input_feed)

    def session(self) -> Session:
        """Return the session, loaded.

        Raises:
            BundleError: The file has changed since the bundle was verified.
        """
        session = self._session
        if session is None:
            with self._loading:
                session = self._session or self._loaded()
        return session

    def unload(self) -> None:
        """Let go of the memory; a batch that runs right now keeps it until it is done."""
        self._session = None

    def _loaded(self) -> Session:
        with self._shelf.room(self):
            path = next((path for path in self._paths if path.is_file() and file_entry(path) == self.entry), None)
            if path is None:
                raise BundleError(f"{self._paths[0]} has changed since the bundle was verified; copy the bundle again")
            session = self._session = self._load(path)
            self.used = time.monotonic()
        return session
