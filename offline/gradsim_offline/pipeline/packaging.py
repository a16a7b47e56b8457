"""The stages of a build from trained models to the bundle: export, identifier, scores, reference gradients, bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_offline.bundle.parts import Parts, digests, entries
from gradsim_offline.core.run_directory import StageResult, write_json
from gradsim_offline.core.versions import library_versions
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.pipeline.choosing import HandedOver
from gradsim_offline.pipeline.encoders import longer
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured
from gradsim_shared.bundle import file_entry, open_bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import LongTexts, Manifest
from gradsim_shared.ngrams import TABLE_FILE

if TYPE_CHECKING:  # torch takes seconds to load
    from gradsim_offline.bundle.reference_gradients import ReferenceGradients

EVALUATION_FILE = "evaluation.json"
_TUNED_FILE = "thresholds.json"
_ROUTING = {"languages", "fallback", "identifier", "long_texts"}  # of a draft, what scores depend on
_SCORING = 5  # the form of its content: raise it with it
_EXPORT = 5  # the form of an export and its gate: raise it with them
_REPORT = 3  # the form of the page: raise it with the templates
_IDENTIFIER = 2  # the form of the identifier's content; language profiles came with 2


@dataclass(frozen=True)
class Packaging:
    """The second half of a build's stages.

    Attributes:
        pipeline: The first half: settings, data, run directory, trainings.
    """

    pipeline: Pipeline

    def export(self, handed: HandedOver) -> dict[str, Parts]:
        """Export each group's models to ONNX and compare them with the trained ones; what groups share only once."""
        models = {model.directory: model for part in handed.parts.values() for model in part.models}
        trunks = {part.model.directory: part.trunk for part in handed.parts.values()}
        done = {
            path: self._export(handed.answered_by(model), model, trunks.get(path)) for path, model in models.items()
        }
        return {
            group: replace(part, model=done[part.model.directory], wide=part.wide and done[part.wide.directory])
            for group, part in handed.parts.items()
        }

    def _export(self, group: LanguageGroup, model: StageResult, trunk: Path | None) -> StageResult:
        from gradsim_offline.bundle.export import export_group
        from gradsim_offline.bundle.export_top import export_top

        settings = self.pipeline.settings
        inputs = {
            "versions": library_versions(),
            "form": _EXPORT,
            "model": model.digest,
            "served": group.served,
            "exporting": settings.exporting.model_dump(exclude={"assignment"}),
            "maximum_length": settings.maximum_length,
        }

        checked: dict[str, Any] = {
            "task": self.pipeline.task,
            "maximum_length": settings.maximum_length,
            "tolerance": settings.exporting.tolerance,
            "most_texts": settings.exporting.parity_texts,
            "precision": settings.exporting.precision,
            "progress": self.pipeline.run.progress,
        }

        def export(directory: Path) -> None:
            if trunk is not None:
                export_top(self.pipeline.dataset, group, model.directory, trunk, directory, **checked)
                return
            export_group(self.pipeline.dataset, group, model.directory, directory, **checked)

        name = model.directory.relative_to(self.pipeline.run.directory)
        return self.pipeline.run.stage(f"export/{'-'.join(name.parts)}", inputs, export, title=f"export {name}")

    def identify(self) -> StageResult:
        """Train the language identifier."""
        from gradsim_offline.identifier.training import train_identifier

        settings, store = self.pipeline.settings, self.pipeline.store
        inputs = {
            "data": store.common["data"],
            "versions": library_versions(),
            "seed": settings.seed,
            "maximum_megabytes": settings.identifying.maximum_megabytes,
            "form": _IDENTIFIER,
        }

        def identify(directory: Path) -> None:
            train_identifier(
                store.texts("train"),
                store.texts("dev"),
                directory,
                maximum_megabytes=settings.identifying.maximum_megabytes,
                seed=settings.seed,
                progress=self.pipeline.run.progress,
                log=store.log("identify"),
            )

        return self.pipeline.run.stage("identify", inputs, identify, title="language identifier")

    def draft(
        self, handed: HandedOver, exported: Mapping[str, Parts], identifier: StageResult, long_texts: LongTexts
    ) -> Manifest:
        """Make the manifest without scores and hashes: it can route."""
        from gradsim_offline.bundle.write import draft_manifest

        pipeline = self.pipeline
        metric = pipeline.task.metric(pipeline.dataset.labels)
        models = entries(handed.groups, exported)
        cutting = any(
            Path(entry.tokenizer).name != TABLE_FILE for entry in models.groups
        )  # models of n-grams read whole texts
        manifest = draft_manifest(
            pipeline.settings,
            pipeline.dataset,
            handed.groups,
            models,
            identifier.directory,
            metric,
            pipeline.segmentation(),
            long_texts,
            longer(pipeline.store) if cutting else {},
        )
        if not pipeline.task.several_labels:
            return manifest
        return manifest.model_copy(update={"thresholds": self._thresholds(manifest, handed, exported, identifier)})

    def _thresholds(
        self, draft: Manifest, handed: HandedOver, exported: Mapping[str, Parts], identifier: StageResult
    ) -> list[float]:
        """Tune the threshold of each label on the dev texts of all languages, as the exported models answer them."""
        from gradsim_offline.bundle.thresholds import tuned
        from gradsim_offline.bundle.write import open_predictor

        pipeline = self.pipeline
        routing = draft.model_dump(mode="json", include={"languages", "long_texts"})

        def tune(directory: Path) -> None:
            predictor = open_predictor(draft, entries(handed.groups, exported).files, identifier.directory)
            write_json(directory / _TUNED_FILE, tuned(pipeline.dataset, predictor, pipeline.task))

        inputs = {**pipeline.store.common, "exported": digests(exported), "routing": routing}
        done = pipeline.run.stage("thresholds", inputs, tune, title="the threshold of each label")
        found: list[float] = json.loads((done.directory / _TUNED_FILE).read_text(encoding="utf-8"))
        named = zip(pipeline.dataset.labels, found, strict=True)
        pipeline.run.progress.note(f"  {', '.join(f'{label} {threshold:.2f}' for label, threshold in named)}")
        return found

    def evaluate(
        self,
        draft: Manifest,
        multilingual: StageResult,
        handed: HandedOver,
        exported: Mapping[str, Parts],
        identifier: StageResult,
    ) -> dict[str, Any]:
        """Score the multilingual model, the group models and the whole service path."""
        from gradsim_offline.bundle.scoring import score
        from gradsim_offline.bundle.write import open_predictor

        pipeline = self.pipeline
        routing = _ROUTING | ({"thresholds"} if draft.thresholds else set())
        inputs = {
            **pipeline.store.common,
            "data": pipeline.dataset.fingerprint(),
            "multilingual": multilingual.digest,
            "exported": digests(exported),
            "identifier": identifier.digest,
            "scoring": [_SCORING, pipeline.settings.report.examples],
            "routing": draft.model_dump(mode="json", include=routing),
        }

        def evaluate(directory: Path) -> None:
            sources = entries(handed.groups, exported).files
            scores = score(
                pipeline.dataset,
                multilingual.directory,
                open_predictor(draft, sources, identifier.directory),
                task=pipeline.task,
                maximum_length=pipeline.settings.maximum_length,
                device=pipeline.store.device,
                progress=pipeline.run.progress,
                most_errors=pipeline.settings.report.examples,
            )
            write_json(directory / EVALUATION_FILE, scores)

        result = pipeline.run.stage("evaluate", inputs, evaluate)
        content: dict[str, Any] = json.loads((result.directory / EVALUATION_FILE).read_text(encoding="utf-8"))
        return content

    def reference_gradients(self, multilingual: StageResult) -> ReferenceGradients | None:
        """Measure every language's gradient at the joint model, for later languages; ``None``: not asked."""
        pipeline = self.pipeline
        if not pipeline.settings.exporting.assignment or not pipeline.settings.trains_whole_models:
            return None
        from gradsim_offline.bundle import reference_gradients as reference

        joint = reference.joint_model(pipeline.run.directory / "measure", multilingual.directory)
        files = {file.name: file_entry(file).sha256 for file in reference.model_files(joint)}

        def measure(directory: Path) -> None:
            reference.measure_gradients(
                pipeline.dataset,
                joint,
                directory,
                task=pipeline.task,
                seed=pipeline.settings.seed,
                maximum_length=pipeline.settings.maximum_length,
                device=pipeline.store.device,
            )

        inputs = {**pipeline.store.common, "model": files}
        result = pipeline.run.stage("assignment", inputs, measure, title="gradients to assign by")
        return reference.ReferenceGradients(joint, result.directory, result.digest)

    def bundle(
        self,
        draft: Manifest,
        measured: Measured,
        handed: HandedOver,
        exported: Mapping[str, Parts],
        identifier: StageResult,
        evaluated: Mapping[str, Any],
        multilingual: StageResult,
        reference: ReferenceGradients | None,
    ) -> Path:
        """Write the bundle, with its report."""
        from gradsim_offline.bundle.write import complete_manifest, write_bundle
        from gradsim_offline.report.conflicts import read_trainings
        from gradsim_offline.report.costs import stage_seconds
        from gradsim_offline.report.page import drawings, render
        from gradsim_offline.report.verdicts.build import verdict_of

        pipeline, groups = self.pipeline, handed.groups
        target = pipeline.run.directory / "bundle"
        manifest = complete_manifest(draft, pipeline.settings, pipeline.dataset, measured, evaluated)
        said = verdict_of(
            manifest, evaluated, groups.curve, chosen=handed.chosen, judged=handed.candidates, asked=handed.asked
        )
        manifest = manifest.model_copy(update={"verdict": said})
        test_counts = pipeline.dataset.counts("test")
        costs = stage_seconds(pipeline.run.directory, pipeline.run.went_through)
        trainings = read_trainings(pipeline.run.directory, groups, multilingual.directory)
        inputs = {
            "manifest": manifest.model_dump(mode="json", exclude={"provenance": {"created"}}),
            "similarity": file_entry(pipeline.run.directory / "measure" / SIMILARITY_FILE).sha256,
            "models": digests(exported),
            "identifier": identifier.digest,
            "assignment": reference.digest if reference else None,
            "report": [_REPORT, evaluated, groups.curve, test_counts, costs, trainings],
        }

        def write(_: Path) -> None:
            figures = drawings(manifest, measured, evaluated, test_counts, groups.curve, trainings)
            page = render(manifest, measured, evaluated, test_counts, groups.curve, costs, trainings, figures)
            sources = entries(groups, exported).files
            write_bundle(target, manifest, sources, identifier.directory, measured, page, figures, reference)

        pipeline.run.stage("bundle.stage", inputs, write, title="bundle", whole=lambda: _is_whole(target))
        return target


def _is_whole(bundle: Path) -> bool:
    try:
        open_bundle(bundle)
    except BundleError:
        return False
    return True
