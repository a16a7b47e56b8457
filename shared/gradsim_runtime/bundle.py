"""A bundle that answers: open a directory, ask what it holds, predict."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args, overload

import numpy as np
from numpy.typing import NDArray

from gradsim_runtime.cores import cores
from gradsim_runtime.loading import load_group_model, load_identifier
from gradsim_runtime.predictions import Prediction, prediction_of
from gradsim_runtime.predictor import Answer, Predictor
from gradsim_runtime.sessions import Provider, SessionSettings, choose_provider
from gradsim_runtime.text_checks import check_sent
from gradsim_shared.bundle import VerifiedBundle, open_bundle
from gradsim_shared.decoding import sent_type
from gradsim_shared.errors import BundleError, RequestError, SettingsError
from gradsim_shared.excerpts import one_line
from gradsim_shared.group_model import GroupModel
from gradsim_shared.identification import Identification, LanguageIdentifier
from gradsim_shared.manifest import Manifest, Policy
from gradsim_shared.nearest import unknown
from gradsim_shared.routing import Route
from gradsim_shared.segments import Languages, Sent

T = TypeVar("T")
AnyText = str | tuple[str, str] | Mapping[str, str]
"""A text; where pairs are answered, two; where questions are, question and context."""
LIBRARIES = ("onnxruntime", "tokenizers", "fasttext")  # of the extra ``runtime``


@dataclass(frozen=True)
class LanguageGroup:
    """A group of a bundle.

    Attributes:
        id: Such as ``g1``.
        members: Languages that its model was trained on, ISO 639-3.
        served: Languages that it answers for; the other members are source-only.
    """

    id: str
    members: tuple[str, ...]
    served: tuple[str, ...]


@dataclass(frozen=True)
class SimilarityMatrix:
    """The similarity matrix that the groups were made of.

    Attributes:
        languages: Of rows and columns, ISO 639-3.
        matrix: S, ``[N, N]``; ``S[i, j]``: how much training on j is expected to help i.
    """

    languages: tuple[str, ...]
    matrix: NDArray[np.float64]


class Bundle:
    """A bundle that answers texts. It may be used from several threads.

    Open one with ``Bundle.open``; the identifier and each group's model are loaded when they are needed first, or all
    with ``load``.

    Args:
        verified: Its directory and manifest, every file checked.
        settings: How its models run.

    Attributes:
        predictor: Answers texts, raw or as words, and routes that are known; for scores.
    """

    def __init__(self, verified: VerifiedBundle, settings: SessionSettings) -> None:
        self._verified, self._settings = verified, settings
        self._loading = threading.RLock()
        self._models: dict[str, GroupModel] = {}
        self._parts: dict[str, Any] = {}  # sessions and tokenizers by file, for groups that share them
        self.predictor = Predictor(verified.manifest, self._identify, self._model)

    @classmethod
    def open(cls, directory: str | Path, *, threads: int | None = None, provider: Provider = "cpu") -> Self:
        """Open a bundle: read its manifest and check all of its files.

        Args:
            directory: What ``gradsim-offline build`` wrote, such as ``runs/demo/bundle``.
            threads: That compute; ``None``: one for each core that this process may use.
            provider: What runs the models: ``cpu``, ``cuda``, ``tensorrt``, or ``auto``: a GPU where onnxruntime can
                start one.

        Raises:
            BundleError: It is no bundle, not one that this version reads, or a file is missing or has changed.
            SettingsError: A library is not installed, ``threads`` is less than 1, or the provider is unknown or cannot
                run models here.
        """
        missing = [library for library in LIBRARIES if find_spec(library) is None]
        if missing:
            raise SettingsError(f"{missing[0]} is not installed; run: pip install 'gradsim-router[runtime]'")
        if provider not in get_args(Provider):
            raise SettingsError(unknown("provider", str(provider), get_args(Provider)))
        if threads is not None and threads < 1:
            raise SettingsError(f"threads = {threads}: it is at least 1")
        verified = open_bundle(Path(directory))
        chosen = choose_provider(provider).provider if provider != "cpu" else provider
        return cls(verified, SessionSettings(chosen, threads or cores()))

    @property
    def directory(self) -> Path:
        """Where it lies, links resolved."""
        return self._verified.directory

    @property
    def manifest(self) -> Manifest:
        """All that it says of itself: scores per language, how it was built, ..."""
        return self._verified.manifest

    @property
    def task(self) -> str:
        """Such as ``text_classification``, as `gradsim-offline list tasks` shows them."""
        return self.manifest.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, or the tags of words, in the order of the models' outputs."""
        return tuple(self.manifest.labels)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it serves, ISO 639-3."""
        return tuple(language.code for language in self.manifest.languages)

    @property
    def groups(self) -> tuple[LanguageGroup, ...]:
        """The groups of languages, one model each."""
        return tuple(
            LanguageGroup(
                group.id,
                tuple(group.members),
                tuple(language.code for language in self.manifest.languages if language.group == group.id),
            )
            for group in self.manifest.groups
        )

    @cached_property
    def similarity(self) -> SimilarityMatrix:
        """The similarity matrix that the groups were made of.

        Raises:
            BundleError: Its file holds none.
        """
        path = self._verified.path(self.manifest.similarity.file)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return SimilarityMatrix(tuple(content["languages"]), np.array(content["similarity"], dtype=np.float64))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BundleError(f"{path} holds no similarity matrix: {type(error).__name__}: {error}") from error

    def load(self) -> Self:
        """Load the identifier and every group's model now, not when they are needed first.

        Raises:
            BundleError: One of them cannot be loaded.
            SettingsError: The provider cannot run the models.
        """
        with self._loading:
            _ = self._identifier
            for group in self.manifest.groups:
                self._model(group.id)
        return self

    @overload
    def predict(
        self,
        texts: Sequence[AnyText],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        errors: Literal["raise"] = "raise",
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self,
        texts: Sequence[AnyText],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        errors: Literal["return"],
    ) -> list[Prediction | RequestError]: ...

    def predict(
        self,
        texts: Sequence[AnyText],
        language: Languages = None,
        *,
        policy: Policy | None = None,
        errors: Literal["raise", "return"] = "raise",
    ) -> list[Prediction] | list[Prediction | RequestError]:
        """Return the prediction for each text, in their order: what the service answers to them.

        Args:
            texts: As they were written, any number; for a bundle that answers pairs two in each place: ``(first,
                second)``; for one that answers questions ``{"question": ..., "context": ...}``, or both as two.
            language: Of all texts, or a list with a code or ``None`` for each, of a pair also two; ``None``: it is
                identified.
            policy: What becomes of a text whose language is not sure: ``best``, ``soft``, ``reject`` or ``fallback``
                (docs/identifying.md); ``None``: as the bundle says.
            errors: ``raise`` the error of the first text that cannot be answered, or ``return`` each error in the place
                of its text.

        Raises:
            RequestError: A text cannot be answered; ``code`` and ``index`` say why and which (docs/http.md).
            BundleError: The identifier or a model cannot be loaded.
        """
        if isinstance(texts, str):
            raise RequestError("texts is one string; give a list: [text]", code="invalid_text")
        if policy is not None and policy not in get_args(Policy):
            raise RequestError(unknown("policy", str(policy), get_args(Policy)), code="invalid_policy")
        outcomes: list[Prediction | RequestError] = []
        for outcome in self._outcomes(texts, language, policy):
            if isinstance(outcome, RequestError) and errors == "raise":
                raise outcome
            outcomes.append(outcome if isinstance(outcome, RequestError) else prediction_of(outcome))
        return outcomes

    def _outcomes(
        self, texts: Sequence[object], language: Languages, policy: Policy | None
    ) -> list[Answer | RequestError]:
        """Return the answer to each text, or why there is none."""
        outcomes: dict[int, Answer | RequestError] = {}
        readable: list[Sent] = []
        for row, text in enumerate(texts):
            try:
                readable.append(check_sent(text, row, kind=sent_type(self.manifest.task)))
            except RequestError as error:
                outcomes[row] = error
                readable.append("")
        routed: dict[int, Route] = {}
        for row, route in enumerate(self.predictor.route_each(readable, language, policy=policy)):
            if row in outcomes:
                continue
            if isinstance(route, RequestError):
                outcomes[row] = route
            else:
                routed[row] = route
        outcomes |= self._answered(readable, routed)
        return [outcomes[row] for row in range(len(texts))]

    def _answered(self, texts: Sequence[Sent], routes: Mapping[int, Route]) -> Mapping[int, Answer | RequestError]:
        """Answer the texts that have a route; where a model fails, halve them until the text is alone that it fails on.

        Raises:
            BundleError: A model cannot be loaded.
        """
        rows = list(routes)
        try:
            answers = self.predictor.answers([texts[row] for row in rows], [routes[row] for row in rows])
        except (BundleError, SettingsError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # onnxruntime raises classes of its own; a panic in Rust is no Exception
            if len(rows) > 1:
                halves = (rows[: len(rows) // 2], rows[len(rows) // 2 :])
                first, second = (self._answered(texts, {row: routes[row] for row in half}) for half in halves)
                return {**first, **second}
            message = f"the model failed on the text: {one_line(str(error) or type(error).__name__)}"
            return {rows[0]: RequestError(message, code="internal_error", index=rows[0])}
        return dict(zip(rows, answers, strict=True))

    def _identify(self, texts: Sequence[Sent]) -> list[Identification]:
        return self._identifier.identify(texts)

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        with self._loading:
            return self._opened(lambda: load_identifier(self.manifest.identifier, self._verified.path))

    def _model(self, group_id: str) -> GroupModel:
        """Return a group's model, loaded."""
        with self._loading:
            if group_id not in self._models:
                group = next(group for group in self.manifest.groups if group.id == group_id)
                parts = self._verified.path, group, self.manifest, self._settings, self._parts
                self._models[group_id] = self._opened(lambda: load_group_model(*parts))
            return self._models[group_id]

    def _opened(self, load: Callable[[], T]) -> T:
        try:
            return load()
        except BundleError as error:
            raise BundleError(f"bundle {self.directory} cannot be opened: {error}") from error
