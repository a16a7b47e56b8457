"""The middleware around all others: the id, path and record of a request, and how it is counted and logged."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradsim_serving.http.errors import ErrorResponse
from gradsim_serving.http.record import ErrorForm, Record, form_of
from gradsim_serving.http.waiting import ClientDisconnected
from gradsim_serving.observing.log import describe, log_request
from gradsim_serving.observing.metrics import Metrics

logger = logging.getLogger(__name__)

OTHER = "other"
"""The metric label of all unknown paths, of which clients can send any number."""

CLIENT_GONE = 499
"""Counted and logged, never sent."""

_ID = re.compile(r"[A-Za-z0-9._:/+=@~-]{1,128}")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


class RecordMiddleware:
    """The outermost middleware: gives a request its id and its path, and counts and logs how it ended.

    Args:
        app: What answers.
        paths: Where something answers; other paths are counted together.
        metrics: Counts requests.
        log_requests: Whether a line is logged for each.
        root_path: What a proxy puts before every path; whether it takes that away again or not, the path is found.
        error_forms: Of other APIs, by the beginning of their paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: Collection[str],
        metrics: Metrics,
        log_requests: bool,
        root_path: str,
        error_forms: Mapping[str, ErrorForm],
    ) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._metrics = metrics
        self._log_requests = log_requests
        self._root_path = root_path
        self._error_forms = error_forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await (
                self._app(scope, receive, send) if scope["type"] == "lifespan" else send({"type": "websocket.close"})
            )
            return
        record, path = self._begin(scope)
        inner = {**scope, "path": path, "root_path": "", "state": {**scope.get("state", {}), "record": record}}
        if is_head := record.method == "HEAD":
            inner["method"] = "GET"
        status, id_header = 0, (b"x-request-id", record.id.encode("ascii"))

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                milliseconds = 1000 * (time.monotonic() - record.begun)
                timing = (b"server-timing", b"app;dur=%.1f" % milliseconds)  # browsers show it
                message["headers"] = [*message["headers"], id_header, timing]
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(inner, receive, answer)
        except asyncio.CancelledError:  # the server has stopped, and the client took no answer
            status, record.code = CLIENT_GONE, "client_gone"
        except ClientDisconnected:
            status, record.code = CLIENT_GONE, "client_gone"
            await send({"type": "http.response.start", "status": status, "headers": []})  # for middleware around us
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:
            logger.error("internal error in request %s: %s", record.id, describe(error))
            failed = ErrorResponse("internal_error", "the service failed to answer; its log says where")
            await failed(inner, receive, answer)
        self._end(record, status)

    def _begin(self, scope: Scope) -> tuple[Record, str]:
        """Return the record of a request, and its path as routes and keys have it: without any prefix."""
        path: str = scope["path"]
        if not path.startswith("/"):  # in absolute form (RFC 9112, section 3.2.2): not every server takes the host away
            path = _ORIGIN.sub("", path, count=1) or "/"
        for prefix in (scope.get("root_path", ""), self._root_path):  # of the server or an app around us; of a proxy
            path = path[len(prefix) :] if path.startswith(f"{prefix}/") else path
        if path.endswith("/") and len(path) > 1:
            path = path[:-1]
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        record = Record(
            id=sent if _ID.fullmatch(sent) else f"{random.getrandbits(64):016x}",
            method=scope["method"],
            endpoint=path if path in self._paths else OTHER,
            headers=headers,
            begun=time.monotonic(),
            error_form=form_of(path, self._error_forms),
        )
        return record, path

    def _end(self, record: Record, status: int) -> None:
        seconds = time.monotonic() - record.begun
        self._metrics.request(record.endpoint, status, record.code, seconds)
        if self._log_requests:
            log_request(
                request_id=record.id,
                endpoint=record.endpoint,
                status=status,
                code=record.code,
                texts=record.texts,
                seconds=seconds,
                stages=record.stages,
                groups=record.groups,
            )


class Cors(CORSMiddleware):
    """Starlette's, with refusals in our form. Cookies are not allowed, as none are used.

    ``*`` lets every page ask, and none in a user's name.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        kept = {
            name: response.headers[name] for name in ("vary", "access-control-allow-origin") if name in response.headers
        }
        message = "web pages of this origin, or such requests of theirs, are not allowed here"
        return ErrorResponse("forbidden", message, headers=kept)
