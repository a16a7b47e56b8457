"""Which path a request asks for, however its target is written and whatever prefix a proxy puts before it."""

from __future__ import annotations

import re

from starlette.types import Scope

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def path_of(scope: Scope, root_path: str) -> str:
    """Return the path of a request, as the endpoints are named.

    A target in absolute form (``http://host/livez``, RFC 9112, section 3.2.2) is read as its path: not every server
    below us takes the host away.

    Args:
        scope: Of ASGI.
        root_path: What a proxy puts before every path; whether it takes that away again or not, the path is found.
    """
    path: str = scope["path"]
    server_prefix = scope.get("root_path")
    if server_prefix:
        path = path.removeprefix(server_prefix)
    if not path.startswith("/"):
        path = _ORIGIN.sub("", path, count=1) or "/"
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path
