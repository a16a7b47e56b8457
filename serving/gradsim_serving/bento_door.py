"""Let requests come to our app first under BentoML: none of its timers, tasks and error forms stand between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_shared.errors import GradsimError, SettingsError

SPANS = "OpenTelemetryMiddleware"


@dataclass(slots=True)
class Door:
    """Where requests come in; what BentoML does at start and stop stays as it is.

    BentoML answers ``/livez``, ``/readyz``, ``/healthz`` and unknown paths itself, in a form of its own, and its
    ``TimeoutMiddleware`` leaves a timer for every request, and a task for every client that hangs up. So of its stack
    only what makes spans stands before our app, and that only where traces are asked for.

    Attributes:
        app: Ours.
        traced: Whether requests are traced.
        give_up: Ends a worker that cannot serve, with the reason.
        is_built: Whether BentoML has asked for its app, so that ours stands before it.
    """

    app: ASGIApp
    traced: bool
    give_up: Callable[[GradsimError], None]
    is_built: bool = field(default=False, init=False)

    def stand_before(self, service: Any) -> None:  # noqa: ANN401 - BentoML's class is private
        """Put the door before a service, by its method ``to_asgi``, which BentoML's workers call.

        Raises:
            SettingsError: This version of BentoML does not let us.
        """
        door, kind = self, type(service)
        if not callable(getattr(kind, "to_asgi", None)):
            raise _another_bentoml("its service has no method to_asgi")

        def to_asgi(service: Any, *arguments: Any, **options: Any) -> ASGIApp:  # noqa: ANN401 - those of BentoML
            try:
                return door.before(kind.to_asgi(service, *arguments, **options))
            except SettingsError as error:
                door.give_up(error)
                raise

        try:  # of this one service: a class with slots takes no attribute
            methods = {"__slots__": (), "__module__": kind.__module__, "to_asgi": to_asgi}
            service.__class__ = type(kind.__name__, (kind,), methods)
        except TypeError as error:
            raise _another_bentoml("the class of a service cannot be changed") from error

    def before(self, bentoml_app: Any) -> ASGIApp:  # noqa: ANN401 - Starlette
        """Return the app to serve in place of BentoML's.

        Raises:
            SettingsError: This version of BentoML makes spans in another way.
        """
        ours = self._with_spans(bentoml_app) if self.traced else self.app
        self.is_built = True

        async def first(scope: Scope, receive: Receive, send: Send) -> None:
            await (ours if scope["type"] == "http" else bentoml_app)(scope, receive, send)

        return first

    def require_built(self) -> None:
        """Give up if BentoML serves without having asked for its app: it would answer in its own way."""
        if not self.is_built:
            self.give_up(_another_bentoml("it does not call to_asgi of its service"))

    def _with_spans(self, bentoml_app: Any) -> ASGIApp:  # noqa: ANN401
        for middleware in getattr(bentoml_app, "user_middleware", ()):
            if getattr(middleware.cls, "__name__", "") == SPANS:
                traced: ASGIApp = middleware.cls(self.app, *middleware.args, **middleware.kwargs)
                return traced
        raise _another_bentoml(f"its app has no {SPANS}")


def _another_bentoml(why: str) -> SettingsError:
    return SettingsError(
        f"the service does not know BentoML {version('bentoml')}: {why}. Install the version of constraints.txt, or "
        "serve with gradsim-serve"
    )
