"""Train one model by the kind of what it starts from: a linear classifier, or an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.settings import Schedule
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.fine_tune import fine_tune
from gradsim_offline.training.linear import train_linear
from gradsim_offline.training.linear_start import is_linear_start


def train_model(
    dataset: Dataset,
    members: Sequence[str],
    served: Sequence[str],
    directory: Path,
    *,
    context: TrainingContext,
    settings: Schedule,
) -> None:
    """Train on all members, judge on the served languages, write model and training.json to ``directory``.

    Args:
        dataset: Where the examples come from.
        members: Languages to train on.
        served: Languages whose dev texts judge it.
        directory: Gets the model in Hugging Face form.
        context: Task, what to start from, maximum length, seed, device, progress, log.
        settings: The schedule, and the share of each language's training texts to use.
    """
    train = train_linear if is_linear_start(context.encoder) else fine_tune
    train(dataset, members, served, directory, context=context, settings=settings)
