"""Put the HTTP side together: one ASGI app over an engine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.http.answers import answering
from gradsim_serving.http.cors import allow_origins
from gradsim_serving.http.front import Endpoint, Front
from gradsim_serving.http.information import information
from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.patience import Patience
from gradsim_serving.http.ports import Engine, Figures, Life, RequestLog
from gradsim_serving.http.questions import Questions


class App(Starlette):
    """The service: requests go to the `Front`, start and stop are Starlette's.

    Args:
        front: Answers requests.
        first: Is asked, and asks the front.
        lifespan: Runs from start to stop.
    """

    def __init__(
        self, front: Front, first: ASGIApp, lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None
    ) -> None:
        super().__init__(lifespan=lifespan)
        self.count_unheard = front.count_unheard  # connections find it here
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on by the shortest way."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._first(scope, receive, send)


def build(
    engine: Engine,
    life: Life,
    figures: Figures,
    options: HttpOptions,
    *,
    log: RequestLog | None = None,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
    endpoints: Collection[str] | None = None,
) -> App:
    """Return the ASGI app of the service.

    Args:
        engine: Answers texts.
        life: Says what is served and whether it answers.
        figures: Counts requests, and shows the figures.
        options: What clients may do.
        log: Hears of every request; ``None`` means no log.
        lifespan: Of the app, as Starlette knows it; ``None`` means that there is nothing to start or stop.
        endpoints: Where texts are answered; ``None`` means where ``life`` has bundles now.
    """
    patience = Patience(options.body_seconds)
    questions = Questions(options)
    answered = list(life.manifests if endpoints is None else endpoints)
    table: dict[str, dict[str, Endpoint]] = {
        path: {"POST": Endpoint(answering(path, engine, questions, options, patience), reads=True)} for path in answered
    }
    front = Front(table | information(life, figures, options, answered), options, figures, log, patience)
    return App(front, allow_origins(front, options.cors_origins), lifespan)
