"""The ASGI app of the service: a FastAPI app, its routes, middleware and exception handlers put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.http.bodies import BodyMiddleware
from gradsim_serving.http.errors import on_http_exception, on_request_error
from gradsim_serving.http.information import PATHS, add_information
from gradsim_serving.http.keys import Access, KeyMiddleware
from gradsim_serving.http.middleware import Cors, RecordMiddleware
from gradsim_serving.http.openapi import open_paths, responses
from gradsim_serving.http.texts import Texting, answer_model, text_route, texts_handler, texts_model
from gradsim_serving.http.timeouts import Timeouts
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.decoding import decoder_of
from gradsim_shared.errors import RequestError

REQUEST_HEADERS = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "X-Api-Key",
    "X-Request-Id",
    "X-Request-Timeout-Ms",
)
RESPONSE_HEADERS = ("Retry-After", "X-Request-Id")

TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Of FastAPI: it would record what clients send, where another library has switched OpenTelemetry on."""


def build(
    engine: Engine,
    lifecycle: Lifecycle,
    metrics: Metrics,
    options: HttpOptions,
    *,
    log_requests: bool = False,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Return the ASGI app of the service.

    Args:
        engine: Answers texts.
        lifecycle: Of the bundles that are served; each answers at its endpoint.
        metrics: Counts requests.
        options: Limits, keys, origins.
        log_requests: Whether a line is logged for each request.
        lifespan: Of the app; ``None``: there is nothing to start or stop.
    """
    timeouts = Timeouts(options.body_seconds)
    answered = list(lifecycle.manifests)
    paths = sorted([*answered, *PATHS])
    app = FastAPI(
        lifespan=lifespan,
        openapi_url=None,  # openapi.py makes the document, off the event loop, and anew after a reload
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            RequestError: on_request_error,
            HTTPException: on_http_exception,
        },
        middleware=_middleware(paths, metrics, options, timeouts, log_requests),
        telemetry=TELEMETRY,
    )
    texting, model = Texting(engine, options, timeouts), texts_model(options)
    for endpoint, manifest in lifecycle.manifests.items():
        name = endpoint.removeprefix("/")
        app.router.add_api_route(
            endpoint,
            texts_handler(endpoint, texting, model),
            methods=["POST"],
            name=name,
            summary=f"Answer texts: {name}",
            response_model=answer_model(decoder_of(manifest.task).prediction_type(manifest.labels)),
            response_description="One prediction for each text, in the order of the request.",
            responses=responses(bool(options.keys), 400, 408, 413, 415, 422, 429, 503, 504),
            route_class_override=text_route(options),
        )
    add_information(app.router, lifecycle, metrics, options, paths)
    return app


def _middleware(
    paths: Sequence[str], metrics: Metrics, options: HttpOptions, timeouts: Timeouts, log_requests: bool
) -> list[Middleware]:
    """Return the middleware, outermost first."""
    cors = Middleware(
        Cors,
        allow_origins=options.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=REQUEST_HEADERS,
        expose_headers=RESPONSE_HEADERS,
    )
    access: dict[str, Access] = {**dict.fromkeys(open_paths(options), "open"), "/admin/reload": "admin"}
    return [
        Middleware(
            RecordMiddleware, paths=paths, metrics=metrics, log_requests=log_requests, root_path=options.root_path
        ),
        *([cors] if options.cors_origins else []),
        Middleware(BodyMiddleware, limit=options.max_body_bytes, timeouts=timeouts),
        Middleware(KeyMiddleware, options=options, access=access),
    ]
