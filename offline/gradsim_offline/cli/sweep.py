"""``gradsim-offline sweep``: one method with several numbers of groups, or from several tracked layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build import settings_from
from gradsim_offline.cli.compare import SEEDS, build_options


def _run(
    *,
    groups: str | None,
    layers: str | None,
    method: str,
    seeds: int,
    test: bool | None,
    permutations: int,
    out: Path | None,
    quiet: bool,
    keep_models: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    if (groups is None) == (layers is None):
        raise click.UsageError("Give either --groups, as in 1..8, or --layers, as in head.out,encoder.0.")
    settings = settings_from(**options)
    from gradsim_offline.evaluation.compare import wants_test
    from gradsim_offline.evaluation.sweep import read_numbers, sweep_groups, sweep_layers
    from gradsim_offline.evaluation.tables import show
    from gradsim_offline.progress import Progress

    run, progress = out or Path("runs") / f"compare-{settings.data}", Progress(quiet=quiet)
    how = {"seeds": seeds, "keep_models": keep_models, "permutations": permutations if wants_test(test, seeds) else 0}
    if groups is not None:
        show(sweep_groups(settings, read_numbers(groups), run, progress, method=method, **how))
    else:
        show(sweep_layers(settings, str(layers).replace(",", " ").split(), run, progress, **how))
    click.echo(f"Also as {run / ('sweep-groups' if groups else 'sweep-layers')}.json, .md, .tex and .html")


command = click.Command(
    "sweep",
    callback=_run,
    help="Compare one method with several numbers of groups, or groups from several tracked layers.\n\n"
    "What `compare` has trained in the same run directory is used again, and the other way round.",
    params=[
        click.Option(["--groups"], metavar="NUMBERS", help="Numbers of groups K, as in 1..8 or 1,2,4."),
        click.Option(
            ["--layers"],
            metavar="NAMES",
            help="Tracked layers, as in head.out,encoder.0, all measured in one joint run. K: --set grouping.groups=4.",
        ),
        click.Option(
            ["--method"], metavar="NAME", default="gradient", show_default=True, help="Whose groups; with --groups."
        ),
        *SEEDS,
        *build_options("groups"),
    ],
)
