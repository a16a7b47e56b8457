"""A connection on a parser in C, with the guarantees of `Connection`: late, endless and wrong heads are refused."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gradsim_serving.http.exchange import Exchange
from gradsim_serving.http.replies import reply_bytes
from gradsim_serving.http.unheard import late_headers, no_http

FOREVER = float("inf")


class _Wrong(Exception):  # noqa: N818 - raised inside the parser, which ends it
    """The parser lets this pass and we do not."""


class FastConnection(HttpToolsProtocol):
    """Uvicorn's, with a limit for those who send headers byte by byte, or none at all, or without end.

    Requests that come before the last one is answered wait; what is no HTTP is refused after them.
    """

    header_seconds: float = 10
    """How long the headers of a request may take."""

    head_bytes: int = 2**16
    """How much may come without an end of the headers, or of a line of a chunked body."""

    waiting_requests: int = 64
    """How many requests may wait for an earlier one of the same connection."""

    _headers_due: asyncio.TimerHandle | None = None
    _idle_timer: asyncio.TimerHandle | None = None
    _idle_until: float = FOREVER
    _answering: RequestResponseCycle | None = None
    _unfinished: int = 0  # bytes that came since the parser found something
    _in_head: bool = False
    _refused: bool = False
    _said_all: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()
        self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer, and tell the request that is being answered."""
        self._stop_waiting()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._answering is not None:
            self._answering.disconnected = not self._answering.response_complete
            self._answering.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's closes always
        """Close, unless there are requests that wait: who sends several may say that they are all."""
        self._said_all = self._said_all or bool(self.pipeline)
        return self._said_all

    def data_received(self, data: bytes) -> None:
        """Look at what has come; a request that has only begun must be whole in time."""
        if self._refused:
            return
        self._idle_until = FOREVER
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_as_http(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse()
            return
        if self._unfinished > self.head_bytes:
            self._refuse()
        elif self._is_answered:
            self._wait_for_headers()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless it comes after the body: then it was not there when keys were looked at."""
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin to answer, or put the request behind those that wait."""
        version = self.parser.get_http_version()
        self._check_head(version)
        if self.parser.should_upgrade():
            return
        self._in_head, self._unfinished = False, 0
        self._stop_waiting()
        target, _, query = self.url.partition(b"?")
        path = target.decode("ascii")
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # a TypedDict of uvicorn's
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + target
        scope["query_string"] = query
        earlier = self.cycle
        self.cycle = Exchange(
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
        """Go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refused:
            self.send_400_response()
        elif self._said_all:
            self.transport.close()
        elif self._in_head:
            self._wait_for_headers()
        else:
            self._idle_until = self.loop.time() + self.timeout_keep_alive

    def send_400_response(self, msg: str = "Invalid HTTP request received.") -> None:
        """Refuse what is no HTTP, in the form of all errors."""
        self.transport.write(reply_bytes(no_http(self.app, msg)))
        self.transport.close()

    @property
    def _is_answered(self) -> bool:
        """Whether every request whose headers have come is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - as uvicorn's
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _check_head(self, version: str) -> None:
        """Refuse what the parser lets pass; what is raised here, it turns into an error of its own."""
        if self.parser.get_method() == b"CONNECT":
            raise _Wrong("no proxy")
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts != 1 and (hosts or version == "1.1"):
            raise _Wrong("no host, or several")
        if version not in {"1.0", "1.1"}:
            raise _Wrong("another version")
        if len(self.pipeline) >= self.waiting_requests:
            raise _Wrong("too many requests at once")
        if self._unfinished > self.head_bytes:  # it came at once, perhaps with a body
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.head_bytes:
                raise _Wrong("too large")

    def _go_on_as_http(self, rest: bytes) -> None:
        """Read a request again that asks for another protocol, without that: the parser left its body unread."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's: it is never answered
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _refuse(self) -> None:
        """Read no more, and say so once all that was asked before is answered."""
        self._refused = True
        self._stop_waiting()
        broken = None if self._is_answered or not self.cycle.more_body else self.cycle
        if broken is not None and self.pipeline:
            self.pipeline.popleft()
        elif self._is_answered or (broken is not None and not broken.response_started):
            self.send_400_response()
        elif broken is not None:
            self.transport.close()

    def _wait_for_headers(self) -> None:
        if self._headers_due is None:
            self._headers_due = self.loop.call_later(self.header_seconds, self._close_late)

    def _close_late(self) -> None:
        if self._in_head:  # else nothing was asked
            late_headers(self.app, self.header_seconds)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _check_idle(self) -> None:
        """Close what was idle for long: one timer that looks now and then is cheaper than one for each request."""
        now = self.loop.time()
        if self._idle_until <= now:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_at(min(self._idle_until, now + self.timeout_keep_alive), self._check_idle)
