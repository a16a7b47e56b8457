"""Tensors in Triton's binary form, which stands behind the JSON of a request or an answer."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradsim_shared.errors import RequestError

_MOST_INPUTS = 2


def fill(content: Any, binary: bytes) -> None:  # noqa: ANN401 - JSON
    """Put the texts behind the JSON of a request into its inputs; what else is wrong with these, validation says.

    Raises:
        RequestError: ``invalid_request``: the inputs do not say that all these bytes are theirs, or they end within
            a text; ``invalid_encoding``.
    """
    inputs = content.get("inputs") if isinstance(content, dict) else None
    tensors = inputs if isinstance(inputs, list) else []
    if not 1 <= len(tensors) <= _MOST_INPUTS or not all(isinstance(tensor, dict) for tensor in tensors):
        return
    sizes = [_size(tensor) for tensor in tensors]
    if sum(sizes) != len(binary):
        message = f"{len(binary)} bytes follow the JSON; binary_data_size of the input must say so"
        raise RequestError(message, code="invalid_request")
    for tensor, size in zip(tensors, sizes, strict=True):
        if size:
            tensor["data"] = list(_strings_of(binary[:size]))
            binary = binary[size:]


def _size(tensor: dict[str, Any]) -> int:
    """Return how many bytes an input says are its own; what is no such number is none."""
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    return size if isinstance(size, int) and size > 0 else 0


def _strings_of(binary: bytes) -> Iterator[str]:
    """Yield the elements of a BYTES tensor: four bytes of length, little-endian, then UTF-8.

    Raises:
        RequestError: ``invalid_request`` or ``invalid_encoding``.
    """
    place = 0
    while place < len(binary):
        (size,) = struct.unpack_from("<I", binary.ljust(place + 4, b"\0"), place)
        element = binary[place + 4 : place + 4 + size]
        if len(element) < size or place + 4 > len(binary):
            raise RequestError("the binary data of the input ends within a text", code="invalid_request")
        try:
            yield element.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RequestError("a text in the binary data is not UTF-8", code="invalid_encoding") from error
        place += 4 + size


def binary_of(values: Sequence[str | int | float], datatype: str) -> bytes:
    """Return the elements of a tensor in binary form."""
    if datatype == "FP32":
        return np.array(values, dtype="<f4").tobytes()
    if datatype == "INT64":
        return np.array(values, dtype="<i8").tobytes()
    encoded = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)
