"""API keys: read from a file or the environment, kept as digests, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gradsim_shared.errors import SettingsError

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
        """Say whether this is one of them, in a time that tells nothing of how near it is to any."""
        digest, found = sha256(key).digest(), False
        for one in self.digests:  # all of them, also after the right one
            found |= hmac.compare_digest(one, digest)
        return found


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
        SettingsError: The file cannot be read; it, or the variable, holds no key; or a key is too short or has signs
            that no header can carry.
    """
    keys = () if environment is None else _checked(environment.split(","), variable)
    if environment is not None and not keys:
        raise SettingsError(f"{variable} is set but holds no key: unset it, or give it one, {_SUCH_AS}")
    if file is None:
        return keys
    try:
        found = _checked(file.read_text(encoding="utf-8").splitlines(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"the keys in {file} cannot be read: {why}") from error
    if not found:
        raise SettingsError(f"{file} holds no key: write one into each line, {_SUCH_AS}")
    return keys + found


def _checked(lines: Iterable[str], source: str) -> tuple[str, ...]:
    keys = []
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        if len(key) < MINIMUM_CHARACTERS or not (key.isascii() and key.isprintable() and " " not in key):
            message = f"{source}, key {number}: a key has {MINIMUM_CHARACTERS} or more signs of ASCII and no space"
            raise SettingsError(message)
        keys.append(key)
    return tuple(keys)
