"""What is known of a request while it is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Scope

_QUALITY = re.compile(rb"[01](\.[0-9]{0,3})?")

ErrorForm = Callable[[int, str, str, int | None], Mapping[str, Any]]
"""Returns the body of an error from status, code, message and the index of the text that is meant."""


def error_form(_status: int, code: str, message: str, index: int | None) -> Mapping[str, Any]:
    """Return the body of an error as our own API has it."""
    return {"error": {"code": code, "message": message, "index": index}}


def form_of(path: str, forms: Mapping[str, ErrorForm]) -> ErrorForm:
    """Return the form of errors at a path; ``forms`` are those of other APIs, by the beginning of their paths."""
    for start, form in forms.items():
        if path == start or path.startswith(f"{start}/"):
            return form
    return error_form


@dataclass(slots=True)
class Record:
    """What metrics and log learn of a request; it stands in the scope's state.

    Attributes:
        id: The client's ``X-Request-Id`` if it can be logged, else one of ours.
        method: As it was sent.
        endpoint: The path, or ``other``.
        headers: By name, in small letters; of several with one name the last.
        begun: On the clock of ``time.monotonic``.
        error_form: Of the API that was asked.
        body: Once it has been read.
        code: Of the error; ``None``: there was none.
        texts: How many it holds, once the body is read.
        groups: That answered.
        stages: Seconds of each stage of the work.
    """

    id: str
    method: str
    endpoint: str
    headers: dict[bytes, bytes]
    begun: float
    error_form: ErrorForm = error_form
    body: bytes = b""
    code: str | None = None
    texts: int = 0
    groups: tuple[str, ...] = ()
    stages: Mapping[str, float] | None = None

    @property
    def wants_page(self) -> bool:
        """Whether HTML is rather wanted than JSON, as browsers want it; ``*/*`` wants JSON."""
        accepted = self.headers.get(b"accept", b"")
        return _quality(accepted, b"text/html") > _quality(accepted, b"application/json")


def _quality(accepted: bytes, media_type: bytes) -> float:
    """Return how much a media type is wanted where ``Accept`` names it, 0 to 1 (RFC 9110, section 12.5.1)."""
    for entry in accepted.split(b","):
        name, *parameters = (part.strip() for part in entry.lower().split(b";"))
        if name == media_type:
            quality = next((part[2:] for part in parameters if part.startswith(b"q=")), b"1")
            return float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return 0.0


def record_of(scope: Scope) -> Record:
    """Return the record of a request."""
    record: Record = scope["state"]["record"]
    return record
