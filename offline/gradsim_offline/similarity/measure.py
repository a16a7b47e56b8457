"""The record of similarity measures, and the context that a measure is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.training_settings import Measuring
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.training.context import TrainingContext

if TYPE_CHECKING:  # torch takes seconds to load
    from torch import nn

    from gradsim_offline.training.batching import Row
    from gradsim_offline.training.loop import Observer

AnyObserver = TypeVar("AnyObserver", bound="Observer")


@dataclass(frozen=True)
class MeasureContext:
    """What every measure is given; most measures use a part of it.

    Attributes:
        dataset: The examples; rows and columns of S are its languages.
        directory: The measure's own folder; results that outlive an interruption are written there, checkpoints below
            ``work/``.
        training: Task, encoder, maximum length, seed, device, progress and log.
        measuring: The schedule of a joint run, for measures that train one.
        options: The measure's own settings: an instance of its ``options``, ``None`` if it has none.
        train: From members and served languages to the directory of the model fine-tuned on them with the build's
            ordinary schedule; trained on the first call, then reused.
    """

    dataset: Dataset
    directory: Path
    training: TrainingContext
    measuring: Measuring
    options: Any
    train: Callable[[Sequence[str], Sequence[str]], Path]

    def train_jointly(self, observe: Callable[[nn.Module, Sequence[Row]], AnyObserver]) -> AnyObserver:
        """Train one model on all languages with the measuring schedule; leave it in the measure's folder.

        Args:
            observe: Makes the observer of the backward passes from the model and the training rows.

        Returns:
            That observer, after the last epoch.
        """
        from gradsim_offline.training.fine_tune import fine_tune

        observers: list[AnyObserver] = []

        def make(model: nn.Module, rows: Sequence[Row]) -> AnyObserver:
            observers.append(observe(model, rows))
            return observers[-1]

        fine_tune(
            self.dataset,
            self.dataset.languages,
            self.dataset.languages,
            self.directory,
            context=self.training,
            settings=self.measuring,
            observe=make,
        )
        return observers[0]


def _nothing_to_check(_dataset: Dataset, _options: Any) -> None:  # noqa: ANN401 - each measure's own
    """Accept every data set."""


def _trains_nothing(_options: Any) -> bool:  # noqa: ANN401 - each measure's own
    return False


@dataclass(frozen=True)
class SimilarityMeasure(plugins.Plugin):
    """A way to measure S.

    Attributes:
        measure: Measures it.
        check: Raises ``DataError`` or ``SettingsError`` before anything is trained if the measure is not possible.
        joint_run: From the section ``measuring`` to what of it the measure depends on; ``None``: it has no joint run.
        trains: Whether, with these options, it needs fine-tuned models.
        reads_encoder: Whether it takes an encoder's layers, which a linear model over n-grams has not.
        fingerprint: From the options to what else S depends on, such as the version of a database or the digest of a
            file; ``None``: nothing.
    """

    measure: Callable[[MeasureContext], Measured]
    check: Callable[[Dataset, Any], None] = _nothing_to_check
    joint_run: Callable[[Measuring], Mapping[str, Any]] | None = None
    trains: Callable[[Any], bool] = _trains_nothing
    reads_encoder: bool = False
    fingerprint: Callable[[Any], str] | None = None

    @property
    def needs_training(self) -> bool:
        """Whether it may train something."""
        return self.joint_run is not None or self.trains is not _trains_nothing


def load_measure(name: str) -> SimilarityMeasure:
    """Return the measure of that name.

    Raises:
        SettingsError: There is none.
    """
    return plugins.load("similarity", name, SimilarityMeasure)
