"""``gradsim-serve BUNDLE...``: the service without BentoML, on uvicorn."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from pathlib import Path

import click

from gradsim_serving.cli._one_line_errors import SETTINGS, OneLineErrors
from gradsim_serving.cli.serve_options import (
    BATCHES,
    LIMITS,
    LOG,
    MAIN,
    MODELS,
    WEB,
    SectionOption,
    options_of,
    service_options,
)
from gradsim_serving.http.examples import example_of
from gradsim_serving.options import Options
from gradsim_shared.bundle import read_manifest
from gradsim_shared.decoding import endpoint_of, holds_of
from gradsim_shared.errors import GradsimError, SettingsError
from gradsim_shared.segments import as_json, field_of


class ServeCommand(OneLineErrors):
    """The command, whose help is one screen: what matters first, the rest under headings, a line for each option."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                records.setdefault(getattr(parameter, "section", MAIN), []).append(record)
        for section in (MAIN, MODELS, BATCHES, LIMITS, WEB, LOG):
            with formatter.section(section):
                formatter.write_dl(records[section], col_max=34)


@click.command(
    cls=ServeCommand,
    context_settings=SETTINGS,
    epilog="Each option but --host, --port and --log-level is an environment variable, too: GRADSIM_QUEUE_TEXTS=1000. "
    "Keys may stand in GRADSIM_API_KEYS. A file's texts without a server: gradsim-serve predict --help",
)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", metavar="NAME", help="Address; 0.0.0.0 means all.")
@click.option(
    "--port",
    cls=SectionOption,
    section=MAIN,
    default=3000,
    type=click.IntRange(0, 65535),
    help="0 means any free one.",
)
@service_options
@click.option(
    "--log-level",
    cls=SectionOption,
    section=LOG,
    default="warning",
    type=click.Choice(["debug", "info", "warning", "error"]),
    metavar="NAME",
    help="Of the HTTP server: debug, info, warning, error.",
)
@click.version_option(package_name="gradsim-router", prog_name="gradsim-serve")
def command(bundles: tuple[Path, ...], *, host: str, port: int, log_level: str, **settings: object) -> None:
    """Serve one or more bundles over HTTP, each at its endpoint, such as /sentiment.

    A bundle is the directory that `gradsim-offline build` wrote, such as runs/demo/bundle. SIGHUP, or POST
    /admin/reload, reads the bundles again without losing a request.
    """
    serve(bundles, options_of(settings), host=host, port=port, log_level=log_level)


def serve(bundles: tuple[Path, ...], options: Options, *, host: str, port: int, log_level: str) -> None:
    """Verify the bundles, listen, load in the background, and answer until a signal ends it.

    Raises:
        BundleError: A bundle cannot be served.
        SettingsError: The port cannot be listened on, or the models cannot run as the options say.
    """
    manifests = [read_manifest(directory) for directory in bundles]  # the common mistakes, before heavy imports
    served = {endpoint_of(manifest): [language.code for language in manifest.languages] for manifest in manifests}
    holds = {endpoint_of(manifest): holds_of(manifest.task) for manifest in manifests}

    from gradsim_serving.app import create_app
    from gradsim_serving.server import Server, configuration

    failures: list[GradsimError] = []

    def finished(error: GradsimError | None) -> None:
        if error is None:
            _print(ready_lines(url, served, holds))
        else:
            failures.append(error)
            server.should_exit = True

    app = create_app(bundles, options, finished=finished)
    listening = _listen(host, port)
    address, number = listening.getsockname()[:2]
    url = f"http://{_bracketed(host)}:{number}"
    if not options.http.keys and not ip_address(address).is_loopback:
        _print(f"without keys everybody who reaches {url} may ask; give --api-keys-file FILE", to_stderr=True)
    how = configuration(app, log_level=log_level, timeout_keep_alive=options.keep_alive_seconds)
    server = Server(how, app.state.lifecycle, options.stop_seconds)

    def stop(*_: object) -> None:  # uvicorn sends the signal to us again once it has stopped: that is no failure
        app.state.lifecycle.close()  # on connections that are open, too
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: app.state.lifecycle.reload_soon())
    server.run(sockets=[listening])
    if failures:
        raise failures[0]


def _print(lines: str, *, to_stderr: bool = False) -> None:
    """Write to stdout or stderr; if it is full or closed, the service goes on."""
    try:
        click.echo(lines, err=to_stderr)
    except OSError:
        stream = sys.stderr if to_stderr else sys.stdout
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # what is left in the buffer fails at the exit otherwise


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
        message = f"cannot listen on {_bracketed(host)}:{port}: {error.strerror}; choose another --port or --host"
        raise SettingsError(message) from error
    return listening


def _bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def ready_lines(url: str, served: Mapping[str, Collection[str]], holds: Mapping[str, str] | None = None) -> str:
    """Say where the service is, and how to ask each endpoint: by endpoint its languages, and what it answers."""
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"  # None: stdout was closed at the start
    escaped = encoding.lower() != "utf-8"  # then the terminal may have no such letter
    lines = [f"Ready: {url}"]
    for endpoint, languages in served.items():
        text = example_of((holds or {}).get(endpoint, "texts"), endpoint.removeprefix("/"), languages)
        body = json.dumps({field_of([text]): [as_json(text)], "language": None}, ensure_ascii=escaped)
        lines.append(f"Try:   curl -s {url}{endpoint} -H 'Content-Type: application/json' -d {shlex.quote(body)}")
    return "\n".join(lines)
