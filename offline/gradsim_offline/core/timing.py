"""What an answer costs: the median time of a call on one thread, and the text that is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import TypeVar

REPEATS = 50
_LEAST, _SECONDS = 5, 1.0
AnyText = TypeVar("AnyText", bound=Sized)


def middle(texts: Sequence[AnyText]) -> AnyText:
    """Return a text of median length."""
    return sorted(texts, key=len)[len(texts) // 2]


def median_milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call; a first one warms up, and a slow one is repeated for about a second."""
    call()
    times: list[float] = []
    while len(times) < _LEAST or (len(times) < REPEATS and sum(times) < _SECONDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
