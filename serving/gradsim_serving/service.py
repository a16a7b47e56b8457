"""The service under BentoML: ``bentoml serve``, the Bento, the container image."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # BentoML's: memory-mapped metrics cost 2.4 times as much

import bentoml

from gradsim_serving.app import create_app
from gradsim_serving.bento_app import OFF, BentoApp, tracing
from gradsim_serving.cli.serve import command
from gradsim_serving.cli.serve_options import options_of_environment
from gradsim_shared.errors import BundleError, GradsimError

with suppress(ImportError, AttributeError):  # private: a test says when it has moved
    from bentoml._internal.utils.analytics import usage_stats

    usage_stats.do_not_track.cache_clear()  # `bentoml serve` has asked for the variable before it imports us

BUNDLES_BESIDE_US = Path(__file__).resolve().parents[2] / "bundles"
"""Where ``make bento`` puts bundles: beside ``serving/``, at the root of the Bento's sources."""


def bundle_directories() -> list[Path]:
    """Return the bundles to serve: those that ``GRADSIM_BUNDLES`` names, else those that came with the Bento."""
    named = os.environ.get("GRADSIM_BUNDLES", "")
    if named:
        return [Path(directory) for directory in named.split(os.pathsep) if directory]
    return sorted(path for path in BUNDLES_BESIDE_US.glob("*") if path.is_dir())


def _print_error(error: GradsimError) -> None:
    """Write one line to stderr; BentoML would print a traceback."""
    sys.stderr.write(f"Error: {error}\n")
    sys.stderr.flush()


def _finished(error: GradsimError | None) -> None:
    if error is not None:
        _print_error(error)
        os._exit(1)  # from the loading thread: an exception would not end the worker


try:
    _directories = bundle_directories()  # none is right while the Bento is built
    _options = options_of_environment(command)  # those of gradsim-serve, as GRADSIM_...
    _tracing = tracing(os.environ)
    app = create_app(_directories, _options, finished=_finished)
    _bento_app = BentoApp(app, traced=_tracing is not OFF, on_error=_finished)
except GradsimError as _error:
    _print_error(_error)
    raise SystemExit(1) from None


@bentoml.service(
    name="gradsim",
    metrics={"enabled": False},  # ours are at /metrics; BentoML's label "endpoint" is unbounded
    tracing=_tracing,  # off unless asked for: spans cost a third of the throughput, even at sample rate 0
    logging={"access": {"enabled": False}},
    traffic={"timeout": _options.http.timeout_seconds * 1.5},  # not used here: see bento_app.py
)
@bentoml.asgi_app(app, path="/")
class Gradsim:
    """Identifies the language of a text and answers from the model of the group that serves it."""

    def __init__(self) -> None:
        _bento_app.require_built()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def require_bundles() -> None:
        """End ``bentoml serve`` before any worker starts when there is nothing to serve."""
        if not _directories:
            where = f"directories in GRADSIM_BUNDLES, separated by {os.pathsep!r}, or put them into {BUNDLES_BESIDE_US}"
            _print_error(BundleError(f"there is no bundle to serve: name one or more {where}"))
            raise SystemExit(1)


try:
    _bento_app.install(Gradsim)
except GradsimError as _error:
    _print_error(_error)
    raise SystemExit(1) from None
