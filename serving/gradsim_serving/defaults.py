"""The limits that can be set, for both doors; those of a single request are in validation.py."""

from __future__ import annotations

MAX_BODY_BYTES = 2**20
QUEUE = 256
TIMEOUT_SECONDS = 30
