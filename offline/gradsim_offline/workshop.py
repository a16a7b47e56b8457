"""A build's workshop: each stage as one method, with what it depends on and the call that does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from gradsim_offline import plugins
from gradsim_offline.config import Settings
from gradsim_offline.dataset import Dataset
from gradsim_offline.grouping._ask import ask_dev_texts, ask_solver, averaged
from gradsim_offline.grouping._result import GROUPS_FILE, Groups, LanguageGroup, read_groups
from gradsim_offline.similarity._measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.stages import Done, Run, write_json
from gradsim_offline.trainer import Encoder, Trainer
from gradsim_offline.versions import library_versions
from gradsim_shared.bundle import file_entry, open_bundle
from gradsim_shared.errors import BundleError, DataError, SettingsError

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True)
class Workshop:
    """A build's settings, data and run directory, and its stages as methods.

    Attributes:
        settings: What to build.
        dataset: The examples.
        task: The torch half of the data set's task.
        run: The run directory.
        joint: Folders of joint runs, whose model may be the multilingual one.
    """

    settings: Settings
    dataset: Dataset
    task: ModuleType
    run: Run
    joint: tuple[str, ...] = ("measure",)

    @cached_property
    def trainer(self) -> Trainer:
        """What trains."""
        return Trainer(self.settings, self.dataset, self.task, self.run)

    def prepare_encoder(self) -> Encoder:
        """Make ``mini``, or look that a named encoder can be found."""
        return self.trainer.prepare_encoder()

    def save_settings(self) -> None:
        """Write the resolved settings to the run directory; check that each language can be trained."""
        for language in self.dataset.languages:
            if not self.dataset.split(language, "train"):
                raise DataError(f"{self.dataset.name}: {language} has no train split; every language needs one")
        plugins.load("grouping", self.settings.grouping.solver).check(len(self.dataset.languages))
        plugins.options("similarity", self.settings.measure, self.settings.similarity)
        write_json(self.run.directory / "settings.json", self.settings.model_dump(mode="json"))
        counts = {split: sum(self.dataset.counts(split).values()) for split in ("train", "dev", "test")}
        self.run.progress.note(
            f"{self.dataset.name}: {len(self.dataset.languages)} languages, "
            + ", ".join(f"{count} {split}" for split, count in counts.items())
            + f"; model {self.settings.model}, on {self.trainer.device.type}; in {self.run.directory}"
        )

    def measuring_inputs(self, encoder: Encoder) -> dict[str, Any]:
        """Return what S depends on."""
        settings = self.settings
        options = plugins.options("similarity", settings.measure, settings.similarity)
        measure = plugins.load("similarity", settings.measure)
        fingerprint, trains = getattr(measure, "fingerprint", None), getattr(measure, "trains", None)
        return {
            **self.trainer.common,
            "measure": settings.measure,
            "measuring": settings.measuring.model_dump(),
            "encoder": encoder.digest,
            **({"options": options.model_dump(mode="json")} if options else {}),
            **({"training": settings.training.model_dump()} if trains and trains(options) else {}),
            **({"fingerprint": fingerprint(options)} if fingerprint else {}),
        }

    def measure(self, encoder: Encoder, name: str = "measure") -> Measured:
        """Measure S; ``name`` is the stage's folder."""
        settings = self.settings
        options = plugins.options("similarity", settings.measure, settings.similarity)
        measure = plugins.load("similarity", settings.measure)

        def work(directory: Path) -> None:
            from gradsim_offline.similarity._context import Context

            measured: Measured = measure.measure(
                Context(
                    dataset=self.dataset,
                    directory=directory,
                    measuring=settings.measuring,
                    options=options,
                    train=lambda members, served: self.train(encoder, members, served).directory,
                    **self.trainer.arguments(encoder, name),
                )
            )
            measured.save(directory / SIMILARITY_FILE)

        inputs = self.measuring_inputs(encoder)
        done = self.run.stage(name, inputs, work, title=f"measure: {settings.measure} similarity")
        return read_measured(done.directory / SIMILARITY_FILE)

    def group(self, measured: Measured, encoder: Encoder | None = None, name: str = "group") -> Groups:
        """Choose the groups; ``name`` is the stage's folder; only auto K, which trains, needs the encoder."""
        chosen, sizes, seed = self.settings.grouping, self.dataset.counts("train"), self.settings.seed
        measured = averaged(measured, chosen.epochs)

        def choose(directory: Path) -> None:
            if chosen.groups != "auto":
                groups = ask_solver(measured, chosen, chosen.groups, sizes, seed)
            elif encoder is None:
                raise SettingsError("auto K trains the groups that it chooses from; it needs an encoder to start from")
            else:

                def train(members: Sequence[str], served: Sequence[str]) -> Path:
                    return self.train(encoder, members, served).directory

                groups = ask_dev_texts(measured, chosen, sizes, seed, train, self.run.progress.note)
            groups.save(directory / GROUPS_FILE)

        evidence = self.trainer.training_inputs(encoder, (), ()) if chosen.groups == "auto" and encoder else {}
        inputs = {
            **evidence,
            "grouping": chosen.model_dump(),
            "languages": measured.languages,
            "similarity": measured.matrix.tolist(),
            "split_half": None if measured.split_half is None else measured.split_half.tolist(),
        }
        done = self.run.stage(name, inputs, choose)
        groups = read_groups(done.directory / GROUPS_FILE)
        for group in groups.groups:
            helpers = [code for code in group.members if code not in group.served]
            source = f" (source-only: {' '.join(helpers)})" if helpers else ""
            self.run.progress.note(f"  {group.id}: {' '.join(group.served)}{source}")
        return groups

    def train(self, encoder: Encoder, members: Sequence[str], served: Sequence[str], title: str = "") -> Done:
        """Train one model; the joint run of the measurement is the multilingual one if it was trained alike."""
        if tuple(members) == tuple(served) == self.dataset.languages:
            for folder in self.joint:
                joint = self.trainer.joint_model(self.run.directory / folder, encoder)
                if joint is not None:
                    self.run.progress.note(
                        "train multilingual: the measured joint model is that model, not trained again"
                    )
                    return joint
        return self.trainer.train(encoder, members, served, title)

    def train_multilingual(self, encoder: Encoder) -> Done:
        """Train one model on all languages."""
        everything = self.dataset.languages
        return self.train(encoder, everything, everything, "train multilingual")

    def train_groups(self, encoder: Encoder, groups: Groups, multilingual: Done) -> dict[str, Done]:
        """Train one model per group; a group of all languages is the multilingual model."""
        models = {}
        for group in groups.groups:
            if group.members == self.dataset.languages and group.served == self.dataset.languages:
                models[group.id] = multilingual
                continue
            title = f"train {group.id}: {' '.join(group.members)}"
            models[group.id] = self.trainer.train(encoder, group.members, group.served, title)
        return models

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
                "exporting": self.settings.exporting.model_dump(exclude={"assignable"}),
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
            "data": self.trainer.common["data"],
            "versions": library_versions(),
            "seed": self.settings.seed,
            "maximum_megabytes": chosen.maximum_megabytes,
        }

        def identify(directory: Path) -> None:
            train_identifier(
                self.trainer.texts("train"),
                self.trainer.texts("dev"),
                directory,
                maximum_megabytes=chosen.maximum_megabytes,
                seed=self.settings.seed,
                progress=self.run.progress,
                log=self.trainer.log("identify"),
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
            **self.trainer.common,
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
                device=self.trainer.device,
                progress=self.run.progress,
            )
            write_json(directory / EVALUATION_FILE, found)

        done = self.run.stage("evaluate", inputs, evaluate)
        content: dict[str, Any] = json.loads((done.directory / EVALUATION_FILE).read_text(encoding="utf-8"))
        return content

    def keep(self, multilingual: Done) -> Done | None:
        """Keep every language's gradient at the joint model, for a language that comes later."""
        if not self.settings.exporting.assignable:
            return None
        from gradsim_offline.assignment.keep import joint_model, keep_gradients, model_files

        joint = joint_model(self.run.directory / "measure", multilingual.directory)
        files = {file.name: file_entry(file).sha256 for file in model_files(joint)}

        def keep(directory: Path) -> None:
            keep_gradients(
                self.dataset,
                joint,
                directory,
                task=self.task,
                seed=self.settings.seed,
                maximum_length=self.settings.maximum_length,
                device=self.trainer.device,
            )

        inputs = {**self.trainer.common, "model": files}
        return self.run.stage("assignment", inputs, keep, title="gradients to assign by")

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
        from gradsim_offline.assignment.keep import Kept, joint_model
        from gradsim_offline.bundle import complete_manifest, draft_manifest, write_bundle
        from gradsim_offline.report.page import render

        target, measured = self.run.directory / "bundle", averaged(measured, self.settings.grouping.epochs)
        draft = draft_manifest(self.settings, self.dataset, groups, exported, identifier.directory, self.task.METRIC)
        manifest = complete_manifest(draft, self.settings, self.dataset, measured, evaluated)
        undated = manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update={"created": ""})})
        test_counts = self.dataset.counts("test")
        inputs = {
            "manifest": undated.model_dump(mode="json"),
            "models": {group: done.digest for group, done in exported.items()},
            "identifier": identifier.digest,
            "assignment": kept.digest if kept else None,
            "page": sha256(render(undated, measured, evaluated, test_counts).encode()).hexdigest(),
        }
        sources = {group: done.directory for group, done in exported.items()}

        joint = joint_model(self.run.directory / "measure", multilingual.directory)
        held = Kept(joint, kept.directory) if kept else None

        def write(_: Path) -> None:
            page = render(manifest, measured, evaluated, test_counts)
            write_bundle(target, manifest, sources, identifier.directory, measured, page, held)

        self.run.stage("assemble", inputs, write, title="bundle", whole=lambda: _is_whole(target))
        return target


def _is_whole(bundle: Path) -> bool:
    try:
        open_bundle(bundle)
    except BundleError:
        return False
    return True
