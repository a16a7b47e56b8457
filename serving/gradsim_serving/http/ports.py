"""What the HTTP side asks of the engine, of the life cycle and of the figures; nothing else of them is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.routing import Route


class Answer(Protocol):
    """The answer for one text."""

    @property
    def prediction(self) -> Any:  # noqa: ANN401 - the dataclass of the task
        """An instance of the task's ``prediction_type``."""

    @property
    def route(self) -> Route:
        """Which language the text was taken for, which group answered, and why."""

    @property
    def truncated(self) -> bool:
        """Whether the model did not read all of the text."""

    @property
    def bundle(self) -> str:
        """``name@version`` of the bundle that answered, which may change while the service runs."""


class Engine(Protocol):
    """Answers texts."""

    async def answer(
        self,
        endpoint: str,
        texts: Sequence[str],
        language: str | Sequence[str | None] | None,
        *,
        policy: Policy | None = None,
        deadline: float | None = None,
    ) -> Sequence[Answer]:
        """Return one answer for each text, in their order.

        Args:
            endpoint: Such as ``/sentiment``.
            texts: The texts.
            language: Of all texts, or one for each; ``None`` means that it is to be identified.
            policy: What to do with uncertain languages; ``None`` means what the bundle says.
            deadline: On the clock of ``time.monotonic``; ``None`` means no limit.

        Raises:
            RequestError: It cannot be answered; a code of `errors.STATUS_OF_CODE`. Where the error has an attribute
                ``retry_after``, in seconds, clients are told so.
        """


class Life(Protocol):
    """Says what is served, and whether it can answer."""

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """Of what is served now, under its endpoint; another mapping, not another content, after a reload."""

    def require_ready(self) -> None:
        """Raise ``RequestError`` ``not_ready`` or ``shutting_down`` unless every bundle answers."""

    async def reload(self) -> Mapping[str, Any]:
        """Read the bundles again and swap to them; return the titles ``before`` and ``after`` of each endpoint.

        Raises:
            BundleError: One is not valid, or does not answer; all stays as it was.
            SettingsError: A model cannot run as the settings say; the same.
        """


class Figures(Protocol):
    """Counts requests, and shows every figure to Prometheus."""

    def request(self, endpoint: str, status: int, code: str | None, seconds: float) -> None:
        """Count one request; ``code`` is that of the error, ``None`` where there was none."""

    def text(self) -> bytes:
        """Return all figures in Prometheus' text form."""


class RequestLog(Protocol):
    """Hears of every request that was answered; it takes microseconds and never raises."""

    def request(
        self,
        *,
        request_id: str,
        endpoint: str,
        status: int,
        code: str | None,
        texts: int,
        seconds: float,
        stages: Mapping[str, float] | None = None,
        groups: Iterable[str] = (),
    ) -> None:
        """Write one line, or drop it; never a text, nor a path that a client made up."""
