"""The service as one ASGI app, whole in itself: bundles, endpoints, limits, errors, health, metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response

from gradsim_serving.cores import cores
from gradsim_serving.defaults import MAX_BODY_BYTES, QUEUE, TIMEOUT_SECONDS
from gradsim_serving.errors import InternalErrors, add_error_handlers, error_responses
from gradsim_serving.forms import Texts, answer_form
from gradsim_serving.information import add_information
from gradsim_serving.limits import BodyLimit
from gradsim_serving.loading import Loading
from gradsim_serving.metrics import Metrics, RequestMetrics
from gradsim_serving.tasks import decoder_of
from gradsim_serving.workers import Workers
from gradsim_shared.bundle import Bundle, open_bundle
from gradsim_shared.errors import BundleError, GradsimError


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
        bundles: Directories, one for each task.
        threads: How many threads compute one batch; ``None`` means one for each core that may be used.
        max_body_bytes: Larger request bodies are refused.
        queue: How many requests may wait; more are refused with 429.
        timeout_seconds: How long a request may take.
        finished: Called once when loading has ended, with the error when there was one.

    Raises:
        BundleError: A bundle is not valid, or two are for one task.
    """
    threads = threads or cores()
    opened = _one_per_task([open_bundle(directory) for directory in bundles])
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
    for bundle in opened:
        _add_task(app, bundle, loading=loading, workers=workers, metrics=metrics, timeout_seconds=timeout_seconds)
    paths = add_information(app, opened, loading, metrics)
    add_error_handlers(app)
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    app.add_middleware(InternalErrors)
    app.add_middleware(RequestMetrics, metrics=metrics, endpoints=paths)
    return app


def _one_per_task(bundles: Sequence[Bundle]) -> Sequence[Bundle]:
    by_task: dict[str, Bundle] = {}
    for bundle in bundles:
        other = by_task.setdefault(bundle.manifest.task, bundle)
        if other is not bundle:
            task = bundle.manifest.task
            raise BundleError(
                f"{other.directory} and {bundle.directory} are both for the task {task}; name one of them"
            )
    return bundles


def _add_task(
    app: FastAPI, bundle: Bundle, *, loading: Loading, workers: Workers, metrics: Metrics, timeout_seconds: float
) -> None:
    """Add the endpoint of one bundle's task."""
    task = bundle.manifest.task
    decoder = decoder_of(task)
    form = answer_form(decoder)

    async def answer(request: Texts) -> Response:
        deadline = time.monotonic() + timeout_seconds
        answerer = loading.answerer(task)
        answers = await workers.run(answerer.answer, request.texts, request.language, deadline)
        metrics.texts(task, answers)
        content = form.model_validate({"predictions": answers, "bundle": bundle.manifest.title})
        return Response(content.model_dump_json(), media_type="application/json")

    app.post(
        f"/{decoder.ROUTE_NAME}",
        name=decoder.ROUTE_NAME,
        summary=f"Answer texts: {decoder.ROUTE_NAME}",
        response_model=form,
        responses=error_responses(400, 413, 415, 422, 429, 500, 503, 504),
        description=f"A prediction with its route for each text. Labels: {', '.join(bundle.manifest.labels)}.",
    )(answer)
