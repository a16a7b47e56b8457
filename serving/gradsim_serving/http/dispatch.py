"""The ASGI app that dispatches requests: key, limits, body, endpoint, errors, metrics; the same for all paths."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from starlette.types import Receive, Scope, Send

from gradsim_serving.http.authorization import refusal
from gradsim_serving.http.request import (
    Request,
    expects_continue,
    is_refused_unread,
    json_of,
    read_body,
    request_of,
    too_large,
)
from gradsim_serving.http.responses import CLOSE, Response, error_response, response_of
from gradsim_serving.http.timeouts import ClientDisconnected, Timeouts
from gradsim_serving.observing.log import Log, describe
from gradsim_serving.observing.metrics import Metrics
from gradsim_serving.options import HttpOptions
from gradsim_shared.errors import RequestError

logger = logging.getLogger(__name__)

DISCONNECTED = Response(b"", 499, (), "client_gone")
"""Counted and logged, never sent."""

OTHER = "other"
"""The metric label of all unknown paths, of which clients can send any number."""

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The handler of one method at one path.

    Attributes:
        run: Returns the response.
        access: ``open`` to all, for those with a ``key``, or for an ``admin``.
        reads: Whether it reads a body, which must be JSON.
    """

    run: Callable[[Request], Awaitable[Response]]
    access: Literal["open", "key", "admin"] = "key"
    reads: bool = False


class Dispatcher:
    """The ASGI app of the service.

    Args:
        endpoints: What answers, by path and method; GET stands for HEAD too.
        options: Limits and keys.
        metrics: Counts requests.
        log: Gets a line for each request; ``None``: no log.
        timeouts: For slow bodies.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Mapping[str, Endpoint]],
        options: HttpOptions,
        metrics: Metrics,
        log: Log | None,
        timeouts: Timeouts,
    ) -> None:
        self._endpoints = endpoints
        self._options = options
        self._metrics = metrics
        self._log = log
        self._timeouts = timeouts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = self.request_of(scope, receive)
        try:
            response = await self._answer(request)
        except RequestError as error:
            response = response_of(error)
        except ClientDisconnected:
            response = DISCONNECTED
        except Exception as error:
            logger.error("internal error in request %s: %s", request.id.decode("ascii"), describe(error))
            response = error_response("internal_error", "the service failed to answer; its log says where")
        if response is not DISCONNECTED:
            await _send(request, response, send)
        self.count(request, response)

    def request_of(self, scope: Scope, receive: Receive) -> Request:
        """Return the request of an ASGI scope."""
        return request_of(scope, receive, self._options.root_path)

    def count(self, request: Request, response: Response) -> None:
        """Count and log a request and its response."""
        path = request.path if request.path in self._endpoints else OTHER
        seconds = time.monotonic() - request.begun
        self._metrics.request(path, response.status, response.code, seconds)
        if self._log is not None:
            self._log.request(
                request_id=request.id.decode("ascii"),
                endpoint=path,
                status=response.status,
                code=response.code,
                texts=request.texts,
                seconds=seconds,
                stages=request.stages,
                groups=request.groups,
            )

    def count_rejected(self, request_id: bytes, response: Response, seconds: float) -> None:
        """Count and log what the connection rejected before it was a request."""
        self._metrics.request(OTHER, response.status, response.code, seconds)
        if self._log is not None:
            name = request_id.decode("ascii")
            self._log.request(
                request_id=name, endpoint=OTHER, status=response.status, code=response.code, texts=0, seconds=seconds
            )

    async def _answer(self, request: Request) -> Response:
        """Find the endpoint, and let it answer if it may."""
        endpoint = self._find(request)
        refused = endpoint if isinstance(endpoint, Response) else refusal(request, endpoint.access, self._options)
        if request.method not in _BODILESS:
            refused = await self._read(request, endpoint, refused)
        if refused is not None:
            return refused
        assert isinstance(endpoint, Endpoint)
        return await endpoint.run(request)

    def _find(self, request: Request) -> Endpoint | Response:
        methods = self._endpoints.get(request.path)
        if methods is None:
            keyed = refusal(request, "key", self._options)  # which paths exist is not public
            return keyed or error_response("not_found", "there is nothing at this path; GET / lists what there is")
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is not None:
            return endpoint
        known = {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        allowed = ", ".join(sorted(known))
        headers = ((b"allow", allowed.encode()),)
        if request.method == "OPTIONS":
            return Response(b"", 204, headers)
        message = f"this path does not answer {request.method[:20]!a}; allowed: {allowed}"
        return error_response("method_not_allowed", message, headers=headers)

    async def _read(self, request: Request, endpoint: Endpoint | Response, refused: Response | None) -> Response | None:
        """Read the body, to its end even if the request is refused; return why it is refused, if it is."""
        limit = self._options.max_body_bytes
        if is_refused_unread(request, limit) or (refused is not None and expects_continue(request)):
            return replace(refused, headers=(*refused.headers, CLOSE)) if refused else too_large(limit)
        try:
            body = await self._timeouts.within_body_timeout(
                read_body(request.receive, 0 if refused else limit), request.receive
            )
        except RequestError as error:
            return error_response(error.code, str(error), headers=(CLOSE,))
        if refused is not None:
            return refused
        if body is None:
            return too_large(limit)
        request.body = json_of(request, body, limit) if isinstance(endpoint, Endpoint) and endpoint.reads else body
        return None


async def _send(request: Request, response: Response, send: Send) -> None:
    body = response.body if request.method != "HEAD" else b""
    headers = [*response.headers, (b"x-request-id", request.id)]
    if response.status != 204:
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
