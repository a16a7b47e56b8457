"""Sessions of onnxruntime: the choice of a provider, threads, memory and graph optimisation."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gradsim_shared.errors import SettingsError

if TYPE_CHECKING:  # whoever names a provider need not load onnxruntime
    import onnxruntime

Optimisation = Literal["none", "basic", "extended", "all"]
Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

logger = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
PROVIDERS: dict[str, list[str]] = {
    "cpu": [CPU],
    "cuda": ["CUDAExecutionProvider", CPU],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", CPU],
}
"""By name, best first; what one of them cannot run the next does."""

SMALLEST_MODEL = (
    b'\x08\x08\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04'
    b"\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""A graph of ONNX, opset 13: y = x. Its session tells what really starts, before anything large is loaded."""

LEVELS: dict[Optimisation, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
"""By name, what onnxruntime calls them."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How models run.

    Attributes:
        provider: ``cpu``, ``cuda`` or ``tensorrt``: what was chosen, never ``auto``.
        threads: That compute one batch.
        arena: Whether memory that was used once is kept for later batches.
        optimisation: How far graphs are rewritten.
        strict: Whether it is an error when the provider cannot be used after all, such as a GPU without a driver;
            otherwise the log says so and the CPU is used.
        warm_tokens: A model that is loaded is warmed up with its longest text and a batch of so many tokens; 0: it
            is not.
        engine_cache: Where TensorRT keeps what it compiles; ``None``: it compiles anew at each start.
    """

    provider: str = "cpu"
    threads: int = 1
    arena: bool = True
    optimisation: Optimisation = "all"
    strict: bool = False
    warm_tokens: int = 0
    engine_cache: Path | None = None


class Choice(NamedTuple):
    """What runs the models, never ``auto``, and why."""

    provider: str
    why: str


def choose_provider(wanted: Provider) -> Choice:
    """Return what is to run the models: for ``auto`` a GPU where onnxruntime can really start one, else the CPU.

    That onnxruntime has the part for a GPU says nothing of the machine, so it is tried on a graph of one node.

    Raises:
        SettingsError: This onnxruntime has no part for what was named, or cannot start it.
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    has = f"the installed onnxruntime {onnxruntime.__version__} has only {', '.join(available)}"
    if wanted == "auto":
        first = PROVIDERS["cuda"][0]
        if first not in available:
            return Choice("cpu", has)
        if not _starts("cuda"):
            why = f"onnxruntime could not start {first}"
            logger.warning("%s: the CPU is taken; onnxruntime's own lines on stderr may say why", why)
            return Choice("cpu", why)
        return Choice("cuda", f"onnxruntime could start {first}")
    if PROVIDERS[wanted][0] not in available:
        raise SettingsError(
            f"{wanted} cannot run the models: {has}. Install onnxruntime-gpu in place of onnxruntime, or choose "
            "provider auto or cpu"
        )
    if wanted != "cpu" and not _starts(wanted):
        raise SettingsError(
            f"{wanted} cannot run the models: onnxruntime could not start {PROVIDERS[wanted][0]}; its own lines on "
            "stderr may say why. Choose provider auto or cpu"
        )
    return Choice(wanted, "it was asked for")


def _starts(provider: str) -> bool:
    """Say whether onnxruntime can start a provider on this machine."""
    import onnxruntime

    settings = SessionSettings(provider)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same thing, in onnxruntime's words
        try:
            session = onnxruntime.InferenceSession(SMALLEST_MODEL, _options(settings), providers=_providers(settings))
        except Exception:  # onnxruntime raises classes of its own, and bare ones
            return False
    return bool(session.get_providers()[0] == PROVIDERS[provider][0])


def open_session(path: Path, settings: SessionSettings) -> onnxruntime.InferenceSession:
    """Load a model.onnx.

    Raises:
        SettingsError: The provider cannot be used, and ``settings.strict``.
    """
    import onnxruntime

    wanted = PROVIDERS[settings.provider]
    session = onnxruntime.InferenceSession(str(path), _options(settings), providers=_providers(settings))
    used = session.get_providers()[0]
    if used != wanted[0]:
        message = f"{settings.provider} cannot run the models: onnxruntime could not start {wanted[0]} and took {used}"
        if settings.strict:
            raise SettingsError(f"{message}; its own lines on stderr say why. Choose provider auto or cpu")
        logger.warning("%s", message)
    return session


def _providers(settings: SessionSettings) -> list[Any]:
    """Return the providers as onnxruntime takes them, with their own options where there are any."""
    names = PROVIDERS[settings.provider]
    if settings.provider != "tensorrt" or settings.engine_cache is None:
        return list(names)
    cache = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(settings.engine_cache)}
    return [(names[0], cache), *names[1:]]


def _options(settings: SessionSettings) -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # every group has threads of its own: idle ones must sleep, or they take the cores from the group that works
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = settings.arena
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.__members__[LEVELS[settings.optimisation]]
    options.log_severity_level = 3  # errors only
    return options
