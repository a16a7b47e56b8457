"""From start to stop: bundles are loaded, must answer canaries before anybody is served, and can be exchanged."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.endpoints import open_bundles
from gradsim_serving.bundles.loading import Loaded, load_bundle
from gradsim_serving.bundles.served import Served
from gradsim_serving.bundles.shelf import Shelf
from gradsim_serving.engine.engine import Engine
from gradsim_serving.faults import describe
from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError, GradsimError, RequestError
from gradsim_shared.manifest import Manifest

logger = logging.getLogger(__name__)

CHECK_SECONDS = 60.0
"""A group that has not answered a canary by then does not answer, unless requests may wait longer themselves."""

MARGIN_SECONDS = 30.0
"""For batches that run, and the canary itself, once all requests in front of it have been answered or dropped."""


class Life:
    """The bundles of a service.

    Args:
        directories: One bundle for each endpoint.
        engine: Answers from them once they are loaded.
        settings: How models run.
        memory_mb: Size of the model files that may be in memory, MB; ``None`` means all.
        canary_seconds: Every group answers a canary so often; 0 means only when it is loaded.
        request_seconds: How long requests may wait in the same queue, in front of a canary.
        loaded: Told of the manifests whenever bundles begin to be served.
        finished: Called once when the first loading has ended, with the error if there was one; ``None``: log it.

    Raises:
        BundleError: A bundle is not valid, or two are for one endpoint.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        engine: Engine,
        settings: SessionSettings | None = None,
        *,
        memory_mb: int | None = None,
        canary_seconds: float = 0.0,
        request_seconds: float = 0.0,
        loaded: Callable[[Mapping[str, Manifest]], None] | None = None,
        finished: Callable[[GradsimError | None], None] | None = None,
    ) -> None:
        self._directories = list(directories)
        self._engine = engine
        self._settings = settings or SessionSettings()
        self._shelf = Shelf(memory_mb)
        self._canary_seconds = canary_seconds
        self._check_seconds = max(CHECK_SECONDS, request_seconds + MARGIN_SECONDS)
        self._told = loaded
        self._finished = finished
        self._opened: Mapping[str, Bundle] = open_bundles(self._directories)
        self._manifests = _manifests(self._opened)
        self._loaded = Loaded()
        self._error: GradsimError | None = None
        self._ill: str | None = None
        self._ready = False
        self._stopping = threading.Event()
        self._loading = threading.Lock()
        self._exchanging = threading.Lock()  # what is served, and whether it is ill, change together

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """Of what is served now, under its endpoint; another mapping after a reload."""
        return self._manifests

    @property
    def is_ready(self) -> bool:
        """Whether every group answers, and requests are taken."""
        return self._ready and self._ill is None and not self._stopping.is_set()

    def require_ready(self) -> None:
        """Raise ``RequestError`` unless every group answers: ``not_ready`` or ``shutting_down``."""
        if self._stopping.is_set():
            raise RequestError("the service is being stopped", code="shutting_down")
        if self._error is not None:
            raise RequestError("the models could not be loaded; the service's log says why", code="not_ready")
        if not self._ready:
            raise RequestError("the models are being loaded; try again in a moment", code="not_ready")
        if self._ill is not None:
            raise RequestError(f"{self._ill} does not answer; the service's log says why", code="not_ready")

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._engine.start()
        threading.Thread(target=self._begin, name="gradsim-loading", daemon=True).start()

    def load(self) -> None:
        """Load, and return when all groups have answered.

        Raises:
            BundleError: Something cannot be loaded, or does not answer as it must.
            SettingsError: The models cannot run as the settings say.
        """
        with self._loading:
            self._serve(self._opened)

    async def reload(self) -> dict[str, Any]:
        """Read the bundles again and serve what they hold now; requests in flight are answered from the old ones.

        Returns:
            Endpoint to the titles ``before`` and ``after``.

        Raises:
            BundleError: A bundle is not valid, or does not answer: all stays as it was.
        """
        return await asyncio.to_thread(self.reload_now)

    def reload_now(self) -> dict[str, Any]:
        """As ``reload``, in this thread."""
        with self._loading:
            before = {endpoint: manifest.title for endpoint, manifest in self._manifests.items()}
            opened = open_bundles(self._directories)
            if opened.keys() != before.keys():
                raise BundleError(
                    f"the bundles are for {', '.join(sorted(opened))} now, the service answers "
                    f"{', '.join(sorted(before))}; stop it and start it again"
                )
            self._serve(opened)
            after = {endpoint: manifest.title for endpoint, manifest in self._manifests.items()}
        logger.info("reloaded: %s", ", ".join(after.values()))
        return {endpoint: {"before": before[endpoint], "after": after[endpoint]} for endpoint in after}

    def reload_soon(self) -> None:
        """Begin to reload, as on the signal SIGHUP; returns at once, and the log says how it went."""

        def run() -> None:
            try:
                self.reload_now()
            except GradsimError as error:
                logger.error("not reloaded, what was served stays: %s", error)
            except BaseException as error:  # a fault of ours, or a panic in Rust: the log must say so, in one line
                logger.error("not reloaded, what was served stays: %s", describe(error))

        threading.Thread(target=run, name="gradsim-reloading", daemon=True).start()

    def close(self) -> None:
        """Refuse requests from now on, and be ready no more; requests in flight are answered."""
        self._stopping.set()
        self._engine.close()

    async def stop(self, seconds: float) -> None:
        """Refuse requests, answer those in flight for so many seconds at most, and end."""
        self.close()
        await self._engine.stop(seconds)

    def _begin(self) -> None:
        """Load, say how it went, and go on with canaries."""
        failed: GradsimError | None = None
        try:
            self.load()
        except GradsimError as error:
            failed = error
        except BaseException as error:  # a fault of ours, or a panic in Rust: still nothing may be served
            failed = BundleError(f"loading failed: {describe(error)}")
        with self._exchanging:
            self._error = None if self._ready else failed  # a reload may have come in between
        if self._finished is not None:
            self._finished(self._error)
        elif self._error is not None:
            logger.error("%s", self._error)
        while self._canary_seconds > 0 and not self._stopping.wait(self._canary_seconds):
            self._watch()

    def _serve(self, opened: Mapping[str, Bundle]) -> None:
        """Load bundles, let every group answer, and only then serve them."""
        loaded = Loaded(before=self._loaded)
        served = {
            endpoint: load_bundle(bundle, self._settings, loaded, self._shelf) for endpoint, bundle in opened.items()
        }
        for bundle in served.values():
            self._check(bundle)
        manifests = _manifests(opened)
        if self._told is not None:
            self._told(manifests)
        with self._exchanging:
            self._engine.serve(served)
            self._loaded = Loaded(loaded.parts)  # without what was before: it is freed with its last request
            self._opened, self._manifests = opened, manifests
            self._ready, self._ill, self._error = True, None, None

    def _check(self, served: Served) -> None:
        """Let the identifier and every group answer.

        Raises:
            BundleError: One does not.
        """
        failed = self._failed(served)
        if failed is not None:
            group, error = failed
            raise BundleError(f"bundle {served.bundle.directory}: {group} does not answer: {error}") from error

    def _watch(self) -> None:
        """Let every group that is in memory answer again; while one does not the service is not ready."""
        bundles = self._engine.served
        ill, error = None, None
        for endpoint, served in bundles.items():
            failed = self._failed(served, only_in_memory=True)
            if failed is not None:
                ill, error = f"{failed[0]} of {endpoint}", failed[1]
                break
        with self._exchanging:
            if self._engine.served is not bundles or self._stopping.is_set():
                return  # these are served no more; those that are have just answered
            before, self._ill = self._ill, ill
        if error is not None:
            logger.error("%s does not answer a canary: %s", ill, describe(error))
        elif before is not None:
            logger.warning("%s answers again", before)

    def _failed(self, served: Served, *, only_in_memory: bool = False) -> tuple[str, Exception] | None:
        """Return what does not answer and why; ``None``: all do, or all that are in memory."""
        try:
            served.identifier.identify(["123 abc"])
        except Exception as error:  # whatever a library can do wrong
            return "the identifier", error
        for group, model in served.models.items():
            if only_in_memory and not model.in_memory:
                continue
            try:
                self._engine.check(served, group, self._check_seconds, only_in_memory=only_in_memory)
            except Exception as error:  # the same
                return f"group {group}", error
        return None


def _manifests(opened: Mapping[str, Bundle]) -> dict[str, Manifest]:
    return {endpoint: bundle.manifest for endpoint, bundle in opened.items()}
