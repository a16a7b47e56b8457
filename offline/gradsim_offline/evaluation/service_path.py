"""Answer texts as the service does: identify the language, route, run the group's model, decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradsim_offline.dataset import Gold
from gradsim_shared.decoding import Decoded, Text
from gradsim_shared.group_model import GroupModel
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Manifest
from gradsim_shared.routing import Route, Router


class ServicePath:
    """The service without its HTTP half: the same identifier, router, models and decoder.

    Args:
        manifest: Of the bundle.
        identifier: Its language identifier.
        models: Group id to model.
    """

    def __init__(self, manifest: Manifest, identifier: LanguageIdentifier, models: Mapping[str, GroupModel]) -> None:
        self._router = Router(manifest)
        self._identifier = identifier
        self._models = models

    def routes(self, texts: Sequence[str], language: str | None = None) -> list[Route]:
        """Return the route of each text; ``language`` is what a caller would name, ``None``: identify it."""
        if language is not None:
            return [self._router.given(language) for _ in texts]
        found = self._identifier.probabilities(texts)
        return [self._router.identified(text, row) for text, row in zip(texts, found, strict=True)]

    def answers(self, inputs: Sequence[Text], routes: Sequence[Route]) -> list[Gold]:
        """Return the answer to each text, raw or as words, by the group of its route."""
        return [decoded.answer for decoded in self.decoded(inputs, routes)]

    def decoded(self, inputs: Sequence[Text], routes: Sequence[Route]) -> list[Decoded]:
        """Return all that is decoded of each text: its answer, and the prediction that a client would get."""
        found: dict[int, Decoded] = {}
        for group in {route.group for route in routes}:
            mine = [i for i, route in enumerate(routes) if route.group == group]
            found |= zip(mine, self._models[group].answers([inputs[i] for i in mine]), strict=True)
        return [found[i] for i in range(len(inputs))]
