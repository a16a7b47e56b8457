"""Keep usage data on this machine: the libraries that send some read these variables when they are imported."""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime from 1.29 on; its disable_telemetry_events() stops none of it on Linux
    "BENTOML_DO_NOT_TRACK": "True",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # of huggingface_hub, transformers and datasets
}
"""The variables that switch usage data off, and their values."""


def send_no_usage_data() -> None:
    """Set the variables, except those that the user has set."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
