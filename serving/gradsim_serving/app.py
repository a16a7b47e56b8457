"""The service as one ASGI app, whole in itself: bundles, endpoints, limits, errors, health, metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from gradsim_serving.cores import cores
from gradsim_serving.defaults import MAX_BODY_BYTES, QUEUE, TIMEOUT_SECONDS
from gradsim_serving.endpoints import named_elsewhere, open_bundles
from gradsim_serving.errors import InternalErrors, add_error_handlers, error_responses
from gradsim_serving.examples import example
from gradsim_serving.forms import Texts, answer_form
from gradsim_serving.information import add_information
from gradsim_serving.limits import BodyLimit
from gradsim_serving.loading import Loading
from gradsim_serving.metrics import Metrics, RequestMetrics
from gradsim_serving.workers import Workers
from gradsim_shared.decoding import decoder_of
from gradsim_shared.errors import GradsimError, RequestError
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Router

Answering = Callable[[Texts], Awaitable[list[dict[str, Any]]]]
"""Answers a request: one answer for each text."""


def create_app(
    bundles: Sequence[Path],
    *,
    threads: int | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    queue: int = QUEUE,
    timeout_seconds: float = TIMEOUT_SECONDS,
    finished: Callable[[GradsimError | None], None] | None = None,
) -> FastAPI:
    """Return the service for these bundles; their models are loaded when the app is started.

    Args:
        bundles: Directories, one for each endpoint.
        threads: How many threads compute one batch; ``None`` means one for each core that may be used.
        max_body_bytes: Larger request bodies are refused.
        queue: How many requests may wait; more are refused with 429.
        timeout_seconds: How long a request may take.
        finished: Called once when loading has ended, with the error when there was one.

    Raises:
        BundleError: A bundle is not valid, or two are for one endpoint.
    """
    threads = threads or cores()
    opened = open_bundles(bundles)
    loading = Loading(opened, threads, finished)
    workers = Workers(max(2, threads), queue)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading.start()
        yield
        workers.stop()

    app = FastAPI(
        title="GradSim",
        description="Identifies the language of a text and answers from the model of the group that serves it.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # Swagger UI and ReDoc load scripts from elsewhere
        redoc_url=None,
    )
    routers = {endpoint: Router(bundle.manifest) for endpoint, bundle in opened.items()}
    for endpoint, bundle in opened.items():
        run = _answering(endpoint, loading, workers, routers, timeout_seconds)
        _add_endpoint(app, endpoint, bundle.manifest, run, metrics)
    paths = add_information(app, opened, loading, metrics)
    add_error_handlers(app)
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    app.add_middleware(InternalErrors)
    app.add_middleware(RequestMetrics, metrics=metrics, endpoints=paths)
    return app


def _answering(
    endpoint: str, loading: Loading, workers: Workers, routers: Mapping[str, Router], timeout_seconds: float
) -> Answering:
    """Return what answers the requests to one endpoint."""

    async def run(request: Texts) -> list[dict[str, Any]]:
        deadline = time.monotonic() + timeout_seconds
        answerer = loading.answerer(endpoint)
        try:
            return await workers.run(answerer.answer, request.texts, request.language, deadline)
        except RequestError as error:
            raise named_elsewhere(error, request.language, endpoint, routers) from error

    return run


def _add_endpoint(app: FastAPI, endpoint: str, manifest: Manifest, run: Answering, metrics: Metrics) -> None:
    """Add the endpoint of one bundle."""
    name = endpoint.removeprefix("/")
    form = answer_form(name, decoder_of(manifest.task).prediction_type(manifest.labels))
    shown = {"texts": [example(name, [language.code for language in manifest.languages])], "language": None}

    async def answer(request: Texts) -> Response:
        answers = await run(request)
        metrics.texts(name, answers)
        content = form.model_validate({"predictions": answers, "bundle": manifest.title})
        return Response(content.model_dump_json(), media_type="application/json")

    app.post(
        endpoint,
        name=name,
        summary=f"Answer texts: {name}",
        response_model=form,
        responses=error_responses(400, 413, 415, 422, 429, 500, 503, 504),
        description=f"A prediction with its route for each text. Labels: {', '.join(manifest.labels)}.",
        openapi_extra={"requestBody": {"content": {"application/json": {"example": shown}}}},
    )(answer)
