"""``gradsim-serve``: the service without BentoML, on uvicorn."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import click

from gradsim_serving.defaults import MAX_BODY_BYTES, QUEUE, TIMEOUT_SECONDS
from gradsim_serving.examples import example
from gradsim_shared.bundle import read_manifest
from gradsim_shared.decoding import endpoint_of
from gradsim_shared.errors import GradsimError, SettingsError


class _OneLineErrors(click.Command):
    """The one place where our errors become text for people and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GradsimError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            module = (error.name or "").partition(".")[0]
            if not module or module.startswith("gradsim_"):
                raise
            message = f"{module} is not installed; run: pip install 'gradsim-router[serving]'"
            raise click.ClickException(message) from error


@click.command(
    cls=_OneLineErrors,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True},
)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 means all of them.")
@click.option("--port", default=3000, type=click.IntRange(0, 65535), help="Port to listen on; 0 means any free one.")
@click.option(
    "--threads",
    envvar="GRADSIM_THREADS",
    type=click.IntRange(1),
    show_default="one for each core that may be used",
    help="Threads that compute one batch.",
)
@click.option(
    "--max-body-bytes",
    envvar="GRADSIM_MAX_BODY_BYTES",
    default=MAX_BODY_BYTES,
    type=click.IntRange(1),
    help="Refuse larger request bodies, bytes.",
)
@click.option(
    "--queue",
    envvar="GRADSIM_QUEUE",
    default=QUEUE,
    type=click.IntRange(1),
    help="Requests that may wait while others are answered; more are refused with 429.",
)
@click.option(
    "--timeout-seconds",
    envvar="GRADSIM_TIMEOUT_SECONDS",
    default=TIMEOUT_SECONDS,
    type=click.IntRange(1),
    help="How long a request may take; then it is answered with 504.",
)
@click.option(
    "--log-level",
    default="warning",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is written to stderr; never a text that a client sent.",
)
@click.version_option(package_name="gradsim-router", prog_name="gradsim-serve")
def main(
    bundles: tuple[Path, ...],
    *,
    host: str,
    port: int,
    threads: int | None,
    max_body_bytes: int,
    queue: int,
    timeout_seconds: int,
    log_level: str,
) -> None:
    """Serve one or more bundles over HTTP: one for each of /sentiment, /ner and /pos.

    A bundle is the directory that `gradsim-offline build` wrote, such as runs/demo/bundle.
    """
    serve(
        bundles,
        host=host,
        port=port,
        threads=threads,
        max_body_bytes=max_body_bytes,
        queue=queue,
        timeout_seconds=timeout_seconds,
        log_level=log_level,
    )


def serve(
    bundles: tuple[Path, ...],
    *,
    host: str,
    port: int,
    threads: int | None,
    max_body_bytes: int,
    queue: int,
    timeout_seconds: int,
    log_level: str,
) -> None:
    """Verify the bundles, listen, load in the background, and answer until a signal ends it.

    Raises:
        BundleError: A bundle cannot be served.
        SettingsError: The port cannot be listened on.
    """
    manifests = [read_manifest(directory) for directory in bundles]  # the common mistakes, before heavy imports
    served = {endpoint_of(manifest): [language.code for language in manifest.languages] for manifest in manifests}
    import uvicorn

    from gradsim_serving.app import create_app

    failures: list[GradsimError] = []

    def finished(error: GradsimError | None) -> None:
        if error is None:
            click.echo(_ready(url, served))
        else:
            failures.append(error)
            server.should_exit = True

    app = create_app(
        bundles,
        threads=threads,
        max_body_bytes=max_body_bytes,
        queue=queue,
        timeout_seconds=timeout_seconds,
        finished=finished,
    )
    listening = _listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_level=log_level, access_log=False, server_header=False))

    def stop(*_: object) -> None:  # uvicorn sends the signal to us again once it has stopped: that is no failure
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.run(sockets=[listening])
    if failures:
        raise failures[0]


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}; choose another --port or --host"
        raise SettingsError(message) from error
    return listening


def _ready(url: str, served: Mapping[str, Collection[str]]) -> str:
    """Say where the service is, and how to ask each endpoint: ``{endpoint: languages}``."""
    escaped = sys.stdout.encoding.lower() != "utf-8"  # then the terminal may have no such letter
    lines = [f"Ready: {url}"]
    for endpoint, languages in served.items():
        text = example(endpoint.removeprefix("/"), languages)
        body = json.dumps({"texts": [text], "language": None}, ensure_ascii=escaped)
        lines.append(f"Try:   curl -s {url}{endpoint} -H 'Content-Type: application/json' -d {shlex.quote(body)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
