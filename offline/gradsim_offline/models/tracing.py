"""Exporters to ONNX: torch's tracer, and how all of them are kept quiet and what they raise is worded."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gradsim_offline.models.loading import first_line
from gradsim_shared.errors import ModelError

OPSET = 18
TOKENS = {0: "texts", 1: "tokens"}
"""The axes of a tensor that may be of any length."""


@contextlib.contextmanager
def exporting(cannot: str) -> Iterator[None]:
    """Keep an exporter's chatter and its tracer's warnings away from people.

    Raises:
        ModelError: It failed; the message begins with ``cannot``.
    """
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except (ValueError, KeyError, TypeError, RuntimeError, NotImplementedError) as error:
        raise ModelError(f"{cannot}: {first_line(error)}") from error
    finally:
        logging.disable(previous)


def trace(model: nn.Module, path: Path, inputs: Mapping[str, Tensor], output: str, axes: Mapping[int, str]) -> None:
    """Write a model as an ONNX graph, by torch's tracer.

    Args:
        model: Of positional inputs, in the order of ``inputs``.
        path: Where to write.
        inputs: Example tensors by name, ``[texts, tokens, ...]``.
        output: Its name.
        axes: Of the output, those that may be of any length.
    """
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=[output],
        dynamic_axes={**dict.fromkeys(inputs, TOKENS), output: dict(axes)},
        opset_version=OPSET,
        dynamo=False,
    )


def example_mask() -> Tensor:
    """Return an attention mask of two texts, ``[2, 9]``, the second of them shorter."""
    mask = torch.ones(2, 9, dtype=torch.int64)
    mask[1, 5:] = 0
    return mask
