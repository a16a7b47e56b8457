"""Every setting of the HTTP side, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradsim_serving.http.keys import Keys


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What clients may do.

    Attributes:
        max_body_bytes: Larger request bodies are refused with 413, before anything reads them.
        max_texts: Texts in one request.
        max_characters: Unicode code points in one text.
        cut_texts: Longer texts are cut there, and their answers say ``truncated``; otherwise they are refused.
        timeout_seconds: How long an answer may take, from the end of the request's headers; then it is a 504.
            A client may ask for less with ``X-Request-Timeout-Ms``, never for more.
        body_seconds: How long a request's body may take to arrive; then it is a 408.
        keys: Who may ask; without any, everybody may.
        admin_keys: Who may use ``/admin/...``; without any, only callers on this machine, and only while there are no
            ``keys`` either.
        open_metrics: Whether ``/metrics`` needs no key.
        cors_origins: Web pages of these origins may ask, such as ``https://example.org``; ``*`` means all.
        root_path: The prefix under which a proxy shows the service, such as ``/gradsim``; empty means none. Paths are
            answered with and without it.
    """

    max_body_bytes: int = 2**20
    max_texts: int = 256
    max_characters: int = 20_000
    cut_texts: bool = False
    timeout_seconds: float = 30
    body_seconds: float = 15
    keys: Keys = field(default_factory=Keys)
    admin_keys: Keys = field(default_factory=Keys)
    open_metrics: bool = True
    cors_origins: tuple[str, ...] = ()
    root_path: str = ""
