"""The two clients of the service: `Client` blocks, `AsyncClient` awaits; both run `ServiceProtocol`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

import httpx

from gradsim_client.protocol import AnyText, Attempt, Exchange, Languages, ServiceProtocol, headers
from gradsim_client.retries import Backoff, Failure, RetryPolicy
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_messages import ServedGroup
from gradsim_shared.messages import (
    AnswerPrediction,
    EntitiesPrediction,
    LabelPrediction,
    Policy,
    Prediction,
    ServedLanguage,
    WordsPrediction,
)

T = TypeVar("T")


class Client:
    """A client of the service. Several threads may use it; close it, or use it with ``with``.

    Args:
        url: Where the service is, such as ``http://127.0.0.1:3000``.
        api_key: The key that the service asks for.
        timeout_seconds: How long one call may take, all its requests, pauses and repeats together; ``None``: as long
            as the service lets it.
        retries: How often a request is sent again when the service is busy (429), not ready (503) or not there; or a
            policy of your own.
        texts_per_request: Longer lists are split; order is kept.
        transport: Of httpx, for a proxy or certificates of your own.

    Raises:
        SettingsError: One of them is not possible.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float | None = 60.0,
        retries: int | RetryPolicy = 5,
        texts_per_request: int = 64,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._protocol = ServiceProtocol(url, timeout_seconds, _policy_of(retries), texts_per_request)
        self._http = httpx.Client(base_url=url, headers=headers(api_key), transport=transport)

    @overload
    def answer(
        self,
        texts: Sequence[str],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["sentiment"] = ...,
    ) -> list[LabelPrediction]: ...

    @overload
    def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["ner"],
    ) -> list[EntitiesPrediction]: ...

    @overload
    def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["pos"],
    ) -> list[WordsPrediction]: ...

    @overload
    def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["qa"],
    ) -> list[AnswerPrediction]: ...

    @overload
    def answer(
        self, texts: Sequence[AnyText], language: Languages = ..., *, policy: Policy | None = ..., endpoint: str
    ) -> list[Any]: ...

    def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        endpoint: str = "sentiment",
    ) -> Sequence[Prediction]:
        """Return one prediction for each text, in their order; none when there is no text.

        Args:
            texts: The texts, or where the endpoint answers pairs, two in each place; of questions each is
                ``{"question": ..., "context": ...}``. Long lists are sent in several requests, one after the other.
            language: Of all texts, or of each, of a pair also two; ``None``: the service identifies it.
            policy: What to do with uncertain languages; ``None``: as the bundle says.
            endpoint: Where they are answered, such as ``ner``; `languages` tells all.

        Raises:
            ServiceError: The service refused a text, or did not answer in time; then there is no answer at all.
        """
        exchanges = self._protocol.answer(texts, language, policy, endpoint)
        return [prediction for exchange in exchanges for prediction in self._run(exchange)]

    def languages(self) -> list[ServedLanguage]:
        """Return every language that is served, and where."""
        return self._run(self._protocol.languages())

    def groups(self) -> list[ServedGroup]:
        """Return every group of every bundle."""
        return self._run(self._protocol.groups())

    def ready(self) -> bool:
        """Return whether the service answers texts now; it is asked once, without repeats."""
        return _is_ok(self._send(Attempt("GET", "/readyz", self._protocol.seconds)))

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of any path of the service.

        Raises:
            ServiceError: The service refused it, or did not answer in time, or not with JSON.
        """
        return self._run(self._protocol.call(method, path, body))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[T]) -> T:
        received: Failure | None = None
        while True:
            try:
                step = exchange.send(received)
            except StopIteration as end:
                result: T = end.value
                return result
            received = None
            if isinstance(step, Attempt):
                received = self._send(step)
            else:
                time.sleep(step)

    def _send(self, attempt: Attempt) -> Failure:
        try:
            return self._http.request(**attempt.arguments)
        except httpx.TransportError as error:
            return error


class AsyncClient:
    """A client of the service for asyncio. Close it with ``aclose``, or use it with ``async with``.

    Its arguments are those of `Client`, and ``requests_at_once``, of one call.

    Raises:
        SettingsError: One of them is not possible.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float | None = 60.0,
        retries: int | RetryPolicy = 5,
        texts_per_request: int = 64,
        requests_at_once: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._protocol = ServiceProtocol(url, timeout_seconds, _policy_of(retries), texts_per_request)
        self._at_once = max(1, requests_at_once)
        self._http = httpx.AsyncClient(base_url=url, headers=headers(api_key), transport=transport)

    @overload
    async def answer(
        self,
        texts: Sequence[str],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["sentiment"] = ...,
    ) -> list[LabelPrediction]: ...

    @overload
    async def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["ner"],
    ) -> list[EntitiesPrediction]: ...

    @overload
    async def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["pos"],
    ) -> list[WordsPrediction]: ...

    @overload
    async def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = ...,
        *,
        policy: Policy | None = ...,
        endpoint: Literal["qa"],
    ) -> list[AnswerPrediction]: ...

    @overload
    async def answer(
        self, texts: Sequence[AnyText], language: Languages = ..., *, policy: Policy | None = ..., endpoint: str
    ) -> list[Any]: ...

    async def answer(
        self,
        texts: Sequence[AnyText],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        endpoint: str = "sentiment",
    ) -> Sequence[Prediction]:
        """As of `Client`; of a long list a few requests are sent at once.

        Raises:
            ServiceError: As of `Client`.
        """
        at_once = asyncio.Semaphore(self._at_once)

        async def run(exchange: Exchange[list[Prediction]]) -> list[Prediction]:
            async with at_once:
                return await self._run(exchange)

        exchanges = self._protocol.answer(texts, language, policy, endpoint)
        tasks = [asyncio.ensure_future(run(exchange)) for exchange in exchanges]
        try:
            return [prediction for predictions in await asyncio.gather(*tasks) for prediction in predictions]
        finally:  # where one has failed, or the caller is cancelled, the others are of no use
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def languages(self) -> list[ServedLanguage]:
        """Return every language that is served, and where."""
        return await self._run(self._protocol.languages())

    async def groups(self) -> list[ServedGroup]:
        """Return every group of every bundle."""
        return await self._run(self._protocol.groups())

    async def ready(self) -> bool:
        """Return whether the service answers texts now; it is asked once, without repeats."""
        return _is_ok(await self._send(Attempt("GET", "/readyz", self._protocol.seconds)))

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        """Return the JSON of any path of the service.

        Raises:
            ServiceError: As of `Client`.
        """
        return await self._run(self._protocol.call(method, path, body))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, exchange: Exchange[T]) -> T:
        received: Failure | None = None
        while True:
            try:
                step = exchange.send(received)
            except StopIteration as end:
                result: T = end.value
                return result
            received = None
            if isinstance(step, Attempt):
                received = await self._send(step)
            else:
                await asyncio.sleep(step)

    async def _send(self, attempt: Attempt) -> Failure:
        try:
            return await self._http.request(**attempt.arguments)
        except httpx.TransportError as error:
            return error


def _policy_of(retries: int | RetryPolicy) -> RetryPolicy:
    if not isinstance(retries, int):
        return retries
    if retries < 0:
        raise SettingsError(f"retries is {retries}; it must be 0 or more")
    return Backoff(retries)


def _is_ok(received: Failure) -> bool:
    return isinstance(received, httpx.Response) and received.status_code == httpx.codes.OK
