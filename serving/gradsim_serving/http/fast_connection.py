"""Uvicorn's httptools connection, with the guarantees of `Connection`: late, endless and wrong headers are rejected."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gradsim_serving.http.connection import header_timeout, rejected_http
from gradsim_serving.http.responses import response_bytes


class BufferedCycle(RequestResponseCycle):
    """Uvicorn's, which writes a whole response at once: its headers are held until the body is there.

    A response in pieces, or of unknown length, is written by uvicorn.
    """

    _held: Any = None

    async def send(self, message: Any) -> None:  # noqa: ANN401 - a union of uvicorn's
        """Take a message of the app."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._held = message
            return
        if self._held is None:
            await super().send(message)
            return
        start, self._held = self._held, None
        whole = None if message.get("more_body") else self._whole(start, message.get("body", b""))
        if whole is None:
            await super().send(start)
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(whole)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _whole(self, start: Any, body: bytes) -> bytes | None:  # noqa: ANN401
        """Return a response as it is sent; ``None`` where uvicorn must write it."""
        status, length, closes = start["status"], None, False
        headers = [*self.default_headers, *start["headers"]]
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = value == b"close"
            elif name == b"transfer-encoding":
                return None
        if self.scope["method"] == "HEAD":
            body = b""
        elif length != len(body) and (status != 204 or body):
            return None
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"\r\n".join([name + b": " + value for name, value in headers])
        if lines.count(b"\n") >= len(headers) or lines.count(b"\r") >= len(headers):
            return None  # a value with the end of a line in it, which would be a header of its own
        return b"".join((STATUS_LINE[status], lines, b"\r\n\r\n", body))


FOREVER = float("inf")


class _Rejected(Exception):  # noqa: N818 - raised inside the parser, which ends it
    """The parser accepts this and we do not."""


class FastConnection(HttpToolsProtocol):
    """Uvicorn's, with a timeout for clients that send headers byte by byte, or none at all, and a limit of their size.

    Pipelined requests are answered in order; what is not HTTP is rejected after them.
    """

    header_seconds: float = 10
    """How long the headers of a request may take."""

    head_bytes: int = 2**16
    """Limit of the headers, and of a line of a chunked body."""

    waiting_requests: int = 64
    """Limit of pipelined requests on one connection."""

    _header_timer: asyncio.TimerHandle | None = None
    _idle_timer: asyncio.TimerHandle | None = None
    _idle_until: float = FOREVER
    _answering: RequestResponseCycle | None = None
    _unfinished: int = 0  # bytes that came since the parser found something
    _in_head: bool = False
    _rejected: bool = False
    _half_closed: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._start_header_timeout()
        self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeouts, and mark the current request as disconnected."""
        self._cancel_header_timeout()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._answering is not None:
            self._answering.disconnected = not self._answering.response_complete
            self._answering.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's closes always
        """Close, unless pipelined requests are unanswered: a client may send several and half-close."""
        self._half_closed = self._half_closed or bool(self.pipeline)
        return self._half_closed

    def data_received(self, data: bytes) -> None:
        """Parse received data; a request that has begun must have its headers in time."""
        if self._rejected:
            return
        self._idle_until = FOREVER
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_as_http(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._reject()
            return
        if self._unfinished > self.head_bytes:
            self._reject()
        elif self._is_answered:
            self._start_header_timeout()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless it comes after the body: then it was not there when keys were looked at."""
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Answer the request, or queue it behind earlier ones."""
        version = self.parser.get_http_version()
        self._check_head(version)
        if self.parser.should_upgrade():
            return
        self._in_head, self._unfinished = False, 0
        self._cancel_header_timeout()
        target, _, query = self.url.partition(b"?")
        path = target.decode("ascii")
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # a TypedDict of uvicorn's
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + target
        scope["query_string"] = query
        earlier = self.cycle
        self.cycle = BufferedCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=any(
                value.lower() == b"100-continue" for name, value in self.headers if name == b"expect"
            ),
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unfinished = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answer the next pipelined request, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._rejected:
            self.send_400_response()
        elif self._half_closed:
            self.transport.close()
        elif self._in_head:
            self._start_header_timeout()
        else:
            self._idle_until = self.loop.time() + self.timeout_keep_alive

    def send_400_response(self, msg: str = "Invalid HTTP request received.") -> None:
        """Reject what is not HTTP, in the form of all errors."""
        self.transport.write(response_bytes(rejected_http(self.app, msg)))
        self.transport.close()

    @property
    def _is_answered(self) -> bool:
        """Whether every request whose headers have come is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - as uvicorn's
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _check_head(self, version: str) -> None:
        """Reject what the parser accepts; it turns what is raised here into an error of its own."""
        if self.parser.get_method() == b"CONNECT":
            raise _Rejected("no proxy")
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version == "1.1"):
            raise _Rejected("no host, or several")
        if version not in {"1.0", "1.1"}:
            raise _Rejected("another version")
        if len(self.pipeline) >= self.waiting_requests:
            raise _Rejected("too many requests at once")
        if self._unfinished > self.head_bytes:  # it came at once, perhaps with a body
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.head_bytes:
                raise _Rejected("too large")

    def _go_on_as_http(self, rest: bytes) -> None:
        """Parse a request with an ``Upgrade`` header again without that header: the parser left its body unread."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's: it is never answered
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _reject(self) -> None:
        """Stop parsing, and send the error once all earlier requests are answered."""
        self._rejected = True
        self._cancel_header_timeout()
        broken = None if self._is_answered or not self.cycle.more_body else self.cycle
        if broken is not None and self.pipeline:
            self.pipeline.popleft()
        elif self._is_answered or (broken is not None and not broken.response_started):
            self.send_400_response()
        elif broken is not None:
            self.transport.close()

    def _start_header_timeout(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self._close_on_timeout)

    def _close_on_timeout(self) -> None:
        if self._in_head:  # else no request had begun
            header_timeout(self.app, self.header_seconds)
        self.transport.close()

    def _cancel_header_timeout(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _check_idle(self) -> None:
        """Close an idle connection: one timer that checks now and then is cheaper than one for each request."""
        now = self.loop.time()
        if self._idle_until <= now:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_at(min(self._idle_until, now + self.timeout_keep_alive), self._check_idle)
