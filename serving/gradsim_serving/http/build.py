"""Build the ASGI app of the service over an engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette import responses as starlette_responses
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.http.dispatch import Dispatcher, Endpoint
from gradsim_serving.http.information import information
from gradsim_serving.http.parsing import RequestParser
from gradsim_serving.http.predictions import prediction_endpoint
from gradsim_serving.http.responses import Response, error_response
from gradsim_serving.http.timeouts import Timeouts
from gradsim_serving.observing.log import Log
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions

REQUEST_HEADERS = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "X-Api-Key",
    "X-Request-Id",
    "X-Request-Timeout-Ms",
)
RESPONSE_HEADERS = ("Retry-After", "X-Request-Id")


def build(
    engine: Engine,
    lifecycle: Lifecycle,
    metrics: Metrics,
    options: HttpOptions,
    *,
    log: Log | None = None,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    endpoints: Collection[str] | None = None,
) -> App:
    """Return the ASGI app of the service.

    Args:
        engine: Answers texts.
        lifecycle: Of the bundles that are served.
        metrics: Counts requests.
        options: Limits, keys, origins.
        log: Gets a line for each request; ``None``: no log.
        lifespan: Of the app, as Starlette knows it; ``None``: there is nothing to start or stop.
        endpoints: Where texts are answered; ``None``: where ``lifecycle`` has bundles now.
    """
    timeouts = Timeouts(options.body_seconds)
    parser = RequestParser(options)
    answered = list(lifecycle.manifests if endpoints is None else endpoints)
    table: dict[str, dict[str, Endpoint]] = {
        path: {"POST": Endpoint(prediction_endpoint(path, engine, parser, options, timeouts), reads=True)}
        for path in answered
    }
    dispatcher = Dispatcher(table | information(lifecycle, metrics, options, answered), options, metrics, log, timeouts)
    return App(dispatcher, with_cors(dispatcher, options.cors_origins), lifespan)


class App(Starlette):
    """The service: Starlette runs start and stop, requests go past its router to the `Dispatcher`.

    Args:
        dispatcher: Counts what the connection rejects.
        http: Gets the requests: the dispatcher, behind CORS where it is switched on.
        lifespan: Runs from start to stop.
    """

    def __init__(
        self, dispatcher: Dispatcher, http: ASGIApp, lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None
    ) -> None:
        super().__init__(lifespan=lifespan)
        self.count_rejected = dispatcher.count_rejected  # connections look for it here
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on without Starlette's stack of middleware."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._http(scope, receive, send)


def with_cors(dispatcher: Dispatcher, origins: Sequence[str]) -> ASGIApp:
    """Return an app that web pages of these origins may use; without any, the dispatcher itself.

    Cookies are not allowed, as none are used: ``*`` lets every page ask, and none in a user's name.
    """
    if not origins:
        return dispatcher
    return _Cors(
        dispatcher,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
    )


class _Cors(CORSMiddleware):
    """Starlette's, with errors in our form; preflight requests are counted as all others are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "OPTIONS" else {}
        if not isinstance(headers, Headers) or not {"origin", "access-control-request-method"} <= set(headers):
            await super().__call__(scope, receive, send)
            return
        assert isinstance(self.app, Dispatcher)
        request = self.app.request_of(scope, receive)
        response = self.preflight_response(headers)
        response.headers["x-request-id"] = request.id.decode("ascii")
        await response(scope, receive, send)
        code = "forbidden" if response.status_code >= 400 else None
        self.app.count(request, Response(b"", response.status_code, (), code))

    def preflight_response(self, request_headers: Headers) -> starlette_responses.Response:
        """Answer a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        error = error_response(
            "forbidden", "web pages of this origin, or such requests of theirs, are not allowed here"
        )
        refusal = starlette_responses.Response(error.body, error.status, media_type="application/json")
        kept = ("vary", "access-control-allow-origin")
        refusal.headers.update({name: value for name, value in response.headers.items() if name in kept})
        return refusal
