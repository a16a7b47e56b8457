"""The one exception of the client: an error of the service, or the reason why there is no response."""

from __future__ import annotations

import json

import httpx

from gradsim_shared.errors import GradsimError


class ServiceError(GradsimError):
    """A request was refused, or got no response.

    Attributes:
        code: The service's name of the error, such as ``unknown_language`` or ``overloaded``; or one of the client's
            own: ``unreachable``, ``timeout`` (the call's time is over), ``no_form`` (the response has no form of this
            service, as an error page of a proxy has not).
        message: What is wrong and what is allowed.
        index: Which of the texts is meant, counted in the list that the caller gave; ``None``: the call as a whole.
        status: HTTP status; ``None``: there was no HTTP response.
    """

    def __init__(self, message: str, *, code: str, index: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.index = index
        self.status = status

    def __str__(self) -> str:
        """Return the message, with code, status and index."""
        known = [
            self.code,
            f"status {self.status}" if self.status else "",
            f"index {self.index}" * (self.index is not None),
        ]
        return f"{self.message} ({', '.join(part for part in known if part)})"


def error_of(failure: httpx.Response | httpx.TransportError, url: str, offset: int = 0) -> ServiceError:
    """Return the error for a response other than 200, or for none.

    Args:
        failure: What came of a request.
        url: Of the service.
        offset: Where the texts of the request begin in the caller's list.
    """
    if isinstance(failure, httpx.Response):
        return _of_response(failure, offset)
    if isinstance(failure, httpx.TimeoutException):
        return ServiceError(f"{url} gave no answer in time", code="timeout")
    if isinstance(failure, httpx.UnsupportedProtocol):
        return ServiceError(f"{url} is no address of a service; begin it with http:// or https://", code="unreachable")
    return ServiceError(f"{url} cannot be reached: {failure}", code="unreachable")


def _of_response(response: httpx.Response, offset: int) -> ServiceError:
    status = response.status_code
    try:
        error = json.loads(response.content)["error"]
        code, message, index = str(error["code"]), str(error["message"]), error.get("index")
    except (ValueError, TypeError, LookupError, AttributeError):
        message = f"{response.url} answered with status {status}, and not in the form of this service; check the URL"
        return ServiceError(message, code="no_form", status=status)
    if not isinstance(index, int):
        return ServiceError(message, code=code, status=status)
    if offset:
        message += f"; counted from text {offset}"  # the message counts within one request
    return ServiceError(message, code=code, index=offset + index, status=status)
