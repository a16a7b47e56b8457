"""What ends before it is a request: no endpoint hears of it, but it is counted and logged as the others are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradsim_serving.http.calls import new_id
from gradsim_serving.http.replies import Reply, not_http

LATE = Reply(b"", 408, (), "header_timeout")
"""Counted and logged, never sent: who sends a head byte by byte reads no answer."""


def no_http(app: Any, message: str) -> Reply:  # noqa: ANN401 - of ASGI; ours counts
    """Return the refusal of what is no HTTP, in uvicorn's words and our form.

    Args:
        app: What would have been asked.
        message: Uvicorn's.
    """
    request_id = new_id()
    reply = not_http(message)
    _count(app, request_id, reply, 0.0)
    return replace(reply, headers=(*reply.headers, (b"x-request-id", request_id)))


def late_headers(app: Any, seconds: float) -> None:  # noqa: ANN401 - as above
    """Count a connection that is closed since the head of a request did not come in time."""
    _count(app, new_id(), LATE, seconds)


def _count(app: Any, request_id: bytes, reply: Reply, seconds: float) -> None:  # noqa: ANN401
    count = getattr(app, "count_unheard", None)
    if count is not None:
        count(request_id, reply, seconds)
