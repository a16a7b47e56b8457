"""Tensors in Triton's binary form, which stands behind the JSON of a request or an answer."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from gradsim_shared.errors import RequestError


def strings_of(binary: bytes) -> Iterator[str]:
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


def binary_of(values: Sequence[str | float], datatype: str) -> bytes:
    """Return the elements of a tensor in binary form."""
    if datatype == "FP32":
        return np.array(values, dtype="<f4").tobytes()
    encoded = [str(value).encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)
