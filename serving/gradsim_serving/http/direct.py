"""A middleware that calls the handlers of requests with a body themselves, past FastAPI's own handling.

FastAPI's router, exit stacks and exception middleware take a seventh of the time in which Python runs under load:
docs/design/http.md has the figures. Other requests, and other paths, go on to FastAPI.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.http.errors import response_of
from gradsim_serving.http.texts import JsonRoute
from gradsim_shared.errors import RequestError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectMiddleware:
    """The innermost middleware: answers POST requests to the paths of `JsonRoute`.

    Args:
        app: Answers everything else.
        routes: Of the app.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._handlers: dict[str, Handler] = {
            route.path: route.get_route_handler()
            for route in routes
            if isinstance(route, JsonRoute) and route.methods == {"POST"} and not route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await handler(Request(scope, receive))
        except RequestError as error:
            response = response_of(error)
        await response(scope, receive, send)
