"""Any Hugging Face encoder, by its name on the Hub or by its directory."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from gradsim_offline.models.loading import is_there


def find(model: str) -> str:
    """Check that a model can be found; return its identity: its name, or a digest of its directory.

    Raises:
        ModelError: It cannot be found; the message names the remedies.
    """
    is_there(model)
    directory = Path(model)
    if not directory.is_dir():
        return model
    files = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in directory.iterdir() if p.is_file())
    return sha256(repr(files).encode()).hexdigest()
