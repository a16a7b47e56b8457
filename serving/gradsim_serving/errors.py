"""The one JSON form of every error, and how each kind of error becomes it."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradsim_serving.validation import explain
from gradsim_shared.errors import RequestError

logger = logging.getLogger(__name__)

STATUS_OF_CODE = {
    "malformed_json": 400,
    "invalid_encoding": 400,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "overloaded": 429,
    "internal_error": 500,
    "not_ready": 503,
    "timeout": 504,
}
"""HTTP status of the codes that are not 422 (the request was read, but cannot be answered as it is)."""

CODE_OF_STATUS = {404: "not_found"}

DESCRIPTIONS = {
    400: "The body is not JSON, or not UTF-8.",
    413: "The body is larger than the service allows.",
    415: "The body is not declared as application/json.",
    422: "A text or a language cannot be used; `index` says which text.",
    429: "Too many requests are waiting; try again after the seconds that `Retry-After` names.",
    500: "An error of the service itself.",
    503: "The models are still being loaded.",
    504: "The answer took longer than the service allows.",
}


class ErrorDetail(BaseModel):
    """What is wrong."""

    code: str = Field(description="machine-readable name of the error", examples=["empty_text"])
    message: str = Field(description="what is wrong and what is allowed", examples=["text 1 is empty"])
    index: int | None = Field(description="which text of the request, from 0; null: the request as a whole")


class ErrorAnswer(BaseModel):
    """The form of every answer that is not 2xx."""

    error: ErrorDetail


def error_response(
    code: str,
    message: str,
    *,
    index: int | None = None,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error answer; ``status=None`` means the one that belongs to the code."""
    content = {"error": {"code": code, "message": message, "index": index}}
    status = status or STATUS_OF_CODE.get(code, 422)
    extra = {"Retry-After": "1"} if code in ("overloaded", "not_ready") else {}
    return JSONResponse(content, status, {**extra, **(headers or {})})


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of these error statuses."""
    return {status: {"model": ErrorAnswer, "description": DESCRIPTIONS[status]} for status in statuses}


def add_error_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every error in the one form."""
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def _request_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)
    return error_response(error.code, str(error), index=error.index)


def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    code, message, index = explain(error.errors())
    return error_response(code, message, index=index)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # FastAPI could not parse the body
        if isinstance(error.__cause__, UnicodeDecodeError):
            return error_response("invalid_encoding", f"the body is not UTF-8: byte {error.__cause__.start} is wrong")
        return error_response("malformed_json", "the body cannot be read as JSON")
    if error.status_code == 405:
        allowed = _methods(request)
        message = f"this path does not answer {request.method[:20]!a}; allowed: {allowed}"
        return error_response("method_not_allowed", message, status=405, headers={"Allow": allowed})
    code = CODE_OF_STATUS.get(error.status_code, "http_error")
    message = {404: "there is nothing at this path; GET / lists what there is"}.get(error.status_code, error.detail)
    return error_response(code, message, status=error.status_code, headers=error.headers)


def _methods(request: Request) -> str:
    """Return the methods that the path of a request answers; two of them may be two routes."""
    routes = [route for route in request.app.routes if getattr(route, "path", None) == request.scope["path"]]
    return ", ".join(sorted({method for route in routes for method in route.methods}))


class InternalErrors:
    """ASGI middleware: whatever goes wrong inside becomes a 500 without details.

    The log names the kind of error and the places in the code, not its message, which may hold a client's text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer for it if it fails."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            logger.error("internal error: %s", describe(error))
            if not started:
                response = error_response("internal_error", "the service failed to answer; its log says where")
                await response(scope, receive, send)


def describe(error: BaseException) -> str:
    """Say where an error comes from, in one line and without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return json.dumps({"error": type(error).__name__, "at": places})
