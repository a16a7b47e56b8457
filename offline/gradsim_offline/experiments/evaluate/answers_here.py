"""Answer labelled texts with a bundle in this process: its ONNX models behind its own identifier and router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gradsim_offline.bundle.scoring import golds, scoring_policy
from gradsim_offline.core.dataset import AnyExample, TaggedSentence
from gradsim_offline.experiments.evaluate.answers import Answers, ServedLanguage, Target, spans_of
from gradsim_runtime.bundle import Bundle
from gradsim_runtime.predictor import Predictor
from gradsim_runtime.sessions import SessionSettings
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.manifest import Manifest


@dataclass(frozen=True)
class Here:
    """A bundle that is opened in this process.

    Attributes:
        target: What it is.
        predictor: Answers its texts.
    """

    target: Target
    predictor: Predictor

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer texts of one language, as words and as raw text where the task has words."""
        texts, inputs = [example.text for example in examples], [example.input for example in examples]
        predictor = self.predictor
        routes = predictor.routes(texts, policy=scoring_policy(predictor.manifest))
        given = None if language is None else golds(predictor.answers(inputs, predictor.routes(texts, language)))
        spans = None
        if isinstance(examples[0], TaggedSentence):
            raw = predictor.answers(texts, routes)
            spans = [spans_of(asdict(answer.decoded.prediction)) for answer in raw]
        return Answers(routes, given, golds(predictor.answers(inputs, routes)), spans)


def open_here(directory: Path, manifest: Manifest) -> Here:
    """Open the identifier and the models of a bundle that was verified.

    Raises:
        BundleError: One of them cannot be read.
    """
    bundle = Bundle(VerifiedBundle(directory, manifest), SessionSettings(threads=0)).load()
    return Here(target_of(manifest), bundle.predictor)


def target_of(manifest: Manifest) -> Target:
    """Return what a manifest says of its bundle."""
    languages = [ServedLanguage(one.code, one.group, tuple(one.aliases)) for one in manifest.languages]
    return Target(manifest.title, manifest.task, tuple(manifest.labels), tuple(languages))
