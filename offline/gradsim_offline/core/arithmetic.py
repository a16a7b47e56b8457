"""Whether matrix products of a training are taken in bf16 or in fp32, and why; weights and gradients stay fp32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from gradsim_offline.core.machine import CPU_INFO, cpu_flags
from gradsim_shared.errors import SettingsError

Precision = Literal["fp32", "bf16"]
_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
_MARK = "gradsim_precision"


@dataclass(frozen=True)
class Arithmetic:
    """What matrix products are taken in, and why, in words."""

    precision: Precision
    reason: str


def choose_arithmetic(asked: str, device: torch.device, *, mini: bool = False, cpu_info: Path = CPU_INFO) -> Arithmetic:
    """Choose between bf16 and fp32.

    Args:
        asked: ``fp32``, ``bf16``, or ``auto``: bf16 where the device has instructions for it.
        device: Where the training runs.
        mini: The encoder is a mini, whose products are so small that rounding costs more than it saves.
        cpu_info: Where Linux says what the CPU can do.

    Raises:
        SettingsError: bf16 is asked for, and the encoder is a mini.
    """
    if asked == "bf16" and mini:
        raise SettingsError("training.precision = bf16 is for pre-trained encoders; mini is slower in it: use auto")
    if asked != "auto":
        return Arithmetic("bf16" if asked == "bf16" else "fp32", "as set")
    if mini:
        return Arithmetic("fp32", "mini is slower in bf16")
    if device.type == "cuda":
        there = torch.cuda.is_bf16_supported(including_emulation=False)
        return Arithmetic("bf16", "the GPU has it") if there else Arithmetic("fp32", "the GPU has no bf16")
    if device.type != "cpu":
        return Arithmetic("fp32", f"bf16 is not tried on {device.type}")
    found = next((name for flag, name in _FLAGS.items() if flag in cpu_flags(cpu_info)), "")
    if found:
        return Arithmetic("bf16", f"the CPU has {found}")
    return Arithmetic("fp32", f"the CPU has neither {' nor '.join(_FLAGS.values())}")


def set_precision(model: nn.Module, precision: Precision) -> None:
    """Have a model compute in a precision wherever ``mixed_precision`` is asked."""
    setattr(model, _MARK, precision)


def mixed_precision(model: nn.Module) -> AbstractContextManager[object]:
    """Return the context of a model's forward pass: bf16 where that is set for it, and fp32 where nothing is.

    The backward pass runs outside it: what sums gradients then sums in fp32.
    """
    if getattr(model, _MARK, "fp32") == "fp32":
        return nullcontext()
    return torch.autocast(next(model.parameters()).device.type, dtype=torch.bfloat16)
