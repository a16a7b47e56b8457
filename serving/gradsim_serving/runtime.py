"""How models run: provider, batches at once, threads; from the options and the cores this process may use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_runtime.cores import cores
from gradsim_runtime.sessions import choose_provider
from gradsim_serving.options import Options
from gradsim_shared.bundle import read_manifest
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_model import served_precision

CPU_SPARE_TOKENS, GPU_SPARE_TOKENS = 64, 4096
"""Padding that costs about as much as one more run of a model (docs/design/batching.md; the second is a guess)."""

SINGLE_TEXT_MILLISECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """How models run.

    Attributes:
        provider: ``cpu``, ``cuda`` or ``tensorrt``: one that onnxruntime can start.
        why: Why it was chosen.
        runners: Batches that run at the same time.
        threads: That compute one batch.
    """

    provider: str
    why: str
    runners: int
    threads: int

    @property
    def spare_tokens(self) -> int:
        """Padding that costs about as much as one more run of a model."""
        return CPU_SPARE_TOKENS if self.provider == "cpu" else GPU_SPARE_TOKENS

    def __str__(self) -> str:
        """Say it in one line, for the log."""
        batches = f"{self.runners} batch{'es' * (self.runners > 1)} at a time"
        return f"models run on {self.provider} ({self.why}): {batches}, threads for each: {self.threads}"


def runtime_of(bundles: Sequence[Path], options: Options) -> Runtime:
    """Return how the models of these bundles run.

    Raises:
        BundleError: A bundle has no valid manifest.
        SettingsError: The models cannot run as the options say.
    """
    provider, why = choose_provider(options.provider)
    _prepare_cache(options)
    threads = options.threads or cores()
    runners = min(options.runners or runners_of(bundles, provider, threads), threads)
    return Runtime(provider, why, runners, threads // runners)


def runners_of(bundles: Sequence[Path], provider: str, threads: int) -> int:
    """Return how many batches should run at the same time.

    Small models answer most texts in a second when each batch has one thread. A large one would make a lone request
    wait long: its batches get as many threads as bring a text to about ``SINGLE_TEXT_MILLISECONDS``.
    """
    if provider != "cpu":
        return 1
    groups = [group for directory in bundles for group in read_manifest(directory).groups]
    slowest = max((served_precision(group).latency_milliseconds for group in groups), default=0.0)
    return threads // min(threads, math.ceil(max(slowest / SINGLE_TEXT_MILLISECONDS, 1.0)))


def _prepare_cache(options: Options) -> None:
    """Make the directory for TensorRT's engines, if one is named.

    Raises:
        SettingsError: It cannot be made, or something else than TensorRT is to run the models.
    """
    if options.engine_cache is None:
        return
    if options.provider != "tensorrt":
        raise SettingsError(f"--engine-cache is for --provider tensorrt, not {options.provider}; leave it out")
    try:
        options.engine_cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the directory {options.engine_cache} of --engine-cache: {error.strerror}"
        raise SettingsError(message) from error
