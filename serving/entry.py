"""What BentoML imports: it puts the service's own sources first on the path, then names the service."""

from __future__ import annotations

import sys
from pathlib import Path

_SERVING = Path(__file__).resolve().parent
sys.path[:0] = [str(_SERVING), str(_SERVING.parent / "shared")]

from gradsim_serving.service import Gradsim  # noqa: E402

__all__ = ["Gradsim"]
