"""API keys: read from a file or the environment, kept as digests, and compared in constant time with requests."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gradsim_serving.http.responses import Response, error_response
from gradsim_shared.errors import SettingsError

if TYPE_CHECKING:
    from gradsim_serving.http.request import Request
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


_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"origin")


Access = Literal["open", "key", "admin"]


def refusal(request: Request, access: Access, options: HttpOptions) -> Response | None:
    """Return the error that a request is refused with; ``None`` where it is allowed.

    Args:
        request: The request.
        access: What the endpoint asks for. An admin's key opens everything; an ordinary one all but ``admin``.
        options: Which keys there are.
    """
    if access == "open" or (access == "key" and not options.keys):
        return None
    if access == "admin" and not options.admin_keys:
        if not options.keys and _is_local(request):
            return None
        message = "this needs an admin key, and the service has none; start it with --admin-keys-file FILE"
        return error_response("forbidden", message)
    return _refusal_of(request.key, access, options)


def _refusal_of(key: bytes | None, access: Access, options: HttpOptions) -> Response | None:
    """Return the error for a key that does not do, or for none."""
    if key is None:
        message = "send a key, with the header Authorization: Bearer KEY or X-Api-Key: KEY"
        return error_response("unauthorized", message, headers=_CHALLENGE)
    is_key, is_admin = options.keys.hold(key), options.admin_keys.hold(key)
    if is_admin or (is_key and access == "key"):
        return None
    if is_key:
        return error_response("forbidden", "this key is not an admin's")
    return error_response("unauthorized", "the key is not one of this service's", headers=_CHALLENGE)


def _is_local(request: Request) -> bool:
    """Say whether a request comes from this machine itself, not through a proxy on it or from a web page."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client).is_loopback
    except ValueError:
        return False
