"""The service under BentoML: ``bentoml serve``, the Bento, the container image."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # BentoML's: memory-mapped metrics cost 2.4 times as much

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from gradsim_serving.app import create_app
from gradsim_serving.cli.serve import command
from gradsim_serving.cli.serve_options import options_of_environment
from gradsim_serving.tracing import tracing
from gradsim_shared.errors import BundleError, GradsimError

BUNDLES_BESIDE_US = Path(__file__).resolve().parents[2] / "bundles"
"""Where ``make bento`` puts bundles: beside ``serving/``, at the root of the Bento's sources."""

MARGIN_SECONDS = 5.0
"""BentoML's time for a request ends so much after ours: it answers in another form, and keeps a timer till then."""


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
except GradsimError as _error:
    _print_error(_error)
    raise SystemExit(1) from None


class OursFirst:
    """Middleware that hands every request to our app: BentoML answers some paths itself, in a form of its own."""

    def __init__(self, app: ASGIApp) -> None:  # BentoML's
        self._bentoml_app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; start and stop stay with BentoML, which starts and stops ours."""
        await (app if scope["type"] == "http" else self._bentoml_app)(scope, receive, send)


@bentoml.service(
    name="gradsim",
    metrics={"enabled": False},  # ours are at /metrics; BentoML's label "endpoint" is unbounded
    tracing=_tracing,  # off unless asked for: spans cost a third of the throughput, even at sample rate 0
    logging={"access": {"enabled": False}},
    traffic={"timeout": max(_options.http.timeout_seconds, _options.http.body_seconds) + MARGIN_SECONDS},
)
@bentoml.asgi_app(app, path="/")
class Gradsim:
    """Identifies the language of a text and answers from the model of the group that serves it."""

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def require_bundles() -> None:
        """End ``bentoml serve`` before any worker starts when there is nothing to serve."""
        if not _directories:
            where = f"directories in GRADSIM_BUNDLES, separated by {os.pathsep!r}, or put them into {BUNDLES_BESIDE_US}"
            _print_error(BundleError(f"there is no bundle to serve: name one or more {where}"))
            raise SystemExit(1)


Gradsim.add_asgi_middleware(OursFirst)  # type: ignore[attr-defined] # bentoml.service returns its Service
