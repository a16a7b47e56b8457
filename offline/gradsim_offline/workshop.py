"""A build's workshop: each stage as one method, with what it depends on and the call that does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from gradsim_offline import plugins
from gradsim_offline.config import Settings
from gradsim_offline.dataset import Dataset, Split
from gradsim_offline.grouping._objective import singleton_scores
from gradsim_offline.grouping._result import GROUPS_FILE, Groups, LanguageGroup, name_groups, read_groups
from gradsim_offline.similarity._measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.stages import Done, Run, write_json
from gradsim_offline.versions import library_versions
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError, DataError

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True)
class Encoder:
    """What every training starts from."""

    path: str
    digest: str


@dataclass(frozen=True)
class Workshop:
    """A build's settings, data and run directory, and its stages as methods.

    Attributes:
        settings: What to build.
        dataset: The examples.
        task: The torch half of the data set's task.
        run: The run directory.
    """

    settings: Settings
    dataset: Dataset
    task: ModuleType
    run: Run

    @cached_property
    def _common(self) -> dict[str, Any]:
        """What every training depends on."""
        return {
            "data": self.dataset.fingerprint("train", "dev"),
            "versions": library_versions(),
            "maximum_length": self.settings.maximum_length,
            "seed": self.settings.seed,
            "device": self._device.type,
        }

    @cached_property
    def _device(self) -> Any:  # noqa: ANN401 - a torch.device; torch is not imported for it
        from gradsim_offline.devices import resolve_device

        return resolve_device(self.settings.device)

    def save_settings(self) -> None:
        """Write the resolved settings to the run directory; check that each language can be trained."""
        for language in self.dataset.languages:
            if not self.dataset.split(language, "train"):
                raise DataError(f"{self.dataset.name}: {language} has no train split; every language needs one")
        plugins.load("grouping", self.settings.grouping.solver).check(len(self.dataset.languages))
        write_json(self.run.directory / "settings.json", self.settings.model_dump(mode="json"))
        counts = {split: sum(self.dataset.counts(split).values()) for split in ("train", "dev", "test")}
        self.run.progress.note(
            f"{self.dataset.name}: {len(self.dataset.languages)} languages, "
            + ", ".join(f"{count} {split}" for split, count in counts.items())
            + f"; model {self.settings.model}, on {self._device.type}; in {self.run.directory}"
        )

    def prepare_encoder(self) -> Encoder:
        """Make ``mini``, or look that a named encoder can be found."""
        settings = self.settings
        if settings.model != "mini":
            found = plugins.load("encoders", "pretrained").find(settings.model)
            return Encoder(settings.model, found)
        mini = plugins.load("encoders", "mini")

        def make(directory: Path) -> None:
            mini.make(
                self._texts("train"),
                directory,
                settings=settings.pretraining,
                maximum_length=settings.maximum_length,
                seed=settings.seed,
                device=self._device,
                progress=self.run.progress,
                log=self._log("encoder"),
            )

        inputs = {
            **self._common,
            "data": self.dataset.fingerprint("train"),
            "pretraining": settings.pretraining.model_dump(),
        }
        done = self.run.stage("encoder", inputs, make, title="mini encoder")
        return Encoder(str(done.directory), done.digest)

    def measure(self, encoder: Encoder) -> Measured:
        """Measure S."""
        settings = self.settings
        measure = plugins.load("similarity", settings.measure).measure
        inputs = {
            **self._common,
            "measure": settings.measure,
            "measuring": settings.measuring.model_dump(),
            "encoder": encoder.digest,
        }
        done = self.run.stage(
            "measure",
            inputs,
            lambda directory: measure(self.dataset, directory, settings=settings.measuring, **self._training(encoder)),
            title=f"measure: {settings.measure} similarity",
        )
        return read_measured(done.directory / SIMILARITY_FILE)

    def group(self, measured: Measured) -> Groups:
        """Choose the groups."""
        chosen = self.settings.grouping
        solver = plugins.load("grouping", chosen.solver)

        def choose(directory: Path) -> None:
            own = None if measured.split_half is None else list(measured.split_half)
            singletons = singleton_scores(measured.matrix, chosen.singleton_score, own)
            grouping = solver.solve(measured.matrix, chosen.groups, singletons)
            groups = name_groups(
                grouping,
                measured.languages,
                measured.matrix,
                singletons,
                solver=chosen.solver,
                singleton_score=chosen.singleton_score,
            )
            groups.save(directory / GROUPS_FILE)

        inputs = {
            "grouping": chosen.model_dump(),
            "languages": measured.languages,
            "similarity": measured.matrix.tolist(),
            "split_half": None if measured.split_half is None else measured.split_half.tolist(),
        }
        done = self.run.stage("group", inputs, choose)
        groups = read_groups(done.directory / GROUPS_FILE)
        for group in groups.groups:
            helpers = [code for code in group.members if code not in group.served]
            source = f" (source-only: {' '.join(helpers)})" if helpers else ""
            self.run.progress.note(f"  {group.id}: {' '.join(group.served)}{source}")
        return groups

    def train_multilingual(self, encoder: Encoder, measured: Measured) -> Done:
        """Train one model on all languages; the joint run of the measurement is that model if it was trained alike."""
        training, measuring = self.settings.training.model_dump(), dict(measured.settings)
        joint = self.run.directory / "measure"
        if measuring.get("fraction") == 1.0 and all(measuring.get(name) == value for name, value in training.items()):
            self.run.progress.note("train multilingual: the measured joint model is that model, not trained again")
            return Done(joint, json.loads((joint / "stage.json").read_text(encoding="utf-8"))["digest"])
        everything = self.dataset.languages
        return self._train("train/multilingual", encoder, everything, everything, "train multilingual")

    def train_groups(self, encoder: Encoder, groups: Groups, multilingual: Done) -> dict[str, Done]:
        """Train one model per group; a group of all languages is the multilingual model."""
        models = {}
        for group in groups.groups:
            if group.members == self.dataset.languages and group.served == self.dataset.languages:
                models[group.id] = multilingual
                continue
            title = f"train {group.id}: {' '.join(group.members)}"
            models[group.id] = self._train(f"train/{group.folder}", encoder, group.members, group.served, title)
        return models

    def _train(
        self, name: str, encoder: Encoder, members: tuple[str, ...], served: tuple[str, ...], title: str
    ) -> Done:
        from gradsim_offline.training.fine_tune import fine_tune

        inputs = {
            **self._common,
            "training": self.settings.training.model_dump(),
            "members": members,
            "served": served,
            "encoder": encoder.digest,
        }

        def train(directory: Path) -> None:
            fine_tune(
                self.dataset,
                members,
                served,
                directory,
                settings=self.settings.training,
                **self._training(encoder, name),
            )

        return self.run.stage(name, inputs, train, title=title)

    def export(self, groups: Groups, models: Mapping[str, Done]) -> dict[str, Done]:
        """Export each group's model to ONNX and compare it with the trained one."""
        from gradsim_offline.export.group import export_group

        exported = {}
        for group in groups.groups:
            model = models[group.id]
            inputs = {
                "model": model.digest,
                "members": group.members,
                "served": group.served,
                "exporting": self.settings.exporting.model_dump(),
                "maximum_length": self.settings.maximum_length,
            }

            def export(directory: Path, group: LanguageGroup = group, model: Done = model) -> None:
                export_group(
                    self.dataset,
                    group,
                    model.directory,
                    directory,
                    task=self.task,
                    maximum_length=self.settings.maximum_length,
                    tolerance=self.settings.exporting.tolerance,
                    most_texts=self.settings.exporting.parity_texts,
                    progress=self.run.progress,
                )

            name = f"export/{group.folder}"
            exported[group.id] = self.run.stage(name, inputs, export, title=f"export {group.id}")
        return exported

    def identify(self) -> Done:
        """Train the language identifier."""
        from gradsim_offline.identifier.training import train_identifier

        chosen = self.settings.identifying
        inputs = {
            "data": self._common["data"],
            "versions": library_versions(),
            "seed": self.settings.seed,
            "maximum_megabytes": chosen.maximum_megabytes,
        }

        def identify(directory: Path) -> None:
            train_identifier(
                self._texts("train"),
                self._texts("dev"),
                directory,
                maximum_megabytes=chosen.maximum_megabytes,
                seed=self.settings.seed,
                progress=self.run.progress,
                log=self._log("identify"),
            )

        return self.run.stage("identify", inputs, identify, title="language identifier")

    def evaluate(
        self, groups: Groups, multilingual: Done, exported: Mapping[str, Done], identifier: Done
    ) -> dict[str, Any]:
        """Score the multilingual model, the group models and the whole service path."""
        from gradsim_offline.bundle import draft_manifest, open_service_path
        from gradsim_offline.evaluation.scoring import score

        manifest = draft_manifest(self.settings, self.dataset, groups, exported, identifier.directory, self.task.METRIC)
        inputs = {
            **self._common,
            "data": self.dataset.fingerprint(),
            "multilingual": multilingual.digest,
            "exported": {group: done.digest for group, done in exported.items()},
            "identifier": identifier.digest,
            "routing": manifest.model_dump(mode="json", include={"languages", "fallback", "identifier"}),
        }

        def evaluate(directory: Path) -> None:
            path = open_service_path(
                manifest, {id_: done.directory for id_, done in exported.items()}, identifier.directory
            )
            found = score(
                self.dataset,
                multilingual.directory,
                path,
                task=self.task,
                maximum_length=self.settings.maximum_length,
                device=self._device,
                progress=self.run.progress,
            )
            write_json(directory / EVALUATION_FILE, found)

        done = self.run.stage("evaluate", inputs, evaluate)
        content: dict[str, Any] = json.loads((done.directory / EVALUATION_FILE).read_text(encoding="utf-8"))
        return content

    def bundle(
        self,
        measured: Measured,
        groups: Groups,
        exported: Mapping[str, Done],
        identifier: Done,
        evaluated: Mapping[str, Any],
    ) -> Path:
        """Write the bundle."""
        from gradsim_offline.bundle import complete_manifest, draft_manifest, write_bundle
        from gradsim_offline.report.page import render

        target = self.run.directory / "bundle"
        draft = draft_manifest(self.settings, self.dataset, groups, exported, identifier.directory, self.task.METRIC)
        manifest = complete_manifest(draft, self.settings, self.dataset, measured, evaluated)
        undated = manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update={"created": ""})})
        test_counts = self.dataset.counts("test")
        inputs = {
            "manifest": undated.model_dump(mode="json"),
            "models": {group: done.digest for group, done in exported.items()},
            "identifier": identifier.digest,
            "page": sha256(render(undated, measured, evaluated, test_counts).encode()).hexdigest(),
        }
        sources = {group: done.directory for group, done in exported.items()}

        def write(_: Path) -> None:
            page = render(manifest, measured, evaluated, test_counts)
            write_bundle(target, manifest, sources, identifier.directory, measured, page)

        self.run.stage("assemble", inputs, write, title="bundle", whole=lambda: _is_whole(target))
        return target

    def _training(self, encoder: Encoder, name: str = "measure") -> dict[str, Any]:
        """Return the arguments that every training takes."""
        return {
            "task": self.task,
            "encoder": encoder.path,
            "maximum_length": self.settings.maximum_length,
            "seed": self.settings.seed,
            "device": self._device,
            "progress": self.run.progress,
            "log": self._log(name),
        }

    def _texts(self, split: Split) -> dict[str, list[str]]:
        return {code: [example.text for example in self.dataset.split(code, split)] for code in self.dataset.languages}

    def _log(self, stage: str) -> Callable[..., None]:
        return lambda **fields: self.run.log(stage=stage, **fields)


def _is_whole(bundle: Path) -> bool:
    try:
        open_bundle(bundle)
    except BundleError:
        return False
    return True
