"""Lets the tests here import what stands beside them, and how the service's tests start a server."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "serving")]
