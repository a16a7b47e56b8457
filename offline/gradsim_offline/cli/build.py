"""``gradsim-offline build``, and each of its stages as a command of its own with the same options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build_options import build_options, settings_from
from gradsim_offline.core import plugins

_EXAMPLES = """

\b
  gradsim-offline build --data reviews.csv
  gradsim-offline build --data reviews.csv --model ngrams
  gradsim-offline build --data reviews --languages hau,ibo,yor --groups 2 --out runs/two
"""


def command_until(name: str, description: str) -> click.Command:
    """Return the command that runs the stages up to ``name``; ``build`` runs them all."""

    def run(named: str | None = None, **options: Any) -> None:  # noqa: ANN401 - click's own
        if named is None:
            run_until("bundle" if name == "build" else name, **options)
        else:
            save_encoder(named, **options)

    before = _EXAMPLES if name == "build" else "\n\nRuns the stages before it, too, where they are not up to date."
    if name == "encoder":
        before += "\n\nWith a NAME, as in `encoder e5-small --out DIR`: write that encoder to DIR, and run no build."
        run = click.argument("named", metavar="[NAME]", required=False)(run)
    command: click.Command = click.command(name, help=description + before)(build_options()(run))
    return command


def save_encoder(named: str, *, out: Path | None, quiet: bool, **options: Any) -> None:  # noqa: ANN401 - click's own
    """Write an encoder that has a name of ours to a directory, and say where it is."""
    if others := [option for option, value in options.items() if value not in (None, ())]:
        raise click.UsageError(f"encoder {named} takes --out, --offline and --quiet, and no --{others[0]}")
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.models.named_encoders import save

    directory = out or Path(named)
    progress = Progress(quiet=quiet)
    save(named, directory, progress.note, shown=progress.console.is_terminal)
    click.echo(str(directory))


def run_until(
    until: str,
    *,
    out: Path | None,
    quiet: bool,
    solver: str | None,
    bundle_version: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Run the stages of a build up to one, with the values of ``build_options``."""
    given = {**options, "grouping.solver": solver, "version": bundle_version}
    from gradsim_offline.core.progress import Progress

    progress = Progress(quiet=quiet)
    settings = settings_from(**given, choosing=progress)
    plugins.check("similarity", settings.measure)
    plugins.check("solvers", settings.grouping.solver)
    from gradsim_offline.pipeline.build import build, load_data
    from gradsim_offline.pipeline.recipes import run_directory

    run = run_directory(settings, out)
    dataset = load_data(settings)
    bundle = build(settings, run, progress, until=until, dataset=dataset)
    if until != "bundle":
        click.echo(str(run))
        return
    from gradsim_offline.datasets.summary import short_text
    from gradsim_offline.report.bundle_tables import print_bundle

    print_bundle(bundle, text=short_text(dataset))
