"""The ASGI app of the service: a FastAPI app, its routes, middleware and exception handlers put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.http import huggingface, inference_protocol
from gradsim_serving.http.bodies import BodyMiddleware
from gradsim_serving.http.direct import DirectMiddleware
from gradsim_serving.http.errors import FORMS, on_http_exception, on_request_error
from gradsim_serving.http.information import PATHS, add_information
from gradsim_serving.http.keys import Access, KeyMiddleware
from gradsim_serving.http.middleware import Cors, RecordMiddleware
from gradsim_serving.http.openapi import ANSWERED, open_paths, responses
from gradsim_serving.http.pages import Pages
from gradsim_serving.http.record import ErrorForm
from gradsim_serving.http.texts import Texting, answer_model, json_route, texts_handler
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.decoding import decoder_of, holds_of
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Manifest

REQUEST_HEADERS = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "X-Api-Key",
    "X-Request-Id",
    "X-Request-Timeout-Ms",
)
RESPONSE_HEADERS = ("Retry-After", "X-Gradsim-Route", "X-Request-Id")

ERROR_FORMS: dict[str, ErrorForm] = {
    huggingface.PREFIX: huggingface.error_form,
    huggingface.PREDICT: huggingface.error_form,
    inference_protocol.PREFIX: inference_protocol.error_form,
}
"""Of other APIs, by the beginning of their paths."""

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
    manifests = lifecycle.manifests
    pages = Pages(lifecycle, keyed=bool(options.keys)) if options.playground else None
    forms = [*huggingface.task_paths(manifests), *inference_protocol.protocol_paths(manifests)]
    paths = sorted([*manifests, *PATHS, *forms, *(pages.paths if pages else ())])
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
        telemetry=TELEMETRY,
    )
    texting = Texting(engine, options)
    _add_answers(app.router, texting, manifests)
    huggingface.add_tasks(app.router, texting, manifests)
    inference_protocol.add_protocol(app.router, texting, lifecycle)
    add_information(app.router, lifecycle, metrics, options, paths, ERROR_FORMS, pages)
    if pages is not None:
        pages.add_to(app.router)
    for middleware in reversed(_middleware(paths, pages, metrics, options, log_requests, app.routes)):
        app.add_middleware(middleware.cls, *middleware.args, **middleware.kwargs)
    return app


def _add_answers(router: APIRouter, texting: Texting, manifests: Mapping[str, Manifest]) -> None:
    """Add the routes that answer texts."""
    options = texting.options
    for endpoint, manifest in manifests.items():
        holds = holds_of(manifest.task)
        explain = staticmethod(partial(texting.explain, holds=holds))
        name, prediction = endpoint.removeprefix("/"), decoder_of(manifest.task).prediction_type(manifest.labels)
        router.add_api_route(
            endpoint,
            texts_handler(endpoint, texting, holds),
            methods=["POST"],
            name=name,
            summary=f"Answer {holds}: {name}",
            response_model=answer_model(prediction),
            response_description=f"One prediction for each of the {holds}, in the order of the request.",
            responses=responses(bool(options.keys), *ANSWERED),
            route_class_override=json_route(options, explain=explain, form=FORMS[holds]),
        )


def _middleware(
    paths: Sequence[str],
    pages: Pages | None,
    metrics: Metrics,
    options: HttpOptions,
    log_requests: bool,
    routes: Sequence[BaseRoute],
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
    if pages is not None:
        access |= {**dict.fromkeys(pages.files, "open"), "/": "page"}
    return [
        Middleware(
            RecordMiddleware,
            paths=paths,
            metrics=metrics,
            log_requests=log_requests,
            root_path=options.root_path,
            error_forms=ERROR_FORMS,
        ),
        *([cors] if options.cors_origins else []),
        Middleware(BodyMiddleware, limit=options.max_body_bytes, seconds=options.body_seconds),
        Middleware(KeyMiddleware, options=options, access=access),
        Middleware(DirectMiddleware, routes=routes),
    ]
