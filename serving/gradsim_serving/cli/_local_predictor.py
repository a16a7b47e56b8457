"""Answer texts in this process, as the service answers them; a text that cannot be answered fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gradsim_runtime.sessions import Provider
from gradsim_serving.app import create_engine
from gradsim_serving.http.predictions import plain, plain_route
from gradsim_serving.options import DEFAULTS, Options
from gradsim_shared.errors import RequestError
from gradsim_shared.manifest import Policy

LineResult = dict[str, Any] | RequestError


class LocalPredictor:
    """A loaded bundle that answers, until the end of its ``with``.

    Args:
        bundle: Its directory.
        threads: That compute; ``None``: one for each core that may be used.
        policy: For texts of uncertain language; ``None``: the bundle's.
        provider: What runs the models.

    Raises:
        BundleError: It cannot be served.
        SettingsError: The provider cannot run models here.
    """

    def __init__(
        self, bundle: Path, threads: int | None, policy: Policy | None, provider: Provider = DEFAULTS.provider
    ) -> None:
        options = Options(threads=threads, provider=provider, check_given=0.0, canary_seconds=0.0, warm_up=False)
        lifecycle, self._engine = create_engine([bundle], options)
        self._engine.start()
        try:
            lifecycle.load()
        except BaseException:
            self._engine.end()
            raise
        ((self._endpoint, self._served),) = self._engine.served.items()
        self._policy = policy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads: one may still run texts of a batch that has failed."""
        self._engine.end()

    def require_language(self, code: str) -> None:
        """Raise ``RequestError`` unless the bundle knows the language."""
        self._served.router.given(code)

    def __call__(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[LineResult]:
        """Return the prediction for each text, or why there is none, in their order.

        What cannot be routed is taken out first: then one call answers all others, however many are refused.
        """
        results: dict[int, LineResult] = dict(self._refused(texts, languages))
        results |= self._answered([row for row in range(len(texts)) if row not in results], texts, languages)
        return [results[row] for row in range(len(texts))]

    def _refused(self, texts: Sequence[str], languages: Sequence[str | None]) -> dict[int, RequestError]:
        router, identifier = self._served.router, self._served.identifier
        errors: dict[int, RequestError] = {}
        asked = [row for row, code in enumerate(languages) if code is None]
        for row, code in enumerate(languages):
            try:
                if code is not None:
                    router.given(code)
            except RequestError as error:
                errors[row] = error
        if (self._policy or self._served.manifest.identifier.policy) == "reject" and asked:
            for row, identification in zip(asked, identifier.identify([texts[row] for row in asked]), strict=True):
                try:
                    router.identified(texts[row], identification, self._policy)
                except RequestError as error:
                    errors[row] = error
        return errors

    def _answered(
        self, rows: Sequence[int], texts: Sequence[str], languages: Sequence[str | None]
    ) -> dict[int, LineResult]:
        """Answer these rows together; the one that fails is taken out, and the others are answered without it."""
        if not rows:
            return {}
        try:
            answers = self._engine.answer_here(
                self._endpoint, [texts[row] for row in rows], [languages[row] for row in rows], policy=self._policy
            )
        except RequestError as error:
            if len(rows) == 1:
                return {rows[0]: error}
            cut = len(rows) // 2 if error.index is None else error.index  # it is not known which text failed: halve
            parts = (rows[:cut], rows[cut:]) if error.index is None else (rows[:cut], rows[cut + 1 :])
            results: dict[int, LineResult] = {} if error.index is None else {rows[cut]: error}
            for part in parts:
                results |= self._answered(part, texts, languages)
            return results
        return {
            row: {**plain(answer.prediction), "truncated": answer.truncated, "route": plain_route(answer.route)}
            for row, answer in zip(rows, answers, strict=True)
        }
