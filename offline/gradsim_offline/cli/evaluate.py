"""``gradsim-offline evaluate``: score a bundle or a running service on any data; without either, a build's stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gradsim_offline.cli.build import command_until

HELP = """Score a bundle, or a running service, on any data of its task, per language.

With --bundle or --url: only --data, --data-dir, --languages and --quiet go with them, beside --split, --batch and
--json. Without: run the stages of a build up to its own scores, where they are not up to date, with the other options.
"""
_STAGE = command_until("evaluate", "")
_BOTH = ("data", "data_dir", "languages", "quiet")  # options of both
_OWN: list[click.Parameter] = [
    click.Option(["--bundle"], type=click.Path(path_type=Path), metavar="DIR", help="Score this bundle's ONNX models."),
    click.Option(
        ["--url"],
        metavar="URL",
        help="Score a running service, as in http://127.0.0.1:3000; with --bundle, it must serve that one.",
    ),
    click.Option(
        ["--split"],
        type=click.Choice(["train", "dev", "test"]),
        default="test",
        show_default=True,
        help="What to score on.",
    ),
    click.Option(
        ["--batch"],
        type=click.IntRange(min=1),
        help="Texts that go together.  [default: 64 with --url, else all of a language]",
    ),
    click.Option(
        ["--json", "json_file"],
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write all figures there.",
    ),
]
_DATA = click.Option(
    ["--data"],
    metavar="NAME|DIR",
    help="Data set, or a directory of your own files; with --bundle or --url it must be named.  [default: demo]",
)


def _run(**options: Any) -> None:  # noqa: ANN401 - click's own
    own = {str(one.name): options.pop(str(one.name)) for one in _OWN}
    if own["bundle"] is None and own["url"] is None:
        _refuse([name for name in own if _given(name)], "only with --bundle or --url")
        click.get_current_context().invoke(_STAGE, **options)
        return
    _refuse([name for name in options if name not in _BOTH and _given(name)], "not with --bundle or --url")
    if options["data"] is None:
        raise click.UsageError("Name what to score on: --data NAME, or a directory of your own files.")
    _score(**own, **{name: options[name] for name in _BOTH})


def _score(
    *,
    data: str,
    data_dir: Path | None,
    languages: str | None,
    quiet: bool,
    json_file: Path | None,
    **asked: Any,  # noqa: ANN401
) -> None:
    from gradsim_offline.core.disk import full_disk_said
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.core.run_directory import write_json
    from gradsim_offline.experiments.evaluate.evaluate import evaluate
    from gradsim_offline.experiments.evaluate.table import print_scores

    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
    codes = None if languages is None else languages.replace(",", " ").split()
    found = evaluate(data=data, data_dir=data_dir, languages=codes, progress=Progress(quiet=quiet), **asked)
    print_scores(found)
    if json_file is not None:
        with full_disk_said(json_file.parent):
            write_json(json_file, found)


def _given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) not in (None, ParameterSource.DEFAULT)


def _refuse(names: list[str], when: str) -> None:
    if names:
        written = {one.name: one.opts[0] for one in command.params}
        raise click.UsageError(f"{', '.join(written[name] for name in names)}: {when}.")


command = click.Command(
    "evaluate", callback=_run, help=HELP, params=[*_OWN, _DATA, *(one for one in _STAGE.params if one.name != "data")]
)
