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


class SectionOption(click.Option):
    """An option that stands under a heading of the help.

    Args:
        section: The heading.
        settings: Of click.
    """

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:  # noqa: ANN401 - those of click
        if isinstance(settings.get("type"), click.IntRange | click.FloatRange):
            settings.setdefault("metavar", "N")
        super().__init__(*arguments, **settings)
        self.section = section

    def get_help_extra(self, ctx: click.Context) -> Any:  # noqa: ANN401 - of click
        """Return what stands in brackets: the default alone; who gives a wrong value is told range and variable."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        extra.pop("envvars", None)
        return extra


def _option(section: str, name: str, *others: str, **settings: Any) -> Callable[[F], F]:  # noqa: ANN401 - those of click
    """Return an option that is an environment variable, too: ``--queue-texts`` and ``GRADSIM_QUEUE_TEXTS``."""
    variable = "GRADSIM_" + name.split("/", maxsplit=1)[0].removeprefix("--").replace("-", "_").upper()
    return click.option(
        name, *others, envvar=variable, show_envvar=True, cls=SectionOption, section=section, **settings
    )


def _root_path(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return a prefix without its last slash."""
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", value) is None:
        raise click.BadParameter(f"{value!a} is no path such as /gradsim: letters, digits and . _ ~ - after each slash")
    return value.removesuffix("/")


MAIN, MODELS, BATCHES, LIMITS, WEB, LOG = "Options", "Models", "Batches and times", "Limits", "Web", "Log"
"""The headings of the help, in its order."""

_OPTIONS = (
    _option(
        MAIN,
        "--threads",
        type=COUNT,
        show_default="all cores",
        help="Threads that run models, in all.",
    ),
    _option(MAIN, "--api-keys-file", type=FILE, help="Answer only those who send a key of this file, one a line."),
    _option(
        MAIN,
        "--root-path",
        metavar="PATH",
        default=HTTP.root_path,
        callback=_root_path,
        show_default=False,
        help="Prefix under which a proxy shows the service, as /gradsim.",
    ),
    _option(
        MAIN,
        "--log-requests/--no-log-requests",
        default=DEFAULTS.log_requests,
        show_default=False,
        help="Write a line of JSON for each request; never a text.",
    ),
    _option(
        MODELS,
        "--provider",
        default=DEFAULTS.provider,
        type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
        metavar="NAME",
        help="auto (a GPU, if any), cpu, cuda, tensorrt.",
    ),
    _option(
        MODELS,
        "--memory-mb",
        type=COUNT,
        show_default="no limit",
        help="Of models; idle ones are unloaded.",
    ),
    _option(
        MODELS,
        "--warm-up/--no-warm-up",
        default=DEFAULTS.warm_up,
        show_default=False,
        help="Whether each model runs its longest text before the start.",
    ),
    _option(
        MODELS,
        "--arena/--no-arena",
        default=DEFAULTS.arena,
        show_default=False,
        help="Whether onnxruntime keeps memory for later batches.",
    ),
    _option(
        MODELS,
        "--optimisation",
        default=DEFAULTS.optimisation,
        type=click.Choice(["none", "basic", "extended", "all"]),
        metavar="LEVEL",
        help="Of graphs: none, basic, extended, all.",
    ),
    _option(
        MODELS,
        "--engine-cache",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where TensorRT keeps the engines that it compiles.",
    ),
    _option(
        MODELS,
        "--canary-seconds",
        default=DEFAULTS.canary_seconds,
        type=SECONDS,
        help="Try each group so often. 0: once.",
    ),
    _option(
        BATCHES,
        "--runners",
        type=COUNT,
        show_default="by model size",
        help="At the same time, sharing the threads.",
    ),
    _option(BATCHES, "--batch-tokens", default=DEFAULTS.batch_tokens, type=COUNT, help="Of a full batch, padded."),
    _option(
        BATCHES,
        "--batch-wait-ms",
        default=DEFAULTS.batch_wait_ms,
        type=SECONDS,
        help="Longest wait for texts being read.",
    ),
    _option(
        BATCHES,
        "--check-given",
        default=DEFAULTS.check_given,
        type=click.FloatRange(0, 1),
        help="Share of given languages that are checked.",
    ),
    _option(
        BATCHES,
        "--timeout-seconds",
        default=HTTP.timeout_seconds,
        type=click.FloatRange(0, min_open=True),
        help="Of a request; then it is answered with 504.",
    ),
    _option(
        BATCHES,
        "--stop-seconds",
        default=DEFAULTS.stop_seconds,
        type=SECONDS,
        help="For requests in flight at the stop.",
    ),
    _option(
        BATCHES,
        "--keep-alive-seconds",
        default=DEFAULTS.keep_alive_seconds,
        type=SECONDS,
        help="Of an idle connection; more than a proxy's.",
    ),
    _option(
        LIMITS,
        "--queue-texts",
        default=DEFAULTS.queue_texts,
        type=COUNT,
        help="Texts that may wait; past them requests get 429.",
    ),
    _option(LIMITS, "--max-texts", default=HTTP.max_texts, type=COUNT, help="Of a request."),
    _option(LIMITS, "--max-characters", default=HTTP.max_characters, type=COUNT, help="Of a text."),
    _option(
        LIMITS,
        "--cut-texts/--refuse-texts",
        default=HTTP.cut_texts,
        show_default="refuse",
        help="What becomes of longer texts.",
    ),
    _option(LIMITS, "--max-body-bytes", default=HTTP.max_body_bytes, type=COUNT, help="Of a request, inflated."),
    _option(LIMITS, "--body-seconds", default=HTTP.body_seconds, type=SECONDS, help="For a request's body to arrive."),
    _option(
        WEB,
        "--admin-keys-file",
        type=FILE,
        help="Keys for /admin/reload; none: only from this machine.",
    ),
    _option(
        WEB,
        "--open-metrics/--no-open-metrics",
        default=HTTP.open_metrics,
        show_default=False,
        help="Whether /metrics needs no key.",
    ),
    _option(
        WEB,
        "--playground/--no-playground",
        default=HTTP.playground,
        show_default=False,
        help="Whether browsers get pages to try and explore.",
    ),
    _option(
        WEB,
        "--cors-origin",
        "cors_origins",
        multiple=True,
        help="Web pages of this origin may ask; repeatable, * is all.",
    ),
    _option(LOG, "--log-file", type=FILE, show_default="stderr", help="Where lines of requests go."),
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
