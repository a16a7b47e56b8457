"""``gradsim-offline evaluate``: score a bundle or a running service on any data; without either, a build's stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gradsim_offline.cli.build import run_until
from gradsim_offline.cli.build_options import build_options
from gradsim_offline.cli.options import COLUMNS, PATH, POSITIVE, data_options_from, words

HELP = """Score a bundle, or a running service, on any data of its task, per language.

With --bundle or --url: only --data, --data-dir, the columns, --languages, --set data_options.NAME=VALUE and --quiet go
with them, beside --split, --batch and --json. Without: run the stages of a build up to its own scores, where they are
not up to date, with the other options.
"""
_WITH_BOTH = ("data", "data_dir", *COLUMNS, "languages", "assignments", "quiet")
_SCORING = ("bundle", "url", "split", "batch", "json_file")


@click.command("evaluate", help=HELP)
@click.option("--bundle", type=PATH, metavar="DIR", help="Score this bundle's ONNX models.")
@click.option(
    "--url",
    metavar="URL",
    help="Score a running service, as in http://127.0.0.1:3000; with --bundle, it must serve that one.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "dev", "test"]),
    default="test",
    show_default=True,
    help="What to score on.",
)
@click.option(
    "--batch", type=POSITIVE, help="Texts that go together.  [default: 64 with --url, else all of a language]"
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all figures there.",
)
@click.option(
    "--data",
    metavar="NAME|DIR",
    help="Data set, or your own directory or table; with --bundle or --url it must be named.  [default: demo]",
)
@build_options("data")
def command(**values: Any) -> None:  # noqa: ANN401 - click's own
    scoring = {name: values.pop(name) for name in _SCORING}
    if scoring["bundle"] is None and scoring["url"] is None:
        _refuse([name for name in scoring if _given(name)], "only with --bundle or --url")
        run_until("evaluate", **values)
        return
    _refuse([name for name in values if name not in _WITH_BOTH and _given(name)], "not with --bundle or --url")
    if values["data"] is None:
        raise click.UsageError("Name what to score on: --data NAME, or your own directory or table.")
    _score(**scoring, **{name: values[name] for name in _WITH_BOTH})


def _score(
    *,
    data: str,
    data_dir: Path | None,
    languages: str | None,
    assignments: tuple[str, ...],
    quiet: bool,
    json_file: Path | None,
    **others: Any,  # noqa: ANN401
) -> None:
    from gradsim_offline.core.disk import full_disk_said
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.core.run_directory import write_json
    from gradsim_offline.experiments.evaluate.evaluate import evaluate
    from gradsim_offline.experiments.evaluate.table import print_scores

    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
    codes = None if languages is None else words(languages)
    options = data_options_from(assignments, {name: others.pop(name) for name in COLUMNS})
    how: dict[str, Any] = {"data_dir": data_dir, "languages": codes, "options": options, **others}
    scores = evaluate(data=data, progress=Progress(quiet=quiet), **how)
    print_scores(scores)
    if json_file is not None:
        with full_disk_said(json_file.parent):
            write_json(json_file, scores)


def _given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) not in (None, ParameterSource.DEFAULT)


def _refuse(names: list[str], when: str) -> None:
    if names:
        written = {option.name: option.opts[0] for option in command.params}
        raise click.UsageError(f"{', '.join(written[name] for name in names)}: {when}.")
