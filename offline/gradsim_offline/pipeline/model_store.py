"""Trains what a build or a comparison needs, each model once: the encoder, and one model per set of languages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.run_directory import RECORD, WORK, RunDirectory, StageResult, write_json
from gradsim_offline.core.settings import NGRAMS, Schedule, Settings
from gradsim_offline.core.versions import library_versions
from gradsim_offline.grouping.result import folder_name
from gradsim_offline.training.context import PretrainingContext, TrainingContext
from gradsim_offline.training.encoders import pretrained
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import Task

if TYPE_CHECKING:  # torch takes seconds to load
    from gradsim_offline.core.arithmetic import Arithmetic

DISTILLING = {"distil_weight", "distil_temperature"}  # settings that matter with training.distil only
ENSEMBLES = {"ensemble", "average", "distil", *DISTILLING}  # and with training.ensemble above 1
_READING, _CUT_FILE = "reading", "cut.json"
_HELD_OUT = 200  # texts of a language, at most, on which mini's perplexity is measured


@dataclass(frozen=True)
class ModelStore:
    """Settings, data and run directory, and the trainings as stages.

    Attributes:
        settings: How to train.
        dataset: The examples.
        task: The torch half of the data set's task.
        run: The run directory.
        joint: Folders of joint runs of measures, whose model may be the multilingual one.
    """

    settings: Settings
    dataset: Dataset
    task: Task
    run: RunDirectory
    joint: tuple[str, ...] = ("measure",)

    @cached_property
    def common(self) -> dict[str, Any]:
        """What every training depends on."""
        return {
            "data": self.dataset.fingerprint("train", "dev"),
            "versions": library_versions(),
            "maximum_length": self.settings.maximum_length,
            "seed": self.settings.seed,
            "device": self.device.type,
        }

    @cached_property
    def device(self) -> Any:  # noqa: ANN401 - a torch.device; torch is not imported for it
        """Where to train."""
        from gradsim_offline.core.devices import resolve_device

        return resolve_device(self.settings.device)

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """What trainings compute in."""
        from gradsim_offline.core.arithmetic import choose_arithmetic
        from gradsim_offline.models.mini import is_mini

        mini = self.settings.model == "mini" or is_mini(self.settings.model)
        return choose_arithmetic(self.settings.training.precision, self.device, mini=mini)

    @property
    def precision(self) -> dict[str, str]:
        """What a training in steps depends on beside its settings, where it does not compute in fp32."""
        steps = not self.settings.linear and self.arithmetic.precision != "fp32"
        return {"precision": self.arithmetic.precision} if steps else {}

    def prepare_encoder(self, adapted: str = "adapt") -> Encoder:
        """Make ``mini``, or look that a named encoder can be found; adapt it to all training texts if that is asked.

        Args:
            adapted: Folder of the adapted encoder.
        """
        encoder = self._starting_encoder()
        if self.settings.model != NGRAMS:
            self._try(encoder)
        if self.settings.model not in ("mini", NGRAMS) and self.settings.trim_vocabulary:
            from gradsim_offline.pipeline.vocabulary import trimmed_encoder

            common, extra = self.settings.common_pieces, self.settings.extra_texts
            encoder = trimmed_encoder(encoder, self.dataset, self.run, common=common, extra_texts=extra)
        if self.settings.adapting.mode == "tapt":
            encoder = self._adapted(encoder, adapted)
        blocks = self.settings.training.trained_blocks
        return encoder if blocks == "all" else self._on_trunk(encoder, blocks)

    def _adapted(self, encoder: Encoder, adapted: str) -> Encoder:
        inputs = {**self.common, "adapting": self.settings.adapting.model_dump(), "encoder": encoder.digest}
        inputs["precision"] = self.arithmetic.precision

        def adapt(directory: Path) -> None:
            self._adapt(encoder, self.dataset.languages, directory, adapted)

        done = self.run.stage(adapted, inputs, adapt, title="adapt the encoder to the training texts")
        return Encoder(str(done.directory), done.digest)

    def _on_trunk(self, encoder: Encoder, blocks: int) -> Encoder:
        """Return what stands on a trunk, which has read all texts: heads, or upper blocks of the encoder."""
        from gradsim_offline.pipeline.trunk_stage import trunk_of
        from gradsim_offline.training.linear_start import LinearStart

        stage, trunk = trunk_of(
            encoder,
            self.dataset,
            self.run,
            task=self.task,
            common=self.common,
            trained_blocks=blocks,
            maximum_length=self.settings.maximum_length,
            whole=self.settings.exporting.precision == "fp32",
        )
        inputs: dict[str, Any] = {"trunk": stage.digest}
        if blocks:

            def save(directory: Path) -> None:
                from gradsim_offline.models.top import save_top

                save_top(encoder.path, directory, trained_blocks=blocks)
                trunk.save(directory)

            done = self.run.stage("top", {**inputs, "blocks": blocks}, save, title=f"the upper {blocks} blocks")
            return Encoder(str(done.directory), done.digest)
        start = LinearStart(self.settings.ngrams, trunk)
        done = self.run.stage(
            "heads", {**inputs, "ngrams": self.settings.ngrams.model_dump()}, start.save, title="heads over the trunk"
        )
        return Encoder(str(done.directory), done.digest, kind="frozen")

    def _starting_encoder(self) -> Encoder:
        settings = self.settings
        if settings.model == NGRAMS:
            return self.ngrams()
        if settings.model != "mini":
            return pretrained.find(settings.model, self.run.progress)
        from gradsim_offline.training.encoders import mini
        from gradsim_offline.training.text_folders import data_texts

        def make(directory: Path) -> None:
            texts = data_texts(self.dataset, _HELD_OUT, settings.seed)
            mini.make(
                {code: [some[i] for i in range(len(some))] for code, some in texts.train.items()},
                directory,
                settings=settings.pretraining,
                context=self._pretraining_context("encoder"),
                held_out=texts.held_out,
            )

        inputs = {**self.common, "pretraining": settings.pretraining.model_dump()}
        done = self.run.stage("encoder", inputs, make, title="mini encoder")
        return Encoder(str(done.directory), done.digest)

    @property
    def tries_ngrams(self) -> bool:
        """Whether linear models over n-grams are tried beside the asked-for kind."""
        return not self.dataset.tagged and self.settings.model != NGRAMS and self.settings.ngrams.beside

    def ngrams(self) -> Encoder:
        """Return what a linear classifier over n-grams starts from: its settings."""
        from gradsim_offline.training.linear_start import LinearStart

        start = LinearStart(self.settings.ngrams)
        done = self.run.stage("ngrams/settings", {"ngrams": start.ngrams.model_dump()}, start.save, title="n-grams")
        return Encoder(str(done.directory), done.digest, kind="ngrams")

    def _try(self, encoder: Encoder) -> None:
        """Find before anything is trained what the encoder cannot do; say how many texts are cut."""
        settings = self.settings

        def read(directory: Path) -> None:
            from gradsim_offline.pipeline.encoder_trial import try_encoder
            from gradsim_offline.training.cut_texts import count_cut

            how: dict[str, Any] = {"task": self.task, "maximum_length": settings.maximum_length}
            if settings.model != "mini":
                try_encoder(encoder.path, self.dataset.labels, **how)
            cut, covering = count_cut(self.dataset, encoder.path, **how)
            write_json(directory / _CUT_FILE, {"cut": cut, "covering": covering})

        inputs = {**self.common, "data": self.dataset.fingerprint(), "encoder": encoder.digest, "form": 2}
        done = self.run.stage(_READING, inputs, read, title="what the encoder reads")
        from gradsim_offline.training.cut_texts import describe_cut

        found = json.loads((done.directory / _CUT_FILE).read_text(encoding="utf-8"))
        if note := describe_cut(found["cut"], self.dataset, settings.maximum_length, found["covering"]):
            self.run.progress.note(f"  {note}")

    def longer(self) -> dict[str, dict[str, int]]:
        """Return how many texts are longer than a model reads at once, by split and language, without zeros.

        Tagged sentences are none: they are read in windows; n-grams are read of whole texts. It is known when the
        encoder is there.
        """
        if self.dataset.tagged or self.settings.model == NGRAMS:
            return {}
        found = json.loads((self.run.directory / _READING / _CUT_FILE).read_text(encoding="utf-8"))
        return dict(found["cut"])

    def _adapt(self, encoder: Encoder, members: Sequence[str], directory: Path, stage: str) -> None:
        """Train the encoder on, on the members' training texts without their labels."""
        from gradsim_offline.training.adapt import adapt
        from gradsim_offline.training.text_folders import data_texts

        settings = self.settings
        adapt(
            data_texts(self.dataset, settings.adapting.held_out, settings.seed).of(members),
            encoder.path,
            directory,
            settings=settings.adapting,
            context=self._pretraining_context(stage),
        )

    def _encoder_for(self, encoder: Encoder, members: Sequence[str], directory: Path, stage: str) -> Encoder:
        """Return what a model of these members starts from: the encoder, adapted to their texts if that is asked."""
        if self.settings.adapting.mode != "tapt-group" or encoder.linear:
            return encoder
        from gradsim_offline.training.adapt import ADAPTED

        place = directory / WORK / "adapted"  # gone when the model is trained
        if not (place / ADAPTED).is_file():
            place.mkdir(parents=True, exist_ok=True)
            self._adapt(encoder, members, place, stage)
        shutil.copyfile(place / ADAPTED, directory / ADAPTED)
        return Encoder(str(place), encoder.digest)

    def is_multilingual(self, members: Sequence[str], served: Sequence[str]) -> bool:
        """Return whether a model is trained on all languages, and judged on all."""
        return tuple(members) == tuple(served) == self.dataset.languages

    def _joint_run(self, encoder: Encoder) -> StageResult | None:
        """Return a measure's joint run that was trained from this encoder as a single multilingual model would be."""
        if self.settings.adapting.mode == "tapt-group":
            return None  # it started from the encoder as it is
        training = self.settings.training
        schedule = training.model_dump(include=set(Schedule.model_fields))
        for folder in self.joint:
            directory = self.run.directory / folder
            try:
                record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
                inputs, digest = record["inputs"], record["digest"]
            except (OSError, ValueError, KeyError):
                continue
            measuring, start = inputs.get("measuring", {}), {**self.common, "encoder": encoder.digest}
            start["precision"] = self.precision.get("precision")
            alike = training.strategy == "mixed" and all(measuring.get(name) == schedule[name] for name in schedule)
            same = all(inputs.get(name) == value for name, value in start.items())
            if (directory / "training.json").is_file() and alike and same:
                return StageResult(directory, digest)
        return None

    def train(self, encoder: Encoder, members: Sequence[str], served: Sequence[str], title: str = "") -> StageResult:
        """Train the model of these members, or its ensemble, judged on what it serves; or find that it was trained.

        A measure's joint run is the multilingual model, if it was trained alike.
        """
        if self.is_multilingual(members, served) and self.settings.training.ensemble == 1 and not encoder.linear:
            joint = self._joint_run(encoder)
            if joint is not None:
                self.run.progress.note("train multilingual: the measured joint model is that model, not trained again")
                return joint
        beside = encoder.kind == "ngrams" and self.settings.model != NGRAMS
        name = f"{'ngrams' if beside else 'train'}/{self._folder(members, served)}"

        def train(directory: Path) -> None:
            start = self._encoder_for(encoder, members, directory, name)
            if self.settings.training.ensemble > 1 and not encoder.linear:
                self._train_ensemble(start, members, served, directory, name)
                return
            from gradsim_offline.training.train_model import train_model

            train_model(
                self.dataset,
                members,
                served,
                directory,
                settings=self.settings.training,
                context=self.context(start, name),
            )

        inputs = self.training_inputs(encoder, members, served)
        return self.run.stage(name, inputs, train, title=title or f"train {' '.join(members)}")

    def _train_ensemble(
        self, start: Encoder, members: Sequence[str], served: Sequence[str], directory: Path, stage: str
    ) -> None:
        """Train the models of several seeds; of the multilingual ones a measure's joint run may be the first."""
        from gradsim_offline.bundle.reference_gradients import model_files
        from gradsim_offline.training.fine_tune import RESULT
        from gradsim_offline.training.fine_tune_ensemble import fine_tune_ensemble

        def first(place: Path) -> bool:
            joint = self._joint_run(start) if self.is_multilingual(members, served) else None
            if joint is None:
                return False
            for file in model_files(joint.directory):
                shutil.copyfile(file, place / file.name)
            trained = json.loads((joint.directory / RESULT).read_text(encoding="utf-8"))
            write_json(place / RESULT, trained)  # says that the model is whole
            return True

        fine_tune_ensemble(
            self.dataset,
            members,
            served,
            directory,
            context=self.context(start, stage),
            settings=self.settings.training,
            first=first,
        )

    def training_inputs(self, encoder: Encoder, members: Sequence[str], served: Sequence[str]) -> dict[str, Any]:
        """Return what a training depends on."""
        schedule = {"fraction": self.settings.training.fraction} if encoder.linear else self.schedule
        return {
            **self.common,
            **schedule,
            "members": list(members),
            "served": list(served),
            "encoder": encoder.digest,
        }

    @property
    def schedule(self) -> dict[str, Any]:
        """The settings that every training depends on; a single model depends on none that are about ensembles."""
        adapting, training = self.settings.adapting, self.settings.training
        own = {"adapting": adapting.model_dump()} if adapting.mode == "tapt-group" else {}
        unused = ENSEMBLES if training.ensemble == 1 else set() if training.distil else DISTILLING
        return {"training": training.model_dump(exclude={*unused, "precision"}), **self.precision, **own}

    def _folder(self, members: Sequence[str], served: Sequence[str]) -> str:
        return "multilingual" if self.is_multilingual(members, served) else folder_name(members, served)

    def context(self, encoder: Encoder, stage: str) -> TrainingContext:
        """Return what every training takes; ``stage`` names it in the log."""
        return TrainingContext(task=self.task, encoder=encoder.path, **vars(self._pretraining_context(stage)))

    def _pretraining_context(self, stage: str) -> PretrainingContext:
        return PretrainingContext(
            maximum_length=self.settings.maximum_length,
            seed=self.settings.seed,
            device=self.device,
            progress=self.run.progress,
            log=self.log(stage),
            precision=self.arithmetic.precision,
        )

    def texts(self, split: Split) -> dict[str, list[str]]:
        """Return all texts of a split, by language."""
        return {code: [example.text for example in self.dataset.split(code, split)] for code in self.dataset.languages}

    def log(self, stage: str) -> Callable[..., None]:
        """Return the function that logs figures of a stage."""
        return lambda **fields: self.run.log(stage=stage, **fields)
