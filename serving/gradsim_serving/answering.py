"""Answer texts from one bundle: identify, route, run the groups' models, decode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gradsim_serving.model_files import Loaded, load_group_model, load_identifier
from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError, RequestError
from gradsim_shared.routing import Route, Router

CANARY = "123 abc"


class Answerer:
    """Answers texts from one bundle whose models are loaded. It may be used from several threads."""

    def __init__(self, bundle: Bundle, threads: int, loaded: Loaded | None = None) -> None:
        """Load identifier and models, and let each of them answer once.

        Args:
            bundle: The bundle.
            threads: How many threads compute one batch.
            loaded: What other bundles have loaded.

        Raises:
            BundleError: Something cannot be loaded, or does not answer as it must.
        """
        manifest = bundle.manifest
        self.manifest = manifest
        self.router = Router(manifest)
        loaded = loaded or Loaded()
        self._identifier = load_identifier(bundle, loaded)
        self._models = {group.id: load_group_model(bundle, group, threads, loaded) for group in manifest.groups}
        self._check(bundle)

    def answer(
        self, texts: Sequence[str], language: str | Sequence[str | None] | None, deadline: float | None = None
    ) -> list[dict[str, Any]]:
        """Return one answer for each text, in their order: the prediction's fields, as they are, and ``route``.

        Args:
            texts: The texts.
            language: Of all texts, or one for each; ``None`` means that it is to be identified.
            deadline: On the clock of ``time.monotonic``; nothing is begun after it. ``None`` means no limit.

        Raises:
            RequestError: A language is not known, their number is not that of the texts, or time is over.
        """

        def in_time() -> None:
            if deadline is not None and time.monotonic() > deadline:
                raise RequestError("the answer took too long; send fewer texts in a request", code="timeout")

        routes = self.routes(texts, language)
        answers: list[dict[str, Any]] = [{} for _ in texts]
        for group in dict.fromkeys(route.group for route in routes):
            rows = [row for row, route in enumerate(routes) if route.group == group]
            found = self._models[group].answers([texts[row] for row in rows], in_time)
            for row, decoded in zip(rows, found, strict=True):
                answers[row] = {**_parts(decoded.prediction), "route": _parts(routes[row])}
        return answers

    def routes(self, texts: Sequence[str], language: str | Sequence[str | None] | None) -> list[Route]:
        """Return the route of each text; the identifier is asked only for those whose language is not given."""
        codes = [language] * len(texts) if language is None or isinstance(language, str) else list(language)
        if len(codes) != len(texts):
            message = f"language holds {len(codes)} codes for {len(texts)} texts; send one (or null) for each"
            raise RequestError(message, code="language_count")
        single = isinstance(language, str)
        given = {
            row: self.router.given(code, None if single else row) for row, code in enumerate(codes) if code is not None
        }
        asked = [row for row in range(len(texts)) if row not in given]
        found = self._identifier.probabilities([texts[row] for row in asked]) if asked else []
        identified = {
            row: self.router.identified(texts[row], probabilities)
            for row, probabilities in zip(asked, found, strict=True)
        }
        routes = given | identified
        return [routes[row] for row in range(len(texts))]

    def _check(self, bundle: Bundle) -> None:
        """Let the identifier and every group answer a canary."""
        self._identifier.probabilities([CANARY])
        for group, model in self._models.items():
            try:
                model.answers([CANARY])
            except Exception as error:  # whatever a graph can do wrong: it must not be served
                raise BundleError(f"bundle {bundle.directory}: group {group} does not answer: {error}") from error


def _parts(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return the fields of a dataclass; what lies inside them stays as it is, unlike ``asdict``'s copies."""
    return {part.name: getattr(record, part.name) for part in fields(record)}
