"""Serve our ASGI app under BentoML in place of BentoML's own, with its tracing where that is switched on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_shared.errors import GradsimError, SettingsError

COLLECTOR, SAMPLE_RATE = "GRADSIM_TRACES", "GRADSIM_TRACES_SHARE"
DEFAULT_SHARE = 0.01
OFF: dict[str, Any] = {"excluded_urls": ".*"}  # sample rate 0 alone still makes a span of every request
EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def tracing(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return BentoML's setting ``tracing`` for these environment variables.

    ``GRADSIM_TRACES`` is the address of a collector that takes OTLP over HTTP, such as
    ``http://localhost:4318/v1/traces``; empty means no traces. ``GRADSIM_TRACES_SHARE`` is the share of requests that
    are traced, 0 to 1. A span holds method, address with its query, status and client of a request, never its body.

    Raises:
        SettingsError: The share is none, the address is not one, or the exporter is not installed.
    """
    collector = environment.get(COLLECTOR, "")
    if not collector:
        return OFF
    if not collector.startswith(("http://", "https://")):
        raise SettingsError(f"{COLLECTOR} is {collector!r}: it must begin with http:// or https://")
    if not _installed():
        raise SettingsError(f"{COLLECTOR} is set, but the exporter is missing: pip install 'bentoml[tracing-otlp]'")
    return {
        "exporter_type": "otlp",
        "sample_rate": _sample_rate(environment),
        "excluded_urls": "livez,readyz,metrics",
        "otlp": {"protocol": "http", "endpoint": collector, "http": {}},
    }


def _sample_rate(environment: Mapping[str, str]) -> float:
    written = environment.get(SAMPLE_RATE, "") or str(DEFAULT_SHARE)
    try:
        share = float(written)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{SAMPLE_RATE} is {written!r}: it must be a number from 0 to 1")
    return share


def _installed() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


TRACING_MIDDLEWARE = "OpenTelemetryMiddleware"


@dataclass(slots=True)
class BentoApp:
    """Our ASGI app for HTTP requests, and BentoML's for the lifespan.

    BentoML answers ``/livez``, ``/readyz``, ``/healthz`` and unknown paths itself, in a form of its own, and its
    ``TimeoutMiddleware`` leaves a timer for every request, and a task for every client that disconnects. So of its
    middleware only tracing is kept, and that only where traces are asked for.

    Attributes:
        app: Ours.
        traced: Whether requests are traced.
        on_error: Ends a worker that cannot serve, with the reason.
        is_built: Whether BentoML has asked its service for the app.
    """

    app: ASGIApp
    traced: bool
    on_error: Callable[[GradsimError], None]
    is_built: bool = field(default=False, init=False)

    def install(self, service: Any) -> None:  # noqa: ANN401 - BentoML's class is private
        """Replace the method ``to_asgi`` of one service, which BentoML's workers call.

        Raises:
            SettingsError: This version of BentoML does not let us.
        """
        bento_app, service_class = self, type(service)
        if not callable(getattr(service_class, "to_asgi", None)):
            raise _unknown_bentoml("its service has no method to_asgi")

        def to_asgi(service: Any, *arguments: Any, **options: Any) -> ASGIApp:  # noqa: ANN401 - those of BentoML
            try:
                return bento_app.in_place_of(service_class.to_asgi(service, *arguments, **options))
            except SettingsError as error:
                bento_app.on_error(error)
                raise

        try:  # of this one service: a class with slots takes no attribute
            methods = {"__slots__": (), "__module__": service_class.__module__, "to_asgi": to_asgi}
            service.__class__ = type(service_class.__name__, (service_class,), methods)
        except TypeError as error:
            raise _unknown_bentoml("the class of a service cannot be changed") from error

    def in_place_of(self, bentoml_app: Any) -> ASGIApp:  # noqa: ANN401 - Starlette
        """Return the app to serve in place of BentoML's.

        Raises:
            SettingsError: This version of BentoML traces in another way.
        """
        http = self._traced(bentoml_app) if self.traced else self.app
        self.is_built = True

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await (http if scope["type"] == "http" else bentoml_app)(scope, receive, send)

        return app

    def require_built(self) -> None:
        """End the worker if BentoML serves without having called ``to_asgi``: it would serve its own app."""
        if not self.is_built:
            self.on_error(_unknown_bentoml("it does not call to_asgi of its service"))

    def _traced(self, bentoml_app: Any) -> ASGIApp:  # noqa: ANN401
        for middleware in getattr(bentoml_app, "user_middleware", ()):
            if getattr(middleware.cls, "__name__", "") == TRACING_MIDDLEWARE:
                traced: ASGIApp = middleware.cls(self.app, *middleware.args, **middleware.kwargs)
                return traced
        raise _unknown_bentoml(f"its app has no {TRACING_MIDDLEWARE}")


def _unknown_bentoml(why: str) -> SettingsError:
    return SettingsError(
        f"the service does not know BentoML {version('bentoml')}: {why}. Install the version of constraints.txt, or "
        "serve with gradsim-serve"
    )
