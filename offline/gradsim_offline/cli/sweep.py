"""``gradsim-offline sweep``: several numbers of groups, tracked layers, or values of a setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build_options import comparison_options, settings_from, training_options


@click.command(
    "sweep",
    help="Compare one method with several numbers of groups, groups from several tracked layers, or methods trained "
    "with several values of a setting.\n\n"
    "What `compare` has trained in the same run directory is used again, and the other way round.",
)
@click.option("--groups", metavar="NUMBERS", help="Numbers of groups K, as in 1..8 or 1,2,4.")
@click.option(
    "--layers",
    metavar="NAMES",
    help="Tracked layers, as in head.out,encoder.0, all measured in one joint run. K: --set grouping.groups=4.",
)
@click.option(
    "--over",
    metavar="SETTING=VALUES",
    help="A setting of training and its values, as in training.strategy=mixed,surgery or adapting.mode=none,tapt.",
)
@click.option(
    "--method",
    metavar="NAMES",
    default="gradient",
    show_default=True,
    help="Whose groups; one with --groups, one or more with --over.",
)
@comparison_options
@training_options("groups")
def command(
    *,
    groups: str | None,
    layers: str | None,
    over: str | None,
    method: str,
    seeds: int,
    test: bool | None,
    permutations: int,
    out: Path | None,
    quiet: bool,
    keep_models: bool,
    engine: str,
    jobs: int,
    job_cpus: int | None,
    job_gpus: float | None,
    **values: Any,  # noqa: ANN401
) -> None:
    if sum(given is not None for given in (groups, layers, over)) != 1:
        raise click.UsageError(
            "Give one of --groups, as in 1..8, --layers, as in head.out,encoder.0, and --over, as in "
            "training.strategy=mixed,surgery."
        )
    if layers is not None and method != "gradient":
        raise click.UsageError(f"--layers is about the method gradient; {method} tracks no layers. Leave out --method.")
    settings = settings_from(**values)
    from gradsim_offline.core.engine import open_engine
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.compare import wants_test
    from gradsim_offline.experiments.sweep import read_numbers, read_over, sweep_groups, sweep_layers, sweep_over
    from gradsim_offline.pipeline.recipes import run_directory
    from gradsim_offline.report.comparison_tables import print_comparison
    from gradsim_offline.report.verdicts import print_verdict
    from gradsim_offline.report.verdicts.comparison import verdict

    run, progress = run_directory(settings, out, "compare-"), Progress(quiet=quiet)
    how: dict[str, Any] = {"seeds": seeds, "keep_models": keep_models}
    how["permutations"] = permutations if wants_test(test, seeds) else 0
    names = method.replace(",", " ").split()
    with open_engine(engine, jobs=jobs, job_cpus=job_cpus, job_gpus=job_gpus) as how["engine"]:
        if over is not None:
            read = read_over(over)
            result, name = sweep_over(settings, read, names, run, progress, **how), read.file
        elif groups is not None:
            result = sweep_groups(settings, read_numbers(groups), run, progress, method=method, **how)
            name = "sweep-groups"
        else:
            result = sweep_layers(settings, str(layers).replace(",", " ").split(), run, progress, **how)
            name = "sweep-layers"
    print_comparison(result)
    click.echo(f"Also as {run / name}.json, .md, .tex and .html")
    print_verdict(verdict(result))
