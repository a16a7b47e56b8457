"""Turn the errors that libraries raise on a full disk into one message."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

from gradsim_shared.errors import GradsimError

FULL = (errno.ENOSPC, errno.EDQUOT)
_WORDS = re.compile(r"No space left on device|Disk quota exceeded|os error (?:28|122)\b")  # Rust keeps only words
_TORCH = "inline_container.cc"  # its writer says where it failed, and not why
_NEARLY_FULL = 2**20  # bytes: torch's writer fails for want of space where no more than this is free


@contextmanager
def full_disk_said(directory: Path) -> Iterator[None]:
    """Report a full disk under what is written to a directory, or to the one for temporary files.

    Raises:
        GradsimError: There is no space left; the message names the directory.
    """
    try:
        yield
    except Exception as error:
        scratch = Path(tempfile.gettempdir())
        if not any(_is_full(cause, directory) for cause in _causes(error)):
            raise
        where = scratch if _free(scratch) < _NEARLY_FULL <= _free(directory) else directory
        raise GradsimError(
            f"no space left in {where}: free some, and give the same command again; what was computed is kept"
        ) from error


def require_space(path: Path) -> None:
    """Raise ``OSError`` if the disk is full under a file that a library wrote without looking whether it could."""
    if _free(path) == 0:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))


def _is_full(error: BaseException, directory: Path) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return bool(_WORDS.search(str(error))) or (_TORCH in str(error) and _free(directory) < _NEARLY_FULL)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _free(path: Path) -> int:
    return disk_usage(next(parent for parent in (path, *path.parents) if parent.exists())).free
