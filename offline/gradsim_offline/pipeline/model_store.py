"""Trains what a build or a comparison needs, each model once: one per set of languages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.core.run_directory import RECORD, WORK, StageResult, write_json
from gradsim_offline.core.settings import NGRAMS
from gradsim_offline.core.training_settings import Schedule
from gradsim_offline.grouping.result import folder_name
from gradsim_offline.pipeline.encoders import adapt_encoder
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.training.encoders.pretrained import Encoder

DISTILLING = {"distil_weight", "distil_temperature"}  # settings that matter with training.distil only
ENSEMBLES = {"ensemble", "average", "distil", *DISTILLING}  # and with training.ensemble above 1


@dataclass(frozen=True)
class ModelStore(TrainingSetup):
    """The trainings as stages.

    Attributes:
        joint: Folders of joint runs of measures, whose model may be the multilingual one.
    """

    joint: tuple[str, ...] = ("measure",)

    def _encoder_for(self, encoder: Encoder, members: Sequence[str], directory: Path, stage: str) -> Encoder:
        """Return what a model of these members starts from: the encoder, adapted to their texts if that is asked."""
        if self.settings.adapting.mode != "tapt-group" or encoder.linear:
            return encoder
        from gradsim_offline.training.adapt import ADAPTED

        place = directory / WORK / "adapted"  # gone when the model is trained
        if not (place / ADAPTED).is_file():
            place.mkdir(parents=True, exist_ok=True)
            adapt_encoder(self, encoder, members, place, stage)
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
            from gradsim_offline.training.fine_tune import fine_tune
            from gradsim_offline.training.linear import train_linear

            training, context = self.settings.training, self.context(start, name)
            train_model = train_linear if encoder.linear else fine_tune
            train_model(self.dataset, members, served, directory, context=context, settings=training)

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
