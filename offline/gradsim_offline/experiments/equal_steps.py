"""What all methods of a comparison have in common, in words."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.method import Method
from gradsim_offline.grouping.choose_k import reads_k


def numbers_of_groups(methods: Sequence[Method]) -> list[int | str]:
    """Return every K that a method is given; those that find their groups whatever K is have none."""
    return list(dict.fromkeys(m.settings.grouping.groups for m in methods if reads_k(m.settings.grouping)))


def held_equal(settings: Settings, methods: Sequence[Method], seeds: Sequence[int], *, judged: bool = True) -> str:
    """Say exactly what all methods have in common, and what they have not.

    Args:
        settings: What is held equal.
        methods: What differs.
        seeds: Of each method.
        judged: Whether there are dev texts to choose epochs by.
    """
    training = settings.training
    choose = [_choice(number) for number in numbers_of_groups(methods)]
    most = f" Methods that choose K groups choose {', or '.join(choose)}." if choose else ""
    part = f" (of each language {100 * training.fraction:g} %)" if training.fraction < 1 else ""
    minimum = (
        f" A group for which that is fewer than {training.minimum_steps} steps gets more epochs, until it has as many: "
        "its texts are seen more often; the costs say how many steps and texts it came to."
        if training.minimum_steps
        else ""
    )
    strategy = f", strategy {training.strategy}" if training.strategy != "mixed" else ""
    epoch = "the epoch of the best plain mean dev score of the languages that it serves" if judged else "its last epoch"
    ensemble = (
        f" Every model is {_ensemble(training.ensemble, distil=training.distil)}." if training.ensemble > 1 else ""
    )
    but = "But for small groups (see below), " if training.minimum_steps else "So "
    return (
        f"All methods start from the same encoder ({settings.model}{_made(settings)}) and tokenizer. All train every "
        f"model on the same schedule: {training.epochs} epoch(s) over its own texts{part}, {training.batch_size} texts "
        f"per step, learning rate {training.learning_rate:g}{strategy}. {but}a text is seen equally often by every "
        f"model that trains on it, while larger groups take more steps.{minimum}{ensemble} A model is kept at "
        f"{epoch}.{most} {'Seed' if len(seeds) == 1 else 'Seeds'} {', '.join(map(str, seeds))}: a seed decides "
        "the measurement, the new classification head, the order of the texts and dropout, not the encoder."
    )


def _choice(number: int | str) -> str:
    if number == "auto":
        return "the K of the best dev score, each its own (random groups: the K of the best ones)"
    return f"at most {number}"


def _ensemble(members: int, *, distil: bool) -> str:
    return f"one that was distilled from {members}" if distil else f"an ensemble of {members}"


def _made(settings: Settings) -> str:
    made = f", made once with seed {settings.seed}" if settings.model == "mini" else ""
    adapted = {
        "none": "",
        "tapt": ", adapted once to all training texts",
        "tapt-group": ", adapted for each model to its own training texts",
    }[settings.adapting.mode]
    return made + adapted
