"""Let web pages of other origins ask, where the service is told which."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.http.front import Front
from gradsim_serving.http.replies import Reply, error_reply

REQUEST_HEADERS = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "X-Api-Key",
    "X-Request-Id",
    "X-Request-Timeout-Ms",
)
ANSWER_HEADERS = ("Retry-After", "X-Request-Id")


def allow_origins(front: Front, origins: Sequence[str]) -> ASGIApp:
    """Return an app that web pages of these origins may ask; without any, the front as it is.

    Cookies are of no use here, so they are not allowed: ``*`` lets every page ask, and none in a user's name.
    """
    if not origins:
        return front
    return _Cors(
        front,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
    )


class _Cors(CORSMiddleware):
    """Starlette's, with refusals in our form; what a browser asks for itself is counted as the rest is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "OPTIONS" else {}
        if not isinstance(headers, Headers) or not {"origin", "access-control-request-method"} <= set(headers):
            await super().__call__(scope, receive, send)
            return
        assert isinstance(self.app, Front)
        call = self.app.call_of(scope, receive)
        response = self.preflight_response(headers)
        response.headers["x-request-id"] = call.id.decode("ascii")
        await response(scope, receive, send)
        code = "forbidden" if response.status_code >= 400 else None
        self.app.count(call, Reply(b"", response.status_code, (), code))

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks whether a page may ask."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = error_reply("forbidden", "web pages of this origin, or such requests of theirs, are not allowed here")
        answer = Response(refused.body, refused.status, media_type="application/json")
        kept = ("vary", "access-control-allow-origin")
        answer.headers.update({name: value for name, value in response.headers.items() if name in kept})
        return answer
