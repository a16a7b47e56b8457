"""The model cache: models in memory up to a total size; the least recently used one is unloaded first (LRU)."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gradsim_shared.bundle import file_entry
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import FileEntry
from gradsim_shared.token_model import Session

MEGABYTE = 2**20


class ModelCache:
    """An LRU cache of models, limited by the size of their files.

    Args:
        memory_mb: Size of all model files that may be in memory, MB; ``None``: no limit. The model that runs stays in
            memory, so a single one that is larger is served all the same.
    """

    def __init__(self, memory_mb: int | None = None) -> None:
        self._limit = float("inf") if memory_mb is None else memory_mb * MEGABYTE
        self._changed = threading.Condition()
        # guarded by the condition:
        self._models: weakref.WeakSet[CachedModel] = weakref.WeakSet()  # a model of an old bundle is freed with it
        self._loading: set[CachedModel] = set()  # of these models; they cannot be evicted yet

    def model(self, path: Path, entry: FileEntry, load: Callable[[Path], Session]) -> CachedModel:
        """Return a model that is loaded when it is used, and may be unloaded after.

        Args:
            path: Its file.
            entry: Size and SHA-256 that the file must have.
            load: Loads it.
        """
        return CachedModel(self, path, entry, load)

    @contextmanager
    def reserve(self, model: CachedModel) -> Iterator[None]:
        """Reserve memory for a model that is loaded inside, and evict others; given back if loading fails.

        Where all other models are being loaded, this waits until one of them can be evicted.
        """
        with self._changed:
            while model.entry.size + sum(other.entry.size for other in self._models) > self._limit:
                idle = set(self._models) - self._loading
                if idle:
                    least_recent = min(idle, key=lambda other: other.used)
                    least_recent.unload()
                    self._models.discard(least_recent)
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


class CachedModel:
    """A session that is loaded when it runs; several threads may use it.

    Attributes:
        entry: Size and SHA-256 of its file.
        used: When a request last used it, or when it was loaded; on the clock of ``time.monotonic``.
    """

    def __init__(self, cache: ModelCache, path: Path, entry: FileEntry, load: Callable[[Path], Session]) -> None:
        self.entry = entry
        self.used = 0.0
        self._paths = [path]
        self._cache, self._load = cache, load
        self._session: Session | None = None
        self._loading = threading.Lock()

    @property
    def in_memory(self) -> bool:
        """Whether it runs without being loaded first."""
        return self._session is not None

    def add_path(self, path: Path) -> None:
        """Add the same file of another version of the bundle: either version's directory may be deleted."""
        with self._loading:
            self._paths = [path, *(other for other in self._paths if other != path and other.is_file())]

    def mark_used(self) -> None:
        """Mark it as the most recently used."""
        self.used = time.monotonic()

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[Any]:
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
        """Free the memory; a batch that runs right now holds it until it is done."""
        self._session = None

    def _loaded(self) -> Session:
        with self._cache.reserve(self):
            path = next((path for path in self._paths if path.is_file() and file_entry(path) == self.entry), None)
            if path is None:
                raise BundleError(f"{self._paths[0]} has changed since the bundle was verified; copy the bundle again")
            session = self._session = self._load(path)
            self.used = time.monotonic()
        return session
