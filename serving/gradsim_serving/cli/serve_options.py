"""Every setting of the service as an option of gradsim-serve, and as an environment variable for BentoML too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from gradsim_serving.http.keys import Keys, keys_of, read_keys
from gradsim_serving.options import DEFAULTS, HttpOptions, Options
from gradsim_shared.errors import SettingsError

F = TypeVar("F", bound=Callable[..., Any])

HTTP = DEFAULTS.http
COUNT, SECONDS = click.IntRange(1), click.FloatRange(0)
FILE = click.Path(dir_okay=False, path_type=Path)


def _option(name: str, *others: str, **settings: Any) -> Callable[[F], F]:  # noqa: ANN401 - those of click
    """Return an option that is an environment variable, too: ``--queue-texts`` and ``GRADSIM_QUEUE_TEXTS``."""
    variable = "GRADSIM_" + name.split("/", maxsplit=1)[0].removeprefix("--").replace("-", "_").upper()
    return click.option(name, *others, envvar=variable, show_envvar=True, **settings)


def _root_path(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return a prefix without its last slash."""
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", value) is None:
        raise click.BadParameter(f"{value!a} is no path such as /gradsim: letters, digits and . _ ~ - after each slash")
    return value.removesuffix("/")


_OPTIONS = (
    _option(
        "--threads",
        type=COUNT,
        show_default="one for each core that may be used",
        help="Threads that run models, in all.",
    ),
    _option(
        "--runners",
        type=COUNT,
        show_default="as many as threads, fewer for large models, 1 on a GPU",
        help="Batches that run at the same time; they share the threads.",
    ),
    _option(
        "--batch-tokens", default=DEFAULTS.batch_tokens, type=COUNT, help="A batch is full at so many tokens, padded."
    ),
    _option(
        "--batch-wait-ms",
        default=DEFAULTS.batch_wait_ms,
        type=SECONDS,
        help="Longest time that a free runner waits for texts that are just being read, milliseconds.",
    ),
    _option(
        "--queue-texts",
        default=DEFAULTS.queue_texts,
        type=COUNT,
        help="Texts that may wait; past them requests are refused with 429.",
    ),
    _option(
        "--timeout-seconds",
        default=HTTP.timeout_seconds,
        type=click.FloatRange(0, min_open=True),
        help="How long a request may take; then it is answered with 504.",
    ),
    _option(
        "--provider",
        default=DEFAULTS.provider,
        type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
        help="What runs the models; auto: a GPU where onnxruntime can use one, else the CPU.",
    ),
    _option(
        "--engine-cache",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        show_default="none",
        help="Where TensorRT keeps the engines that it compiles; without it, it compiles them at each start.",
    ),
    _option(
        "--warm-up/--no-warm-up",
        default=DEFAULTS.warm_up,
        help="Whether each model runs its longest text, and a full batch of them, before the service is ready.",
    ),
    _option(
        "--arena/--no-arena",
        default=DEFAULTS.arena,
        help="Whether onnxruntime keeps memory that a batch has used for later batches.",
    ),
    _option(
        "--optimisation",
        default=DEFAULTS.optimisation,
        type=click.Choice(["none", "basic", "extended", "all"]),
        help="How far onnxruntime rewrites the models' graphs when it loads them.",
    ),
    _option(
        "--memory-mb",
        type=COUNT,
        show_default="no limit",
        help="Size of the model files in memory, MB; groups not asked for longest are unloaded, and loaded again.",
    ),
    _option(
        "--canary-seconds",
        default=DEFAULTS.canary_seconds,
        type=SECONDS,
        help="Let every group answer a text of ours so often; while one fails /readyz says 503. 0: only at the start.",
    ),
    _option(
        "--check-given",
        default=DEFAULTS.check_given,
        type=click.FloatRange(0, 1),
        help="Share of the texts with a given language that are identified as well, only to count disagreements.",
    ),
    _option(
        "--stop-seconds",
        default=DEFAULTS.stop_seconds,
        type=SECONDS,
        help="How long requests in flight may take when the service is told to stop.",
    ),
    _option(
        "--keep-alive-seconds",
        default=DEFAULTS.keep_alive_seconds,
        type=SECONDS,
        help="How long a connection may be idle between requests: longer than a load balancer keeps its own.",
    ),
    _option("--max-body-bytes", default=HTTP.max_body_bytes, type=COUNT, help="Refuse larger request bodies, bytes."),
    _option("--max-texts", default=HTTP.max_texts, type=COUNT, help="Refuse requests of more texts."),
    _option("--max-characters", default=HTTP.max_characters, type=COUNT, help="Refuse longer texts."),
    _option(
        "--cut-texts/--refuse-texts",
        default=HTTP.cut_texts,
        help="Whether longer texts are cut, and flagged as truncated, instead.",
    ),
    _option(
        "--body-seconds", default=HTTP.body_seconds, type=SECONDS, help="How long a request's body may take to arrive."
    ),
    _option(
        "--api-keys-file",
        type=FILE,
        help="Answer only those who send one of the keys in this file, one a line, or in GRADSIM_API_KEYS.",
    ),
    _option(
        "--admin-keys-file",
        type=FILE,
        help="Keys for /admin/reload, one a line, also in GRADSIM_ADMIN_KEYS; without any, only from this machine.",
    ),
    _option(
        "--open-metrics/--no-open-metrics",
        default=HTTP.open_metrics,
        help="Whether /metrics is answered without a key.",
    ),
    _option(
        "--cors-origin",
        "cors_origins",
        multiple=True,
        help="Let browsers ask from pages of this origin, such as https://example.org; may be repeated.",
    ),
    _option(
        "--root-path",
        metavar="PATH",
        default=HTTP.root_path,
        callback=_root_path,
        show_default="none",
        help="Prefix under which a proxy shows the service, such as /gradsim; every path is answered with it, too.",
    ),
    _option(
        "--log-requests/--no-log-requests",
        default=DEFAULTS.log_requests,
        help="Whether a line of JSON is written for each request; never a text.",
    ),
    _option("--log-file", type=FILE, show_default="stderr", help="Where these lines go."),
)


def service_options(command: F) -> F:
    """Add the options to a command, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options_of(parameters: Mapping[str, Any]) -> Options:
    """Return the options that a command was called with.

    Raises:
        SettingsError: A file of keys cannot be read, or holds what is no key; a variable of keys is set but empty.
    """
    settings = dict(parameters)
    http = HttpOptions(
        keys=_keys(settings.pop("api_keys_file"), "GRADSIM_API_KEYS"),
        admin_keys=_keys(settings.pop("admin_keys_file"), "GRADSIM_ADMIN_KEYS"),
        **{name: settings.pop(name) for name in HttpOptions.__dataclass_fields__ if name in settings},
    )
    return Options(http=http, **{name: settings[name] for name in Options.__dataclass_fields__ if name in settings})


def _keys(file: Path | None, variable: str) -> Keys:
    """Return the keys of a file and of a variable; one that is set but empty is refused: it would open the service."""
    if file is None and os.environ.get(f"{variable}_FILE") == "":  # to click, as if it were not set
        raise SettingsError(f"{variable}_FILE is set but names no file: unset it, or name one")
    return keys_of(read_keys(file, os.environ.get(variable), variable))


def options_of_environment(command: click.Command) -> Options:
    """Return the options that environment variables and defaults give, without a command line.

    Raises:
        SettingsError: A variable has a value that cannot be.
    """
    try:
        with command.make_context("gradsim", ["."]) as context:
            return options_of(context.params)
    except click.UsageError as error:
        raise SettingsError(error.format_message()) from error
