"""OpenTelemetry traces behind BentoML: its setting ``tracing`` from two environment variables; off unless asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from gradsim_shared.errors import SettingsError

COLLECTOR, SAMPLE_RATE = "GRADSIM_TRACES", "GRADSIM_TRACES_SHARE"
DEFAULT_SHARE = 0.01
OFF: dict[str, Any] = {"excluded_urls": ".*"}  # sample rate 0 alone still makes a span of every request
EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def tracing(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return BentoML's setting ``tracing`` for these environment variables.

    ``GRADSIM_TRACES`` is the address of a collector that takes OTLP over HTTP, such as
    ``http://localhost:4318/v1/traces``; empty means no traces. ``GRADSIM_TRACES_SHARE`` is the share of requests that
    are traced, 0 to 1. A span holds method, address with its query, status and client of a request, never its body.

    Raises:
        SettingsError: The share is none, the address is not one, or the exporter is not installed.
    """
    collector = environment.get(COLLECTOR, "")
    if not collector:
        return OFF
    if not collector.startswith(("http://", "https://")):
        raise SettingsError(f"{COLLECTOR} is {collector!r}: it must begin with http:// or https://")
    if not _installed():
        raise SettingsError(f"{COLLECTOR} is set, but the exporter is missing: pip install 'bentoml[tracing-otlp]'")
    return {
        "exporter_type": "otlp",
        "sample_rate": _sample_rate(environment),
        "excluded_urls": "livez,readyz,metrics",
        "otlp": {"protocol": "http", "endpoint": collector, "http": {}},
    }


def _sample_rate(environment: Mapping[str, str]) -> float:
    written = environment.get(SAMPLE_RATE, "") or str(DEFAULT_SHARE)
    try:
        share = float(written)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{SAMPLE_RATE} is {written!r}: it must be a number from 0 to 1")
    return share


def _installed() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
