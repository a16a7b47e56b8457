"""What BentoML imports: it puts the service's own sources first on the path, then names the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_SERVING = Path(__file__).resolve().parent
sys.path[:0] = [str(_SERVING), str(_SERVING.parent / "shared")]

if "BENTOML_DO_NOT_TRACK" not in os.environ and "serve" in sys.argv[1:] and "bentoml" in Path(sys.argv[0]).parts[-2:]:
    # `bentoml serve` has read the variable before it imports us, and would send usage data: it starts again with it
    os.execve(sys.executable, sys.orig_argv, os.environ | {"BENTOML_DO_NOT_TRACK": "True"})  # noqa: S606

from gradsim_serving.service import Gradsim  # noqa: E402

__all__ = ["Gradsim"]
