"""Talk JSON with a running service: wait while it is busy or loading, and word what it refuses."""

from __future__ import annotations

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gradsim_shared.errors import RequestError, SettingsError

PATIENCE_SECONDS = 60.0
"""How long one request is sent again while the service says that it is busy, or still loads its models."""

LONGEST_WAIT_SECONDS = 10.0
SHORTEST_WAIT_SECONDS = 0.05
SILENCE_SECONDS = 120.0
"""A service that says nothing for so long is given up; its own limit is 30."""

BUSY = (429, 503)
_CODES = {413: "body_too_large", 504: "timeout"}  # where something before the service answers, in another form


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to one service.

    Attributes:
        url: Where it is, as the user wrote it, without a slash at its end.
    """

    url: str

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what is at a path.

        Raises:
            SettingsError: Nothing answers there, or not with JSON.
            RequestError: It is refused.
        """
        return self._ask(urllib.request.Request(self.url + path))  # noqa: S310 - the scheme was checked

    def post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Send a body and return the answer.

        Raises:
            SettingsError: Nothing answers there, or not with JSON.
            RequestError: It is refused; ``code`` and ``index`` are the service's.
        """
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self.url + path, content, headers))  # noqa: S310 - as above

    def _ask(self, request: urllib.request.Request) -> Any:  # noqa: ANN401 - JSON
        waited = 0.0
        while True:
            try:
                return self._ask_once(request)
            except urllib.error.HTTPError as error:
                refused, wait = _refused(self.url, error), _seconds(error.headers.get("Retry-After"))
                if error.code not in BUSY or waited + wait > PATIENCE_SECONDS:
                    raise refused from error
            time.sleep(wait)
            waited += wait

    def _ask_once(self, request: urllib.request.Request) -> Any:  # noqa: ANN401 - JSON
        try:
            with _opener(self.url).open(request, timeout=SILENCE_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise SettingsError(
                f"--url {self.url}: no answer ({why}); start the service, as in `gradsim-serve BUNDLE`, and name where "
                "it says that it is ready"
            ) from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise not_ours(self.url) from error


def client_for(url: str) -> Client:
    """Return a client.

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
    return Client(url.rstrip("/"))


def not_ours(url: str) -> SettingsError:
    """Word that something else answers there."""
    return SettingsError(f"--url {url}: what answers there is no GradSim service; name where GET / lists its bundles")


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what opens a URL: this machine is asked directly, others as the environment's proxies say."""
    proxies = urllib.request.ProxyHandler({}) if _is_here(urlsplit(url).hostname or "") else None
    return urllib.request.build_opener(*([proxies] if proxies else []))


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(retry_after: str | None) -> float:
    """Return how long to wait: as the service says, within bounds; a second if it does not say."""
    said = float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else 1.0
    return min(max(said, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)


def _refused(url: str, error: urllib.error.HTTPError) -> RequestError:
    """Return the error that an answer means: our own form where it is that, else its status."""
    with error:
        content = error.read()
    try:
        found = json.loads(content)["error"]
        code, message, index = str(found["code"]), str(found["message"]), found.get("index")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message, index = _CODES.get(error.code, "http_error"), str(error.reason), None
    return RequestError(
        f"{url} answered {error.code}: {message}",
        code=_CODES.get(error.code, code),
        index=index if isinstance(index, int) else None,
    )
