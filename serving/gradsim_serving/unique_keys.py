"""Refuse a JSON object that has a key twice, of which parsers keep the last one in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gradsim_shared.errors import RequestError


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values; an ``object_pairs_hook`` for ``json.loads``.

    Raises:
        RequestError: ``repeated_key``: a key is there twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        ((key, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise RequestError(f"the key {key[:40]!a} is there more than once; send it once", code="repeated_key")
    return content
