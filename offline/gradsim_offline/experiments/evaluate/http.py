"""Ask a running service: wait while it is busy or loading, and word its errors for the command line."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gradsim_shared.errors import RequestError, SettingsError

if TYPE_CHECKING:
    from gradsim_client import Client, ServiceError
    from gradsim_client.retries import Failure

LONGEST_RETRY_SECONDS = 60.0
"""How long one request is sent again while the service says that it is busy, or still loads its models."""

LONGEST_WAIT_SECONDS = 10.0
SHORTEST_WAIT_SECONDS = 0.05
SILENCE_SECONDS = 120.0
"""A service that says nothing for so long is given up; its own limit is 30."""

BUSY = (429, 503)
_CODES = {413: "body_too_large", 504: "timeout"}  # where something before the service answers, in another form


class WaitWhileBusy:
    """The retry policy: as long as the service asks for, within bounds, a minute in all."""

    def pause(self, failure: Failure, attempts: int, waited: float) -> float | None:  # noqa: ARG002
        """Return the seconds until the next attempt; ``None``: there is none."""
        if getattr(failure, "status_code", None) not in BUSY:
            return None
        seconds = _seconds(failure.headers.get("Retry-After"))  # type: ignore[union-attr] # a response
        return seconds if waited + seconds <= LONGEST_RETRY_SECONDS else None


@dataclass(frozen=True, slots=True)
class Service:
    """Sends requests to one service.

    Attributes:
        url: Where it is, as the user wrote it, without a slash at its end.
        client: Its connections; close it at the end.
    """

    url: str
    client: Client

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what is at a path.

        Raises:
            SettingsError: Nothing answers there, or not with JSON.
            RequestError: It is refused.
        """
        return self._call("GET", path)

    def post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Send a body and return the answer.

        Raises:
            SettingsError: Nothing answers there, or not with JSON.
            RequestError: It is refused; ``code`` and ``index`` are the service's.
        """
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        from gradsim_client import ServiceError

        try:
            return self.client.call(method, path, body)
        except ServiceError as error:
            raise _worded(self.url, error) from error


def service_at(url: str) -> Service:
    """Return a service; this machine is asked directly, others as the environment's proxies say.

    Raises:
        SettingsError: The URL is none of HTTP.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        good = False
    if not good or parts.query or parts.fragment:
        raise SettingsError(f"--url {url!r} must be as http://127.0.0.1:3000: where the service answers GET /")
    import httpx

    from gradsim_client import Client

    url, limit = url.rstrip("/"), SILENCE_SECONDS + LONGEST_RETRY_SECONDS
    direct = httpx.HTTPTransport() if _is_here(parts.hostname or "") else None
    return Service(url, Client(url, timeout_seconds=limit, retries=WaitWhileBusy(), transport=direct))


def not_ours(url: str) -> SettingsError:
    """Word that something else answers there."""
    return SettingsError(f"--url {url}: what answers there is no GradSim service; name where GET / lists its bundles")


def _worded(url: str, error: ServiceError) -> SettingsError | RequestError:
    """Return the error for the command line."""
    if error.status is None and error.code in ("unreachable", "timeout"):
        why = str(error.__cause__) or type(error.__cause__).__name__
        return SettingsError(
            f"--url {url}: no answer ({why}); start the service, as in `gradsim-serve BUNDLE`, and name where it says "
            "that it is ready"
        )
    if error.status is None or error.status == HTTPStatus.OK:
        return not_ours(url)
    code, message = error.code, error.message
    if code == "no_form":  # of something before the service
        code, message = "http_error", _phrase(error.status)
    message = f"{url} answered {error.status}: {message}"
    return RequestError(message, code=_CODES.get(error.status, code), index=error.index)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unknown status"


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(retry_after: str | None) -> float:
    """Return how long to wait: as the service says, within bounds; a second if it does not say."""
    seconds = float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else 1.0
    return min(max(seconds, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
