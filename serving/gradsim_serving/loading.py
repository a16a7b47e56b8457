"""Load the models in the background, so that the service is live at once and ready when they all answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from gradsim_serving.answering import Answerer
from gradsim_serving.errors import describe
from gradsim_serving.model_files import Loaded
from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError, GradsimError, RequestError

logger = logging.getLogger(__name__)


class Loading:
    """Bundles on their way to answering.

    Args:
        bundles: Each under its endpoint.
        threads: How many threads compute one batch.
        finished: Called once from the loading thread, with the error when there was one; ``None`` means: log it.
    """

    def __init__(
        self, bundles: Mapping[str, Bundle], threads: int, finished: Callable[[GradsimError | None], None] | None = None
    ) -> None:
        self.error: GradsimError | None = None
        self._bundles = bundles
        self._threads = threads
        self._finished = finished
        self._answerers: dict[str, Answerer] = {}
        self._ready = threading.Event()

    def start(self) -> None:
        """Begin to load; returns at once."""
        threading.Thread(target=self._load, name="gradsim-loading", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether every bundle answers."""
        return self._ready.is_set()

    def answerer(self, endpoint: str) -> Answerer:
        """Return who answers at an endpoint.

        Raises:
            RequestError: ``not_ready``: the models are not loaded yet, or cannot be.
        """
        self.require_ready()
        return self._answerers[endpoint]

    def require_ready(self) -> None:
        """Raise ``not_ready`` unless every bundle answers."""
        if self.error is not None:
            raise RequestError("the models could not be loaded; the service's log says why", code="not_ready")
        if not self.ready:
            raise RequestError("the models are being loaded; try again in a moment", code="not_ready")

    def _load(self) -> None:
        try:
            loaded = Loaded()
            for endpoint, bundle in self._bundles.items():
                self._answerers[endpoint] = Answerer(bundle, self._threads, loaded)
        except GradsimError as error:
            self.error = error
        except Exception as error:  # a fault of ours: still nothing may be served
            self.error = BundleError(f"loading failed: {describe(error)}")
        else:
            self._ready.set()
        if self._finished is not None:
            self._finished(self.error)
        elif self.error is not None:
            logger.error("%s", self.error)
