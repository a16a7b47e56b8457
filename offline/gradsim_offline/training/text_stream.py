"""Files of texts, one a line, of any size: line offsets are held in memory, a text is read on access."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import DataError
from gradsim_shared.normalisation import normalise

_MARK = b"\xef\xbb\xbf"  # UTF-8 byte order mark


class Texts(Protocol):
    """Unlabelled texts of one language, by number."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each text, ``[texts]``: its length without reading it."""

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of all texts."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> str: ...


class Listed:
    """Texts that are in memory already, normalised; blank ones are left out."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [line for line in map(normalise, texts) if line]
        self.sizes = np.array([len(_bytes(text)) for text in self._texts], dtype=np.int64)
        self.fingerprint = hashlib.sha256(_bytes("\n".join(self._texts))).hexdigest()

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> str:
        return self._texts[index]


class Streamed:
    """The lines of some files, normalised, as one sequence; blank lines are left out.

    The files are read once from end to end, to see that they are UTF-8 and where each line stands (16 bytes a line);
    after that, a text is read from its file on access.

    Args:
        files: In this order.

    Raises:
        DataError: A file is not UTF-8; the message names the line.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)
        starts, sizes, ends = array("q"), array("q"), []
        digest = hashlib.sha256()
        for path in self.files:
            for start, line in _lines(path):
                digest.update(line)
                if normalise(line.decode("utf-8")):
                    starts.append(start + len(line) - len(line.lstrip()))
                    sizes.append(len(line.strip()))
            ends.append(len(starts))
        self._starts = np.frombuffer(starts, dtype=np.int64) if starts else np.zeros(0, dtype=np.int64)
        self.sizes = np.frombuffer(sizes, dtype=np.int64) if sizes else np.zeros(0, dtype=np.int64)
        self._ends = np.array(ends)  # [files]: how many lines there are up to the end of each file
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> str:
        path = self.files[int(np.searchsorted(self._ends, index, side="right"))]
        with path.open("rb") as stream:
            stream.seek(int(self._starts[index]))
            line = stream.read(int(self.sizes[index]))
        return normalise(line.decode("utf-8"))


class Chosen:
    """Some of the texts.

    Args:
        texts: The texts.
        indices: Which of them, ``[chosen]``.
    """

    def __init__(self, texts: Texts, indices: NDArray[np.int64]) -> None:
        self._texts, self._indices = texts, indices
        self.sizes = texts.sizes[indices]
        self.fingerprint = hashlib.sha256(texts.fingerprint.encode() + indices.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> str:
        return self._texts[int(self._indices[index])]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Go through a file: where each line starts, and its bytes.

    Raises:
        DataError: It is not UTF-8, or it has carriage returns in place of line feeds.
    """
    start = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not UTF-8 (byte {error.start + 1} of the line); save the file as UTF-8, "
                    "one text a line"
                ) from error
            if number == 1 and b"\r" in line.strip(b"\r\n") and not line.endswith(b"\n"):
                raise DataError(f"{path}: its lines end in carriage returns alone; save the file with line feeds")
            marked = len(_MARK) if number == 1 and line.startswith(_MARK) else 0
            yield start + marked, line[marked:]
            start += len(line)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
