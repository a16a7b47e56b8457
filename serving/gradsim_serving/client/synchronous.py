"""Ask a running service, and wait for the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, Self, overload

import httpx
from pydantic import TypeAdapter

from gradsim_serving.client.attempts import Attempts
from gradsim_serving.client.forms import (
    Endpoint,
    Entities,
    Policy,
    Prediction,
    Sentiment,
    ServedGroup,
    ServedLanguage,
    Words,
)
from gradsim_serving.client.parts import Languages, content, parts, predictions
from gradsim_serving.client.settings import BYTES_PER_REQUEST, Limits, headers, patience, time_left


class Client:
    """A client of the service. Several threads may use it; close it, or use it with ``with``.

    Args:
        url: Where the service is, such as ``http://127.0.0.1:3000``.
        api_key: The key that the service asks for.
        timeout_seconds: How long one call may take, all its requests, pauses and repeats together; ``None``: as long
            as the service lets it.
        retries: How often a request is sent again when the service is busy (429), not ready (503) or not there.
        texts_per_request: Longer lists are split; order is kept.
        transport: Of httpx, for a proxy or certificates of your own.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float | None = 60.0,
        retries: int = 5,
        texts_per_request: int = 64,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._limits = Limits(timeout_seconds, retries, texts_per_request)
        self._http = httpx.Client(base_url=url, headers=headers(api_key), transport=transport)

    @overload
    def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ...
    ) -> list[Sentiment]: ...

    @overload
    def answer(
        self,
        texts: Sequence[str],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["sentiment"],
    ) -> list[Sentiment]: ...

    @overload
    def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ..., endpoint: Literal["ner"]
    ) -> list[Entities]: ...

    @overload
    def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ..., endpoint: Literal["pos"]
    ) -> list[Words]: ...

    def answer(
        self,
        texts: Sequence[str],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        endpoint: Endpoint = "sentiment",
    ) -> Sequence[Prediction]:
        """Return one prediction for each text, in their order; none when there is no text.

        Args:
            texts: The texts; long lists are sent in several requests, one after the other.
            language: Of all texts, or of each; ``None``: the service identifies it.
            policy: What to do with uncertain languages; ``None``: as the bundle says.
            endpoint: Which task.

        Raises:
            ServiceError: The service refused a text, or did not answer in time; then there is no answer at all.
        """
        deadline = self._limits.deadline()
        found: list[Prediction] = []
        for part in parts(texts, language, policy, self._limits.texts_per_request, BYTES_PER_REQUEST):
            attempts = self._limits.attempts(deadline, part.offset)
            found += predictions(self._send(attempts, "POST", f"/{endpoint}", part.body), endpoint, part)
        return found

    def languages(self) -> list[ServedLanguage]:
        """Return every language that is served, and where."""
        return TypeAdapter(list[ServedLanguage]).validate_python(self._get("/languages")["languages"])

    def groups(self) -> list[ServedGroup]:
        """Return every group of every bundle."""
        return TypeAdapter(list[ServedGroup]).validate_python(self._get("/groups")["groups"])

    def ready(self) -> bool:
        """Return whether the service answers texts now; it is asked once, without repeats."""
        try:
            return self._http.get("/readyz", timeout=patience(self._limits.seconds)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return content(self._send(self._limits.attempts(self._limits.deadline()), "GET", path))

    def _send(self, attempts: Attempts, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """Send until there is an answer of status 200, or no more time."""
        while True:
            seconds = attempts.seconds()
            failure: httpx.Response | httpx.TransportError
            try:
                failure = self._http.request(
                    method, path, content=body, headers=time_left(seconds), timeout=patience(seconds)
                )
            except httpx.TransportError as error:
                failure = error
            else:
                if failure.status_code == httpx.codes.OK:
                    return failure
            time.sleep(attempts.pause(failure, self._http.base_url))
