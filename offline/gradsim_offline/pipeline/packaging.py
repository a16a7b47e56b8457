"""What becomes of trained models: exported, identified, scored, kept, bundled; each stage as one method."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gradsim_offline.core.run_directory import Done, write_json
from gradsim_offline.core.versions import library_versions
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.pipeline.stages import Workshop
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.bundle import file_entry, open_bundle
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Manifest

EVALUATION_FILE = "evaluation.json"
_SCORING = 3  # the form of its content; intervals came with 2, the baseline with 3
_IDENTIFIER = 2  # the form of the identifier's content; language profiles came with 2


@dataclass(frozen=True)
class Packing:
    """The second half of a build's stages.

    Attributes:
        work: The first half: settings, data, run directory, trainings.
    """

    work: Workshop

    def export(self, groups: Groups, models: Mapping[str, Done]) -> dict[str, Done]:
        """Export each group's model to ONNX and compare it with the trained one."""
        from gradsim_offline.bundle.export import export_group

        exported = {}
        for group in groups.groups:
            model = models[group.id]
            inputs = {
                "model": model.digest,
                "members": group.members,
                "served": group.served,
                "exporting": self.work.settings.exporting.model_dump(exclude={"assignable"}),
                "maximum_length": self.work.settings.maximum_length,
            }

            def export(directory: Path, group: LanguageGroup = group, model: Done = model) -> None:
                export_group(
                    self.work.dataset,
                    group,
                    model.directory,
                    directory,
                    task=self.work.task,
                    maximum_length=self.work.settings.maximum_length,
                    tolerance=self.work.settings.exporting.tolerance,
                    most_texts=self.work.settings.exporting.parity_texts,
                    progress=self.work.run.progress,
                )

            name = f"export/{group.folder}"
            exported[group.id] = self.work.run.stage(name, inputs, export, title=f"export {group.id}")
        return exported

    def identify(self) -> Done:
        """Train the language identifier."""
        from gradsim_offline.identifier.training import train_identifier

        chosen = self.work.settings.identifying
        inputs = {
            "data": self.work.trainer.common["data"],
            "versions": library_versions(),
            "seed": self.work.settings.seed,
            "maximum_megabytes": chosen.maximum_megabytes,
            "form": _IDENTIFIER,
        }

        def identify(directory: Path) -> None:
            train_identifier(
                self.work.trainer.texts("train"),
                self.work.trainer.texts("dev"),
                directory,
                maximum_megabytes=chosen.maximum_megabytes,
                seed=self.work.settings.seed,
                progress=self.work.run.progress,
                log=self.work.trainer.log("identify"),
            )

        return self.work.run.stage("identify", inputs, identify, title="language identifier")

    def evaluate(
        self, groups: Groups, multilingual: Done, exported: Mapping[str, Done], identifier: Done
    ) -> dict[str, Any]:
        """Score the multilingual model, the group models and the whole service path."""
        from gradsim_offline.bundle.scoring import score
        from gradsim_offline.bundle.write import open_service_path

        manifest = self._draft(groups, exported, identifier)
        inputs = {
            **self.work.trainer.common,
            "data": self.work.dataset.fingerprint(),
            "multilingual": multilingual.digest,
            "exported": {group: done.digest for group, done in exported.items()},
            "identifier": identifier.digest,
            "scoring": _SCORING,
            "routing": manifest.model_dump(mode="json", include={"languages", "fallback", "identifier"}),
        }

        def evaluate(directory: Path) -> None:
            path = open_service_path(
                manifest, {id_: done.directory for id_, done in exported.items()}, identifier.directory
            )
            found = score(
                self.work.dataset,
                multilingual.directory,
                path,
                task=self.work.task,
                maximum_length=self.work.settings.maximum_length,
                device=self.work.trainer.device,
                progress=self.work.run.progress,
            )
            write_json(directory / EVALUATION_FILE, found)

        done = self.work.run.stage("evaluate", inputs, evaluate)
        content: dict[str, Any] = json.loads((done.directory / EVALUATION_FILE).read_text(encoding="utf-8"))
        return content

    def keep(self, multilingual: Done) -> Done | None:
        """Keep every language's gradient at the joint model, for a language that comes later."""
        if not self.work.settings.exporting.assignable:
            return None
        from gradsim_offline.bundle.reference_gradients import joint_model, keep_gradients, model_files

        joint = joint_model(self.work.run.directory / "measure", multilingual.directory)
        files = {file.name: file_entry(file).sha256 for file in model_files(joint)}

        def keep(directory: Path) -> None:
            keep_gradients(
                self.work.dataset,
                joint,
                directory,
                task=self.work.task,
                seed=self.work.settings.seed,
                maximum_length=self.work.settings.maximum_length,
                device=self.work.trainer.device,
            )

        inputs = {**self.work.trainer.common, "model": files}
        return self.work.run.stage("assignment", inputs, keep, title="gradients to assign by")

    def bundle(
        self,
        measured: Measured,
        groups: Groups,
        exported: Mapping[str, Done],
        identifier: Done,
        evaluated: Mapping[str, Any],
        multilingual: Done,
        kept: Done | None,
    ) -> Path:
        """Write the bundle."""
        from gradsim_offline.bundle.reference_gradients import Kept, joint_model
        from gradsim_offline.bundle.write import complete_manifest, write_bundle
        from gradsim_offline.report.conflicts import read_trainings
        from gradsim_offline.report.costs import build_stages, stage_seconds
        from gradsim_offline.report.page import drawings, render

        target = self.work.run.directory / "bundle"
        draft = self._draft(groups, exported, identifier)
        manifest = complete_manifest(draft, self.work.settings, self.work.dataset, measured, evaluated)
        undated = manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update={"created": ""})})
        test_counts = self.work.dataset.counts("test")
        curve = groups.curve
        costs = stage_seconds(self.work.run.directory, build_stages(groups, multilingual.directory))
        trainings = read_trainings(self.work.run.directory, groups, multilingual.directory)
        inputs = {
            "manifest": undated.model_dump(mode="json"),
            "models": {group: done.digest for group, done in exported.items()},
            "identifier": identifier.digest,
            "assignment": kept.digest if kept else None,
            "page": sha256(
                render(undated, measured, evaluated, test_counts, curve, costs, trainings).encode()
            ).hexdigest(),
        }
        sources = {group: done.directory for group, done in exported.items()}

        joint = joint_model(self.work.run.directory / "measure", multilingual.directory)
        held = Kept(joint, kept.directory) if kept else None

        def write(_: Path) -> None:
            page = render(manifest, measured, evaluated, test_counts, curve, costs, trainings)
            figures = drawings(manifest, measured, evaluated, test_counts, curve, trainings)
            write_bundle(target, manifest, sources, identifier.directory, measured, page, figures, held)

        self.work.run.stage("assemble", inputs, write, title="bundle", whole=lambda: _is_whole(target))
        return target

    def _draft(self, groups: Groups, exported: Mapping[str, Done], identifier: Done) -> Manifest:
        from gradsim_offline.bundle.write import draft_manifest

        work = self.work
        metric = work.task.metric(work.dataset.labels)
        return draft_manifest(
            work.settings, work.dataset, groups, exported, identifier.directory, metric, work.segmentation()
        )


def _is_whole(bundle: Path) -> bool:
    try:
        open_bundle(bundle)
    except BundleError:
        return False
    return True
