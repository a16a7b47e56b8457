"""API keys: read from a file or the environment, kept as digests, and asked for by a middleware."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gradsim_serving.http.record import record_of
from gradsim_shared.errors import RequestError, SettingsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gradsim_serving.options import HttpOptions  # which imports Keys

MINIMUM_CHARACTERS = 16
_SUCH_AS = "such as the output of: openssl rand -hex 24"


@dataclass(frozen=True, slots=True)
class Keys:
    """A set of keys, of which only SHA-256 digests are kept.

    Attributes:
        digests: One for each key; none means that there is no key at all, not that every key is right.
    """

    digests: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def hold(self, key: bytes) -> bool:
        """Say whether this is one of them, in constant time."""
        digest, is_equal = sha256(key).digest(), False
        for known in self.digests:  # all of them, also after the right one
            is_equal |= hmac.compare_digest(known, digest)
        return is_equal


def keys_of(keys: Iterable[str]) -> Keys:
    """Return these keys as digests."""
    return Keys(tuple(dict.fromkeys(sha256(key.encode()).digest() for key in keys)))


def read_keys(file: Path | None, environment: str | None = None, variable: str = "GRADSIM_API_KEYS") -> tuple[str, ...]:
    """Return the keys of a file, one a line, and of an environment variable, where they are separated by commas.

    Empty lines, and lines that begin with ``#``, are skipped.

    Args:
        file: ``None`` means that there is none.
        environment: The variable's value; ``None`` means that it is not set.
        variable: Its name, for errors.

    Raises:
        SettingsError: The file cannot be read; it, or the variable, holds no key; or a key is too short or has
            characters that no header can carry.
    """
    keys = () if environment is None else _checked(environment.split(","), variable)
    if environment is not None and not keys:
        raise SettingsError(f"{variable} is set but holds no key: unset it, or give it one, {_SUCH_AS}")
    if file is None:
        return keys
    try:
        of_file = _checked(file.read_text(encoding="utf-8").splitlines(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"the keys in {file} cannot be read: {why}") from error
    if not of_file:
        raise SettingsError(f"{file} holds no key: write one into each line, {_SUCH_AS}")
    return keys + of_file


def _checked(lines: Iterable[str], source: str) -> tuple[str, ...]:
    keys = []
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        if len(key) < MINIMUM_CHARACTERS or not (key.isascii() and key.isprintable() and " " not in key):
            message = f"{source}, key {number}: a key has {MINIMUM_CHARACTERS} or more characters of ASCII and no space"
            raise SettingsError(message)
        keys.append(key)
    return tuple(keys)


_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"origin")

Access = Literal["open", "page", "key", "admin"]


class KeyMiddleware:
    """Asks for a key; which paths exist is told only to those who have one.

    Args:
        app: What answers.
        options: Which keys there are.
        access: What a path asks for, ``open`` to all or for an ``admin``; a path that is not named asks for a ``key``,
            and a ``page`` for one where it answers JSON.
    """

    def __init__(self, app: ASGIApp, *, options: HttpOptions, access: Mapping[str, Access]) -> None:
        self._app = app
        self._options = options
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            access = self._access.get(scope["path"], "key")
            if access == "page":
                access = "open" if record_of(scope).wants_page else "key"
            if access == "admin" or (access == "key" and self._options.keys):
                try:
                    self._check(scope, access)
                except RequestError as error:
                    from gradsim_serving.http.errors import response_of

                    await response_of(error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, access: Access) -> None:
        """Check the key: an admin's opens everything, an ordinary one all but what is for an ``admin``.

        Raises:
            RequestError: ``unauthorized`` or ``forbidden``.
        """
        options, headers = self._options, record_of(scope).headers
        if access == "admin" and not options.admin_keys:
            if not options.keys and _is_local(scope, headers):
                return
            message = "this needs an admin key, and the service has none; start it with --admin-keys-file FILE"
            raise RequestError(message, code="forbidden")
        key = _key_of(headers)
        if key is None:
            message = "send a key, with the header Authorization: Bearer KEY or X-Api-Key: KEY"
            raise RequestError(message, code="unauthorized")
        is_key, is_admin = options.keys.hold(key), options.admin_keys.hold(key)
        if is_admin or (is_key and access == "key"):
            return
        if is_key:
            raise RequestError("this key is not an admin's", code="forbidden")
        raise RequestError("the key is not one of this service's", code="unauthorized")


def _key_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the key that came with a request."""
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key")


def _is_local(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Say whether a request comes from this machine itself, not through a proxy on it or from a web page."""
    client = scope.get("client")
    if not client or any(name in headers for name in _FORWARDED):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False
