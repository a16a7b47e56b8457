"""What all methods of a comparison have in common, in words."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_offline.config import Settings
from gradsim_offline.evaluation.method import Method


def held_equal(settings: Settings, methods: Sequence[Method], seeds: Sequence[int]) -> str:
    """Say exactly what all methods have in common, and what they have not."""
    training = settings.training
    numbers = list(dict.fromkeys(method.settings.grouping.groups for method in methods))
    most = f"at most {', '.join(map(str, numbers))}" + (", which is what differs" if len(numbers) > 1 else "")
    if numbers == ["auto"]:
        most = "the K of the best dev score, each its own (random groups: the K of the best ones)"
    part = f" (of each language {100 * training.fraction:g} %)" if training.fraction < 1 else ""
    minimum = (
        f" A group for which that is fewer than {training.minimum_steps} steps gets more epochs, until it has as many: "
        "its texts are seen more often; the costs say how many steps and texts it came to."
        if training.minimum_steps
        else ""
    )
    strategy = f", strategy {training.strategy}" if training.strategy != "mixed" else ""
    but = "But for small groups (see below), " if training.minimum_steps else "So "
    return (
        f"All methods start from the same encoder ({settings.model}{_made(settings)}) and tokenizer. All train every "
        f"model on the same schedule: {training.epochs} epoch(s) over its own texts{part}, {training.batch_size} texts "
        f"per step, learning rate {training.learning_rate:g}{strategy}. {but}a text is seen equally often by every "
        f"model that trains on it, while larger groups take more steps.{minimum} A model is kept at the epoch of the "
        f"best plain mean dev score of the languages that it serves. Methods that choose K groups choose "
        f"{most}. {'Seed' if len(seeds) == 1 else 'Seeds'} {', '.join(map(str, seeds))}: a seed decides "
        "the measurement, the new classification head, the order of the texts and dropout, not the encoder."
    )


def _made(settings: Settings) -> str:
    made = f", made once with seed {settings.seed}" if settings.model == "mini" else ""
    adapted = {
        "none": "",
        "tapt": ", adapted once to all training texts",
        "tapt-group": ", adapted for each model to its own training texts",
    }[settings.adapting.mode]
    return made + adapted
