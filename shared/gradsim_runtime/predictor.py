"""From texts to answers in this process: identify the language, route, run the groups' models, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.decoding import Decoded, Logits, Reading, Text, decoder_of
from gradsim_shared.errors import RequestError
from gradsim_shared.excerpts import quoted
from gradsim_shared.group_model import GroupModel
from gradsim_shared.identification import Identification
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.routing import Route, Router, is_unknown, names_two
from gradsim_shared.segments import Languages, Pair, Sent


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one text.

    Attributes:
        decoded: The answer in the form of the annotators' gold, and the prediction that a client gets.
        route: Which language the text was taken for, which group answered, and why.
        truncated: Whether a model that answered did not read all of the text.
    """

    decoded: Decoded
    route: Route
    truncated: bool


class Predictor:
    """Answers texts with one bundle. It may be used from several threads.

    Args:
        manifest: Of the bundle.
        identify: Says how likely each language is for each text.
        model: Returns a group's model by the group's id.
    """

    def __init__(
        self,
        manifest: Manifest,
        identify: Callable[[Sequence[Sent]], list[Identification]],
        model: Callable[[str], GroupModel],
    ) -> None:
        self.manifest = manifest
        self._router, self._decoder = Router(manifest), decoder_of(manifest.task)
        self._identify, self._model = identify, model

    def routes(self, texts: Sequence[Sent], language: Languages = None, *, policy: Policy | None = None) -> list[Route]:
        """Return the route of each text.

        Args:
            texts: As they were written.
            language: Of all texts, or of each; ``None``: it is identified. Of a pair also that of each of its texts.
            policy: What becomes of a text whose language is not sure; ``None``: as the bundle says.

        Raises:
            RequestError: ``unknown_language``, ``language_count``, or ``unsupported_language`` under ``reject``.
        """
        outcomes = self.route_each(texts, language, policy=policy)
        for outcome in outcomes:
            if isinstance(outcome, RequestError):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Route)]

    def route_each(
        self, texts: Sequence[Sent], language: Languages = None, *, policy: Policy | None = None
    ) -> list[Route | RequestError]:
        """As ``routes``, but an error of one text stands in its place.

        Raises:
            RequestError: ``language_count``.
        """
        each = [language] * len(texts) if language is None or isinstance(language, str) else language
        languages = [None if is_unknown(code) else code for code in each]
        if len(languages) != len(texts):
            message = f"language holds {len(languages)} codes for {len(texts)} texts; give one (or None) for each"
            raise RequestError(message, code="language_count")
        unknown = [row for row, code in enumerate(languages) if code is None]
        identified = dict(zip(unknown, self._identify([texts[row] for row in unknown]), strict=True)) if unknown else {}
        outcomes: list[Route | RequestError] = []
        for row, (text, code) in enumerate(zip(texts, languages, strict=True)):
            try:
                if code is None:
                    outcomes.append(self._router.identified(text, identified[row], policy, row))
                elif isinstance(code, str) or (isinstance(text, Pair) and names_two(code)):
                    outcomes.append(self._router.given(code, row))
                else:  # such as the NaN of an empty field of a table
                    message = f'language must be a code such as "hau", or None, not {quoted(code)}'
                    raise RequestError(message, code="invalid_language", index=row)
            except RequestError as error:
                outcomes.append(error)
        return outcomes

    def answers(self, inputs: Sequence[Text], routes: Sequence[Route]) -> list[Answer]:
        """Return the answer to each text, raw or as words, by the groups of its route.

        Where several groups answer together, their probabilities are added up by the route's weights.

        Raises:
            BundleError: A model cannot be loaded.
            ValueError: A model's outputs are not what they must be.
        """
        if not inputs:
            return []
        by_group: dict[str, list[tuple[int, float]]] = {}
        for row, route in enumerate(routes):
            for group, weight in route.mixture:
                by_group.setdefault(group, []).append((row, weight))
        logits: dict[int, Logits] = {}
        weighted: dict[int, list[NDArray[np.float64]]] = {}
        readings: dict[int, Reading] = {}
        truncated: set[int] = set()
        for group, parts in by_group.items():
            model = self._model(group)
            read = model.read([inputs[row] for row, _ in parts])
            for (row, weight), reading, output in zip(parts, read, model.logits_of(read), strict=True):
                readings[row] = reading
                if reading.cut:
                    truncated.add(row)
                if len(routes[row].mixture) == 1:
                    logits[row] = output
                else:
                    weighted.setdefault(row, []).append(
                        weight * self._decoder.probabilities(output, self.manifest.labels)
                    )
        logits |= {row: self._decoder.mixed_logits(parts) for row, parts in weighted.items()}
        rows = range(len(inputs))
        decoded = model.decode([logits[row] for row in rows], inputs, [readings[row] for row in rows])
        return [Answer(decoded[row], routes[row], row in truncated) for row in rows]
