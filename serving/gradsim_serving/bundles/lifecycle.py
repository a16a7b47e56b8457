"""The lifecycle of a service's bundles: load, check with canaries before serving, reload, stop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import Loaded, load_bundle
from gradsim_serving.bundles.model_cache import ModelCache
from gradsim_serving.bundles.served import Served, open_bundles
from gradsim_serving.engine.engine import Engine
from gradsim_serving.observing.log import describe
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.decoding import decoder_of
from gradsim_shared.errors import BundleError, GradsimError, RequestError
from gradsim_shared.manifest import Manifest

logger = logging.getLogger(__name__)

CHECK_SECONDS = 60.0
"""Timeout of a canary, unless requests may take longer themselves."""

MARGIN_SECONDS = 30.0
"""For running batches and the canary itself, once all requests queued before it have ended."""


class Lifecycle:
    """The bundles of a service.

    Args:
        directories: One bundle for each endpoint.
        engine: Answers from them once they are loaded.
        settings: How models run.
        memory_mb: Size of the model files that may be in memory, MB; ``None`` means all.
        canary_seconds: Time between two canaries of each group; 0: only when it is loaded.
        request_seconds: Timeout of requests, which may be queued before a canary.
        loaded: Called with the manifests whenever bundles begin to be served.
        finished: Called once when the first load has ended, with the error if there was one; ``None``: log it.

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
        self._cache = ModelCache(memory_mb)
        self._canary_seconds = canary_seconds
        self._check_seconds = max(CHECK_SECONDS, request_seconds + MARGIN_SECONDS)
        self._on_loaded = loaded
        self._on_finished = finished
        self._opened: Mapping[str, VerifiedBundle] = open_bundles(self._directories)
        self._manifests = _manifests(self._opened)
        self._loaded = Loaded()
        self._error: GradsimError | None = None
        self._failing: str | None = None
        self._ready = False
        self._stopping = threading.Event()
        self._loading = threading.Lock()
        self._swapping = threading.Lock()  # what is served, and whether it fails, change together

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """Of what is served now, under its endpoint; another mapping after a reload."""
        return self._manifests

    @property
    def bundles(self) -> Mapping[str, VerifiedBundle]:
        """What is served now, under its endpoint."""
        return self._opened

    @property
    def is_ready(self) -> bool:
        """Whether every group answers, and requests are taken."""
        return self._ready and self._failing is None and not self._stopping.is_set()

    def require_ready(self) -> None:
        """Raise ``RequestError`` unless every group answers: ``not_ready`` or ``shutting_down``."""
        if self._stopping.is_set():
            raise RequestError("the service is being stopped", code="shutting_down")
        if self._error is not None:
            raise RequestError("the models could not be loaded; the service's log says why", code="not_ready")
        if not self._ready:
            raise RequestError("the models are being loaded; try again in a moment", code="not_ready")
        if self._failing is not None:
            raise RequestError(f"{self._failing} does not answer; the service's log says why", code="not_ready")

    def start(self) -> None:
        """Load in a background thread; returns at once."""
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
        """Read the bundles again and swap to them; requests in flight are answered from the old ones.

        Returns:
            Endpoint to the titles ``before`` and ``after``.

        Raises:
            BundleError: A bundle is not valid, answers in another form, or does not answer; the old ones are still
                served.
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
            for endpoint, bundle in opened.items():
                _check_kind(endpoint, self._manifests[endpoint], bundle)
            self._serve(opened)
            after = {endpoint: manifest.title for endpoint, manifest in self._manifests.items()}
        logger.info("reloaded: %s", ", ".join(after.values()))
        return {endpoint: {"before": before[endpoint], "after": after[endpoint]} for endpoint in after}

    def reload_soon(self) -> None:
        """Reload in a background thread, as on the signal SIGHUP; returns at once, and logs the outcome."""

        def run() -> None:
            try:
                self.reload_now()
            except GradsimError as error:
                logger.error("not reloaded, what was served stays: %s", error)
            except BaseException as error:  # a defect of ours, or a panic in Rust: one line in the log
                logger.error("not reloaded, what was served stays: %s", describe(error))

        threading.Thread(target=run, name="gradsim-reloading", daemon=True).start()

    def close(self) -> None:
        """Refuse requests from now on, and be not ready; requests in flight are answered."""
        self._stopping.set()
        self._engine.close()

    async def stop(self, seconds: float) -> None:
        """Refuse requests, answer those in flight for so many seconds at most, and end."""
        self.close()
        await self._engine.stop(seconds)

    def _begin(self) -> None:
        """Load, report the outcome, and send canaries until the stop."""
        failed: GradsimError | None = None
        try:
            self.load()
        except GradsimError as error:
            failed = error
        except BaseException as error:  # a defect of ours, or a panic in Rust
            failed = BundleError(f"loading failed: {describe(error)}")
        with self._swapping:
            self._error = None if self._ready else failed  # a reload may have come in between
        if self._on_finished is not None:
            self._on_finished(self._error)
        elif self._error is not None:
            logger.error("%s", self._error)
        while self._canary_seconds > 0 and not self._stopping.wait(self._canary_seconds):
            self._watch()

    def _serve(self, opened: Mapping[str, VerifiedBundle]) -> None:
        """Load bundles, check every group, and only then serve them."""
        loaded = Loaded(before=self._loaded)
        served = {
            endpoint: load_bundle(bundle, self._settings, loaded, self._cache) for endpoint, bundle in opened.items()
        }
        for bundle in served.values():
            self._check(bundle)
        manifests = _manifests(opened)
        if self._on_loaded is not None:
            self._on_loaded(manifests)
        with self._swapping:
            self._engine.serve(served)
            self._loaded = Loaded(loaded.parts)  # without the version before, which is freed with its last request
            self._opened, self._manifests = opened, manifests
            self._ready, self._failing, self._error = True, None, None

    def _check(self, served: Served) -> None:
        """Send a canary to the identifier and every group.

        Raises:
            BundleError: One does not.
        """
        failed = self._failed(served)
        if failed is not None:
            group, error = failed
            raise BundleError(f"bundle {served.bundle.directory}: {group} does not answer: {error}") from error

    def _watch(self) -> None:
        """Send a canary to every group that is in memory; while one fails the service is not ready."""
        bundles = self._engine.served
        failing, error = None, None
        for endpoint, served in bundles.items():
            failed = self._failed(served, only_in_memory=True)
            if failed is not None:
                failing, error = f"{failed[0]} of {endpoint}", failed[1]
                break
        with self._swapping:
            if self._engine.served is not bundles or self._stopping.is_set():
                return  # a reload came in between, and has checked what is served now
            before, self._failing = self._failing, failing
        if error is not None:
            logger.error("%s does not answer a canary: %s", failing, describe(error))
        elif before is not None:
            logger.warning("%s answers again", before)

    def _failed(self, served: Served, *, only_in_memory: bool = False) -> tuple[str, Exception] | None:
        """Return what does not answer and its error; ``None``: everything answers, or all that is in memory."""
        try:
            served.identifier.identify(["123 abc"])
        except Exception as error:  # whatever a library raises
            return "the identifier", error
        for group, model in served.models.items():
            if only_in_memory and not model.in_memory:
                continue
            try:
                self._engine.check(served, group, self._check_seconds, only_in_memory=only_in_memory)
            except Exception as error:  # as above
                return f"group {group}", error
        return None


def _check_kind(endpoint: str, before: Manifest, bundle: VerifiedBundle) -> None:
    """Raise ``BundleError`` where a bundle answers in another form than its endpoint's routes are made for."""
    old, new = (_form(manifest) for manifest in (before, bundle.manifest))
    if new != old:
        raise BundleError(
            f"bundle {bundle.directory} answers {endpoint} in another form than the service: {bundle.manifest.task} "
            f"({new[0]} to {new[1].__name__}), not {before.task} ({old[0]} to {old[1].__name__}); stop it and start it "
            "again"
        )


def _form(manifest: Manifest) -> tuple[str, type[Any]]:
    """Return what is answered, a text or a pair, and the dataclass of an answer."""
    decoder = decoder_of(manifest.task)
    return decoder.READS, decoder.prediction_type(manifest.labels)


def _manifests(opened: Mapping[str, VerifiedBundle]) -> dict[str, Manifest]:
    return {endpoint: bundle.manifest for endpoint, bundle in opened.items()}
