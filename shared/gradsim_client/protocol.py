"""The client without I/O: requests, retries and responses as generators, which both clients run.

A generator yields an `Attempt`, and is sent the response or the error of the transport; or it yields seconds to pause.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import Field, TypeAdapter, ValidationError

from gradsim_client.errors import ServiceError, error_of
from gradsim_client.retries import Failure, RetryPolicy
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_messages import ServedGroup
from gradsim_shared.messages import (
    AnswerPrediction,
    EntitiesPrediction,
    LabelPrediction,
    LabelsPrediction,
    OtherPrediction,
    Prediction,
    ServedLanguage,
    WordsPrediction,
)
from gradsim_shared.segments import Languages as Languages  # noqa: PLC0414 - of the clients

T = TypeVar("T")
Entry = TypeVar("Entry")

PREDICTION: TypeAdapter[Prediction] = TypeAdapter(
    Annotated[
        LabelPrediction | LabelsPrediction | EntitiesPrediction | WordsPrediction | AnswerPrediction | OtherPrediction,
        Field(union_mode="left_to_right"),
    ]
)
LANGUAGE, GROUP = TypeAdapter(ServedLanguage), TypeAdapter(ServedGroup)

AnyText = str | tuple[str, str] | Mapping[str, str]
"""A text; where pairs are answered, two; where questions are, ``{"question": ..., "context": ...}``."""

BYTES_PER_REQUEST = 2**19
"""Half of what the service takes by default."""

LONGEST_SECONDS = 999_999.0
"""The most that the header can say, and half of what a socket can be told to wait; longer counts as no limit."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request, and how long its response may take, seconds."""

    method: str
    path: str
    seconds: float
    body: bytes | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of httpx's ``request``; the service is told when the client stops waiting."""
        limited = self.seconds <= LONGEST_SECONDS
        return {
            "method": self.method,
            "url": self.path,
            "content": self.body,
            "headers": {"X-Request-Timeout-Ms": str(math.ceil(1000 * self.seconds))} if limited else {},
            "timeout": self.seconds if limited else None,
        }


Exchange = Generator[Attempt | float, Failure | None, T]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive texts of a list, as the body of one request.

    Attributes:
        offset: Where they begin in the list.
        count: How many they are.
        body: JSON in UTF-8.
    """

    offset: int
    count: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ServiceProtocol:
    """The calls of the service.

    Attributes:
        url: Of the service, for messages.
        timeout_seconds: How long one call may take; ``None`` or infinity: no limit.
        retry: When a request is sent again.
        texts_per_request: Longer lists are split.

    Raises:
        SettingsError: A limit is not possible.
    """

    url: str
    timeout_seconds: float | None
    retry: RetryPolicy
    texts_per_request: int = 64
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise SettingsError(f"timeout_seconds is {self.timeout_seconds}; it must be above 0")
        if self.texts_per_request < 1:
            raise SettingsError(f"texts_per_request is {self.texts_per_request}; it must be 1 or more")
        object.__setattr__(self, "seconds", math.inf if self.timeout_seconds is None else self.timeout_seconds)

    def answer(
        self, texts: Sequence[AnyText], language: Languages, policy: str | None, endpoint: str
    ) -> list[Exchange[list[Prediction]]]:
        """Return the exchanges that answer a list of texts, one for each part of it, with one deadline.

        Raises:
            ServiceError: Texts or languages cannot be sent.
        """
        deadline = time.monotonic() + self.seconds
        parts = split(texts, language, policy, self.texts_per_request, BYTES_PER_REQUEST)
        return [self._answer_part(deadline, endpoint, part) for part in parts]

    def languages(self) -> Exchange[list[ServedLanguage]]:
        """Return the exchange for every language that is served."""
        response = yield from self.exchange(time.monotonic() + self.seconds, "GET", "/languages")
        return _listed(response, "languages", LANGUAGE)

    def groups(self) -> Exchange[list[ServedGroup]]:
        """Return the exchange for every group of every bundle."""
        response = yield from self.exchange(time.monotonic() + self.seconds, "GET", "/groups")
        return _listed(response, "groups", GROUP)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Exchange[Any]:
        """Return the exchange for the JSON of any path."""
        content = None if body is None else json.dumps(body).encode()
        response = yield from self.exchange(time.monotonic() + self.seconds, method, path, content)
        return content_of(response)

    def exchange(
        self, deadline: float, method: str, path: str, body: bytes | None = None, offset: int = 0
    ) -> Exchange[httpx.Response]:
        """Send a request until its status is 200, or another attempt is of no use.

        Args:
            deadline: On the clock of ``time.monotonic``.
            method: Of HTTP.
            path: Of the service.
            body: JSON in UTF-8.
            offset: Where its texts begin in the caller's list.

        Raises:
            ServiceError: The service refused it, or did not answer in time.
        """
        attempts, waited = 0, 0.0
        while True:
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                raise ServiceError("the time of this call is over; give it more timeout_seconds", code="timeout")
            received = yield Attempt(method, path, seconds, body)
            assert received is not None
            if isinstance(received, httpx.Response) and received.status_code == httpx.codes.OK:
                return received
            attempts += 1
            pause = self.retry.pause(received, attempts, waited)
            if pause is None or time.monotonic() + pause > deadline:
                cause = received if isinstance(received, httpx.TransportError) else None
                raise error_of(received, self.url, offset) from cause
            waited += pause
            yield pause

    def _answer_part(self, deadline: float, endpoint: str, part: Part) -> Exchange[list[Prediction]]:
        response = yield from self.exchange(deadline, "POST", f"/{endpoint.strip('/')}", part.body, part.offset)
        predictions = _listed(response, "predictions", PREDICTION)
        if len(predictions) != part.count:
            message = f"{response.url} did not answer {part.count} texts with as many predictions"
            raise ServiceError(message, code="no_form")
        return predictions


def headers(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    try:
        name = f"gradsim-client/{version('gradsim-router')}"
    except PackageNotFoundError:  # run from the sources
        name = "gradsim-client"
    common = {"User-Agent": name, "Content-Type": "application/json", "Accept": "application/json"}
    return common | ({"Authorization": f"Bearer {api_key}"} if api_key else {})


def content_of(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of a response.

    Raises:
        ServiceError: ``no_form``: it is none.
    """
    try:
        return json.loads(response.content)
    except ValueError as error:
        message = f"{response.url} did not answer with JSON; check the URL"
        raise ServiceError(message, code="no_form", status=response.status_code) from error


def _listed(response: httpx.Response, field: str, entry: TypeAdapter[Entry]) -> list[Entry]:
    """Return the entries of a list in a response.

    Raises:
        ServiceError: ``no_form``: it is not what this service sends.
    """
    content = content_of(response)
    entries = content.get(field) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ServiceError(f"{response.url} did not answer with a list of {field}; check the URL", code="no_form")
    try:
        return [entry.validate_python(one) for one in entries]
    except ValidationError as error:
        message = f"{response.url} answered in a form that this client does not know: {error.errors()[0]['msg']}"
        raise ServiceError(message, code="no_form") from error


def split(
    texts: Sequence[AnyText], language: Languages, policy: str | None, limit: int, limit_bytes: int
) -> list[Part]:
    """Split texts, or what else is asked, into requests of ``limit`` at most, and about ``limit_bytes`` bytes.

    A longer one goes alone.

    Raises:
        ServiceError: Texts or languages cannot be sent.
    """
    if isinstance(texts, str):
        raise ServiceError("texts is one string; give a list of them", code="invalid_request")
    each = None if language is None or isinstance(language, str) else list(language)
    if each is not None and len(each) != len(texts):
        message = f"language holds {len(each)} codes for {len(texts)} texts; give one (or None) for each"
        raise ServiceError(message, code="language_count")
    holds = b"texts" if not texts or isinstance(texts[0], str) else b"pairs"
    if texts and isinstance(texts[0], Mapping):
        holds = b"questions"
    encoded = [_encoded(text, index) for index, text in enumerate(texts)]
    parts = []
    for start, end in _spans([len(text) for text in encoded], limit, limit_bytes):
        others = {"language": language if each is None else each[start:end]} | ({"policy": policy} if policy else {})
        body = b'{"%s":[' % holds + b",".join(encoded[start:end]) + b"]," + json.dumps(others).encode()[1:]
        parts.append(Part(start, end - start, body))
    return parts


def _encoded(text: AnyText, index: int) -> bytes:
    try:
        return json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = f"text {index} holds a lone surrogate, which is no character of Unicode"
        raise ServiceError(message, code="invalid_text", index=index) from error


def _spans(sizes: Sequence[int], limit: int, limit_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where each request begins and ends."""
    start = total = 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == limit or total + size > limit_bytes):
            yield start, index
            start, total = index, 0
        total += size
    if start < len(sizes):
        yield start, len(sizes)
