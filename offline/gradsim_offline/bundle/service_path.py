"""Answer texts as the service does: identify the language, route, run the group's model, decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import softmax

from gradsim_offline.core.dataset import Gold
from gradsim_shared.decoding import Decoded, Text
from gradsim_shared.group_model import GroupModel
from gradsim_shared.identification import LanguageIdentifier
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.routing import Route, Router

SMALLEST = 1e-30  # probability whose logarithm is taken


class ServicePath:
    """The service without its HTTP half: the same identifier, router, models and decoder.

    Args:
        manifest: Of the bundle.
        identifier: Its language identifier.
        models: Group id to model.
    """

    def __init__(self, manifest: Manifest, identifier: LanguageIdentifier, models: Mapping[str, GroupModel]) -> None:
        self._router = Router(manifest)
        # here every text is answered: what reject refuses, the fallback group answers
        self._policy: Policy = "fallback" if manifest.identifier.policy == "reject" else manifest.identifier.policy
        self._identifier = identifier
        self._models = models

    def routes(self, texts: Sequence[str], language: str | None = None) -> list[Route]:
        """Return the route of each text; ``language`` is what a caller would name, ``None``: identify it."""
        if language is not None:
            return [self._router.given(language) for _ in texts]
        found = self._identifier.identify(texts)
        return [self._router.identified(text, row, self._policy) for text, row in zip(texts, found, strict=True)]

    def answers(self, inputs: Sequence[Text], routes: Sequence[Route]) -> list[Gold]:
        """Return the answer to each text, raw or as words, by the group of its route."""
        return [decoded.answer for decoded in self.decoded(inputs, routes)]

    def decoded(self, inputs: Sequence[Text], routes: Sequence[Route]) -> list[Decoded]:
        """Return all that is decoded of each text: its answer, and the prediction that a client would get."""
        found = {i: self._mixed(inputs[i], route) for i, route in enumerate(routes) if len(route.mixture) > 1}
        for group in dict.fromkeys(route.group for route in routes):
            mine = [i for i, route in enumerate(routes) if route.group == group and i not in found]
            if not mine:
                continue
            found |= zip(mine, self._models[group].answers([inputs[i] for i in mine]), strict=True)
        return [found[i] for i in range(len(inputs))]

    def _mixed(self, text: Text, route: Route) -> Decoded:
        """Decode what several groups say of a text together: the sum of their probabilities, by the route's weights."""
        first = self._models[route.group]
        each = [
            weight * softmax(self._models[group].logits([text])[0].astype(np.float64), axis=-1)
            for group, weight in route.mixture
        ]
        said = np.sum(each, axis=0)  # [units, labels]
        (decoded,) = first.decode([np.log(np.maximum(said, SMALLEST))], [text], first.read([text]))
        return decoded
