"""The service as one ASGI app: engine, bundles, metrics and HTTP put together."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.lifecycle import Lifecycle
from gradsim_serving.engine.engine import Engine
from gradsim_serving.http.api import build
from gradsim_serving.observing.log import Log
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.observing.observer import Observer
from gradsim_serving.options import DEFAULTS, Options
from gradsim_serving.runtime import Runtime, runtime_of
from gradsim_shared.errors import GradsimError
from gradsim_shared.manifest import Manifest

logger = logging.getLogger(__name__)

Finished = Callable[[GradsimError | None], None]


def create_app(bundles: Sequence[Path], options: Options = DEFAULTS, *, finished: Finished | None = None) -> FastAPI:
    """Return the service for these bundles; their models are loaded when the app is started.

    Args:
        bundles: Directories, one for each endpoint.
        options: How it runs.
        finished: Called once when loading has ended, with the error if there was one; ``None``: it is logged.

    Raises:
        BundleError: A bundle is not valid, or two are for one endpoint.
        SettingsError: The models cannot run as the options say.
    """
    metrics = Metrics()
    log_requests = options.log_requests or options.log_file is not None
    log = Log(options.log_file, as_json=log_requests)
    log.listen()
    if log_requests:
        metrics.register(log)
    runtime = runtime_of(bundles, options)
    lifecycle, engine = create_engine(
        bundles, options, observer=metrics, serves=metrics.serves, finished=finished, runtime=runtime
    )
    metrics.ready_when(lambda: lifecycle.is_ready)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        log.start()
        logger.info("%s", runtime)
        lifecycle.start()
        gc.freeze()  # what is here stays, and no collection has to look through it while requests wait
        yield
        await lifecycle.stop(options.stop_seconds)
        log.close()

    app = build(engine, lifecycle, metrics, options.http, log_requests=log_requests, lifespan=lifespan)
    app.state.lifecycle = lifecycle
    return app


def create_engine(
    bundles: Sequence[Path],
    options: Options = DEFAULTS,
    *,
    observer: Observer | None = None,
    serves: Callable[[Mapping[str, Manifest]], None] | None = None,
    finished: Finished | None = None,
    runtime: Runtime | None = None,
) -> tuple[Lifecycle, Engine]:
    """Return lifecycle and engine, without HTTP; ``lifecycle.start()`` or ``lifecycle.load()`` loads the bundles.

    Args:
        bundles: Directories, one for each endpoint.
        options: How it runs.
        observer: Receives metrics; ``None``: they are dropped.
        serves: Called with the manifests whenever bundles begin to be served.
        finished: Called once when loading has ended, with the error if there was one; ``None``: it is logged.
        runtime: How the models run; ``None``: as the options and the machine say.

    Raises:
        BundleError: A bundle is not valid, or two are for one endpoint.
        SettingsError: The models cannot run as the options say.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would come on top of ours
    runtime = runtime or runtime_of(bundles, options)
    settings = SessionSettings(
        provider=runtime.provider,
        threads=runtime.threads,
        arena=options.arena,
        optimisation=options.optimisation,
        strict=options.provider != "auto",
        warm_tokens=options.batch_tokens if options.warm_up else 0,
        engine_cache=options.engine_cache,
    )
    engine = Engine(
        observer,
        runners=runtime.runners,
        queue_texts=options.queue_texts,
        batch_tokens=options.batch_tokens,
        batch_wait_seconds=options.batch_wait_ms / 1000,
        spare_tokens=runtime.spare_tokens,
        check_given=options.check_given,
    )
    lifecycle = Lifecycle(
        bundles,
        engine,
        settings,
        memory_mb=options.memory_mb,
        canary_seconds=options.canary_seconds,
        request_seconds=options.http.timeout_seconds,
        loaded=serves,
        finished=finished,
    )
    return lifecycle, engine
