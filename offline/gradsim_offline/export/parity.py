"""Compare an exported model with the one that was trained, on real texts, and time it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import ModelError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Parity


def compare(exported: NDArray[np.float32], trained: NDArray[np.float32], *, name: str, tolerance: float) -> Parity:
    """Compare logits, ``[texts, labels]`` each.

    Raises:
        ModelError: They differ by more than ``tolerance``, or a label differs although they do not.
    """
    if not np.isfinite(trained).all():
        raise ModelError(f"group {name}: the trained model's outputs are not numbers; lower training.learning_rate")
    difference = float(np.abs(exported - trained).max())
    same = exported.argmax(axis=1) == trained.argmax(axis=1)
    runner_up = np.sort(trained, axis=1)
    decided = runner_up[:, -1] - runner_up[:, -2] > 2 * tolerance  # a tie may fall either way
    if not difference <= tolerance or not same[decided].all():
        raise ModelError(
            f"group {name}: the exported model is not the trained one: logits differ by up to {difference:.2g} "
            f"(allowed: {tolerance:g}), labels agree on {same.mean():.2%} of {len(same)} dev texts. "
            "The build stops; report this architecture, or raise exporting.tolerance if you know why"
        )
    return Parity(texts=len(same), max_difference=difference, label_agreement=float(same.mean()))


def single_text_latency(model: GroupModel, texts: Sequence[str], repeats: int = 50) -> float:
    """Return the median time of one text of median length, in milliseconds."""
    text = sorted(texts, key=len)[len(texts) // 2]
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        model.logits([text])
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)
