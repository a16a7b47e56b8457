"""Answer texts as the service does: identify the language, route, run the group's model, decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

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
        self._labels = manifest.labels
        self._decoder = import_module(f"gradsim_shared.decode.{manifest.task}")

    def routes(self, texts: Sequence[str], language: str | None = None) -> list[Route]:
        """Return the route of each text; ``language`` is what a caller would name, ``None``: identify it."""
        if language is not None:
            return [self._router.given(language) for _ in texts]
        found = self._identifier.probabilities(texts)
        return [self._router.identified(text, row) for text, row in zip(texts, found, strict=True)]

    def labels(self, texts: Sequence[str], routes: Sequence[Route]) -> list[str]:
        """Return the label of each text, answered by the group of its route."""
        answers = [""] * len(texts)
        for group in {route.group for route in routes}:
            mine = [i for i, route in enumerate(routes) if route.group == group]
            logits = self._models[group].logits([texts[i] for i in mine])
            for i, prediction in zip(mine, self._decoder.decode(logits, self._labels), strict=True):
                answers[i] = prediction.label
        return answers
