"""Compare an exported model with the one that was trained, on real texts, and time it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core.timing import median_milliseconds, middle
from gradsim_shared.decoding import Logits, Text
from gradsim_shared.errors import ModelError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Parity

Choices = Callable[[Logits], Logits]
"""From ``[units, labels]`` to the logits of what is chosen between, ``[choices, options]``: ``Task.choices``."""


def compare(
    exported_texts: Sequence[Logits],
    trained_texts: Sequence[Logits],
    *,
    name: str,
    tolerance: float,
    choices: Choices = np.asarray,
) -> Parity:
    """Compare logits, ``[units, labels]`` of each text; a unit is the text, or each of its words.

    Raises:
        ModelError: They differ by more than ``tolerance``, or a label differs although they do not.
    """
    trained = choices(np.concatenate(trained_texts))
    if not np.isfinite(trained).all():
        raise ModelError(f"group {name}: the trained model's outputs are not numbers; lower training.learning_rate")
    parity, same = parity_of(exported_texts, trained_texts, choices)
    runner_up = np.sort(trained, axis=1)
    decided = runner_up[:, -1] - runner_up[:, -2] > 2 * tolerance  # a tie may fall either way
    if not parity.max_difference <= tolerance or not same[decided].all():
        raise ModelError(
            f"group {name}: the exported model is not the trained one: logits differ by up to "
            f"{parity.max_difference:.2g} (allowed: {tolerance:g}), labels agree on {same.mean():.2%} of {len(same)}. "
            "The build stops; report this architecture, or raise exporting.tolerance if you know why"
        )
    return parity


def parity_of(
    exported_texts: Sequence[Logits], trained_texts: Sequence[Logits], choices: Choices = np.asarray
) -> tuple[Parity, NDArray[np.bool_]]:
    """Return how far logits differ, as for ``compare``, and which choices are the same, ``[choices]``."""
    exported, trained = (choices(np.concatenate(each)) for each in (exported_texts, trained_texts))
    difference = float(np.abs(exported - trained).max())
    same = exported.argmax(axis=1) == trained.argmax(axis=1)
    return Parity(texts=len(trained_texts), max_difference=difference, label_agreement=float(same.mean())), same


def single_text_latency(model: GroupModel, texts: Sequence[Text]) -> float:
    """Return the median time of one text of median length, in milliseconds."""
    text = middle(texts)
    return median_milliseconds(lambda: model.answers([text]))
