"""What all trainings of a build or a comparison share: settings, data, run directory, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradsim_offline.core.dataset import Dataset, Split
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import NGRAMS, Settings
from gradsim_offline.core.versions import library_versions
from gradsim_offline.training.context import PretrainingContext, TrainingContext
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import Task

if TYPE_CHECKING:  # torch takes seconds to load
    from gradsim_offline.core.arithmetic import Arithmetic


@dataclass(frozen=True)
class TrainingSetup:
    """Settings, data and run directory.

    Attributes:
        settings: How to train.
        dataset: The examples.
        task: The torch half of the data set's task.
        run: The run directory.
    """

    settings: Settings
    dataset: Dataset
    task: Task
    run: RunDirectory

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

    @property
    def tries_ngrams(self) -> bool:
        """Whether linear models over n-grams are tried beside the asked-for kind."""
        return self.dataset.plain and self.settings.model != NGRAMS and self.settings.ngrams.beside

    def context(self, encoder: Encoder, stage: str) -> TrainingContext:
        """Return what every training takes; ``stage`` names it in the log."""
        return TrainingContext(task=self.task, encoder=encoder.path, **vars(self.pretraining_context(stage)))

    def pretraining_context(self, stage: str) -> PretrainingContext:
        """Return what a training without labels takes."""
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
        return {code: self.dataset.texts(code, split) for code in self.dataset.languages}

    def log(self, stage: str) -> Callable[..., None]:
        """Return the function that logs figures of a stage."""
        return lambda **fields: self.run.log(stage=stage, **fields)
