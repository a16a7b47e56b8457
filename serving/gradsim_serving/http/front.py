"""The way of every request: id, key, limits, body, the endpoint, errors, figures; one small ASGI app for all paths."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from starlette.types import Receive, Scope, Send

from gradsim_serving.faults import describe
from gradsim_serving.http.access import refusal
from gradsim_serving.http.bodies import expects_continue, is_refused_unread, json_of, read_body, too_large
from gradsim_serving.http.calls import Call, call_of
from gradsim_serving.http.options import HttpOptions
from gradsim_serving.http.patience import ClientGone, Patience
from gradsim_serving.http.ports import Figures, RequestLog
from gradsim_serving.http.replies import CLOSE, Reply, error_reply, reply_of
from gradsim_shared.errors import RequestError

logger = logging.getLogger(__name__)

GONE = Reply(b"", 499, (), "client_gone")
"""Counted and logged, never sent."""

OTHER = "other"
"""Stands for every path that there is not: clients may make up as many as they like."""

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers one method at one path.

    Attributes:
        run: Answers.
        access: ``open`` to all, for those with a ``key``, or for an ``admin``.
        reads: Whether it reads a body, which must be JSON.
    """

    run: Callable[[Call], Awaitable[Reply]]
    access: Literal["open", "key", "admin"] = "key"
    reads: bool = False


class Front:
    """The ASGI app of the service.

    Args:
        endpoints: What answers, by path and method; GET stands for HEAD too.
        options: What clients may do.
        figures: Where requests are counted.
        log: Hears of every request; ``None`` means no log.
        patience: For slow clients, and those that have gone.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Mapping[str, Endpoint]],
        options: HttpOptions,
        figures: Figures,
        log: RequestLog | None,
        patience: Patience,
    ) -> None:
        self._endpoints = endpoints
        self._options = options
        self._figures = figures
        self._log = log
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        call = self.call_of(scope, receive)
        try:
            reply = await self._answer(call)
        except RequestError as error:
            reply = reply_of(error)
        except ClientGone:
            reply = GONE
        except Exception as error:
            logger.error("internal error in request %s: %s", call.id.decode("ascii"), describe(error))
            reply = error_reply("internal_error", "the service failed to answer; its log says where")
        if reply is not GONE:
            await _send(call, reply, send)
        self.count(call, reply)

    def call_of(self, scope: Scope, receive: Receive) -> Call:
        """Return the request that a server hands over."""
        return call_of(scope, receive, self._options.root_path)

    def count(self, call: Call, reply: Reply) -> None:
        """Count and log a request and its answer."""
        path = call.path if call.path in self._endpoints else OTHER
        seconds = time.monotonic() - call.begun
        self._figures.request(path, reply.status, reply.code, seconds)
        if self._log is not None:
            self._log.request(
                request_id=call.id.decode("ascii"),
                endpoint=path,
                status=reply.status,
                code=reply.code,
                texts=call.texts,
                seconds=seconds,
                stages=call.stages,
                groups=call.groups,
            )

    def count_unheard(self, request_id: bytes, reply: Reply, seconds: float) -> None:
        """Count and log what was refused before it was a request."""
        self._figures.request(OTHER, reply.status, reply.code, seconds)
        if self._log is not None:
            name = request_id.decode("ascii")
            self._log.request(
                request_id=name, endpoint=OTHER, status=reply.status, code=reply.code, texts=0, seconds=seconds
            )

    async def _answer(self, call: Call) -> Reply:
        """Find the endpoint, and let it answer if it may."""
        found = self._find(call)
        refused = found if isinstance(found, Reply) else refusal(call, found.access, self._options)
        if call.method not in _BODILESS:
            refused = await self._read(call, found, refused)
        if refused is not None:
            return refused
        assert isinstance(found, Endpoint)
        return await found.run(call)

    def _find(self, call: Call) -> Endpoint | Reply:
        methods = self._endpoints.get(call.path)
        if methods is None:
            keyed = refusal(call, "key", self._options)  # what paths there are is not for everybody
            return keyed or error_reply("not_found", "there is nothing at this path; GET / lists what there is")
        endpoint = methods.get("GET" if call.method == "HEAD" else call.method)
        if endpoint is not None:
            return endpoint
        known = {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        allowed = ", ".join(sorted(known))
        headers = ((b"allow", allowed.encode()),)
        if call.method == "OPTIONS":
            return Reply(b"", 204, headers)
        message = f"this path does not answer {call.method[:20]!a}; allowed: {allowed}"
        return error_reply("method_not_allowed", message, headers=headers)

    async def _read(self, call: Call, found: Endpoint | Reply, refused: Reply | None) -> Reply | None:
        """Read the body, to its end even if the request is refused; return why it is refused, if it is."""
        limit = self._options.max_body_bytes
        if is_refused_unread(call, limit) or (refused is not None and expects_continue(call)):
            return replace(refused, headers=(*refused.headers, CLOSE)) if refused else too_large(limit)
        try:
            body = await self._patience.for_body(read_body(call.receive, 0 if refused else limit), call.receive)
        except RequestError as error:
            return error_reply(error.code, str(error), headers=(CLOSE,))
        if refused is not None:
            return refused
        if body is None:
            return too_large(limit)
        call.body = json_of(call, body, limit) if isinstance(found, Endpoint) and found.reads else body
        return None


async def _send(call: Call, reply: Reply, send: Send) -> None:
    body = reply.body if call.method != "HEAD" else b""
    headers = [*reply.headers, (b"x-request-id", call.id)]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
