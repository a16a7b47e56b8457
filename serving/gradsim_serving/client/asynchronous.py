"""Ask a running service from asyncio; a long list is sent in several requests at once."""

from __future__ import annotations

import asyncio
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
from gradsim_serving.client.parts import Languages, Part, content, parts, predictions
from gradsim_serving.client.settings import BYTES_PER_REQUEST, Limits, headers, patience, time_left


class AsyncClient:
    """A client of the service for asyncio. Close it with ``aclose``, or use it with ``async with``.

    Args:
        url: Where the service is, such as ``http://127.0.0.1:3000``.
        api_key: The key that the service asks for.
        timeout_seconds: How long one call may take, all its requests, pauses and repeats together; ``None``: as long
            as the service lets it.
        retries: How often a request is sent again when the service is busy (429), not ready (503) or not there.
        texts_per_request: Longer lists are split; order is kept.
        requests_at_once: Of one call.
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
        requests_at_once: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._limits = Limits(timeout_seconds, retries, texts_per_request)
        self._at_once = max(1, requests_at_once)
        self._http = httpx.AsyncClient(base_url=url, headers=headers(api_key), transport=transport)

    @overload
    async def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ...
    ) -> list[Sentiment]: ...

    @overload
    async def answer(
        self,
        texts: Sequence[str],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["sentiment"],
    ) -> list[Sentiment]: ...

    @overload
    async def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ..., endpoint: Literal["ner"]
    ) -> list[Entities]: ...

    @overload
    async def answer(
        self, texts: Sequence[str], language: Languages = ..., *, policy: Policy | None = ..., endpoint: Literal["pos"]
    ) -> list[Words]: ...

    async def answer(
        self,
        texts: Sequence[str],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        endpoint: Endpoint = "sentiment",
    ) -> Sequence[Prediction]:
        """Return one prediction for each text, in their order; none when there is no text.

        Args:
            texts: The texts; long lists are sent in several requests, a few at once.
            language: Of all texts, or of each; ``None``: the service identifies it.
            policy: What to do with uncertain languages; ``None``: as the bundle says.
            endpoint: Which task.

        Raises:
            ServiceError: The service refused a text, or did not answer in time; then there is no answer at all.
        """
        deadline, gate = self._limits.deadline(), asyncio.Semaphore(self._at_once)

        async def ask(part: Part) -> list[Prediction]:
            async with gate:
                attempts = self._limits.attempts(deadline, part.offset)
                return predictions(await self._send(attempts, "POST", f"/{endpoint}", part.body), endpoint, part)

        split = parts(texts, language, policy, self._limits.texts_per_request, BYTES_PER_REQUEST)
        tasks = [asyncio.ensure_future(ask(part)) for part in split]
        try:
            return [prediction for found in await asyncio.gather(*tasks) for prediction in found]
        finally:  # the others are of no use when one has failed, or when nobody waits any more
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def languages(self) -> list[ServedLanguage]:
        """Return every language that is served, and where."""
        return TypeAdapter(list[ServedLanguage]).validate_python((await self._get("/languages"))["languages"])

    async def groups(self) -> list[ServedGroup]:
        """Return every group of every bundle."""
        return TypeAdapter(list[ServedGroup]).validate_python((await self._get("/groups"))["groups"])

    async def ready(self) -> bool:
        """Return whether the service answers texts now; it is asked once, without repeats."""
        try:
            response = await self._http.get("/readyz", timeout=patience(self._limits.seconds))
        except httpx.TransportError:
            return False
        return response.status_code == httpx.codes.OK

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return content(await self._send(self._limits.attempts(self._limits.deadline()), "GET", path))

    async def _send(self, attempts: Attempts, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """Send until there is an answer of status 200, or no more time."""
        while True:
            seconds = attempts.seconds()
            failure: httpx.Response | httpx.TransportError
            try:
                failure = await self._http.request(
                    method, path, content=body, headers=time_left(seconds), timeout=patience(seconds)
                )
            except httpx.TransportError as error:
                failure = error
            else:
                if failure.status_code == httpx.codes.OK:
                    return failure
            await asyncio.sleep(attempts.pause(failure, self._http.base_url))
