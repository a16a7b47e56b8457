"""Answer labelled texts with a bundle on this machine: its ONNX models behind its own identifier and router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gradsim_offline.bundle.service_path import ServicePath
from gradsim_offline.core.dataset import AnyExample, TaggedSentence
from gradsim_offline.experiments.assign.ranking import open_models
from gradsim_offline.experiments.evaluate.answers import Answers, ServedLanguage, Target, spans_of
from gradsim_shared.bundle import Bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.identification import LanguageIdentifier, open_identifier
from gradsim_shared.manifest import Manifest


@dataclass(frozen=True)
class Here:
    """A bundle that is opened in this process.

    Attributes:
        target: What it is.
        path: The service without its HTTP half.
    """

    target: Target
    path: ServicePath

    def answers(self, examples: Sequence[AnyExample], language: str | None) -> Answers:
        """Answer texts of one language, as words and as raw text where the task has words."""
        texts, inputs = [example.text for example in examples], [example.input for example in examples]
        routes = self.path.routes(texts)
        given = None if language is None else self.path.answers(inputs, self.path.routes(texts, language))
        spans = None
        if isinstance(examples[0], TaggedSentence):
            spans = [spans_of(asdict(found.prediction)) for found in self.path.decoded(texts, routes)]
        return Answers(routes, given, self.path.answers(inputs, routes), spans)


def open_here(directory: Path, manifest: Manifest) -> Here:
    """Open the identifier and the models of a bundle that was verified.

    Raises:
        BundleError: One of them cannot be read.
    """
    bundle = Bundle(directory, manifest)
    try:
        path = ServicePath(manifest, _identifier(bundle), open_models(bundle))
    except Exception as error:  # onnxruntime, tokenizers and fasttext raise errors of their own
        if isinstance(error, BundleError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleError(f"bundle {directory} cannot be opened: {reason}") from error
    return Here(target_of(manifest), path)


def target_of(manifest: Manifest) -> Target:
    """Return what a manifest says of its bundle."""
    languages = [ServedLanguage(one.code, one.group, tuple(one.aliases)) for one in manifest.languages]
    return Target(manifest.title, manifest.task, tuple(manifest.labels), tuple(languages))


def _identifier(bundle: Bundle) -> LanguageIdentifier:
    import fasttext

    return open_identifier(
        bundle.manifest.identifier, lambda file: fasttext.load_model(str(bundle.path(file))), bundle.path
    )
