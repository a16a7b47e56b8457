"""``gradsim-offline compare``: methods by seeds on one data set, in one table, with tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build_options import comparison_options, settings_from, training_options
from gradsim_offline.experiments.method import DEFAULT


@click.command(
    "compare",
    help="Compare ways of grouping: every method with every seed, scored per language, and tested.\n\n"
    "All start from the same encoder and train on the same schedule. What is computed is kept: an interrupted "
    "comparison resumes, and one with more methods or seeds computes only these.",
)
@click.option(
    "--methods",
    metavar="NAMES",
    default=",".join(DEFAULT),
    help="Names (`gradsim-offline list methods`), or .toml files of your own.  [default: the paper's]",
)
@comparison_options
@training_options()
def command(
    *,
    methods: str,
    seeds: int,
    test: bool | None,
    permutations: int,
    keep_models: bool,
    engine: str,
    jobs: int,
    job_cpus: int | None,
    job_gpus: float | None,
    out: Path | None,
    quiet: bool,
    **values: Any,  # noqa: ANN401
) -> None:
    settings = settings_from(**values)
    names = methods.replace(",", " ").split()
    from gradsim_offline.core.engine import open_engine
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.compare import compare
    from gradsim_offline.pipeline.recipes import run_directory
    from gradsim_offline.report.comparison_tables import print_comparison
    from gradsim_offline.report.verdicts import print_verdict
    from gradsim_offline.report.verdicts.comparison import verdict

    run = run_directory(settings, out, "compare-")
    how: dict[str, Any] = {"seeds": seeds, "test": test, "permutations": permutations, "keep_models": keep_models}
    with open_engine(engine, jobs=jobs, job_cpus=job_cpus, job_gpus=job_gpus) as how["engine"]:
        result = compare(settings, names, run, Progress(quiet=quiet), **how)
    print_comparison(result)
    click.echo(f"Also as {run / 'compare.json'}, .md, .tex and .html")
    print_verdict(verdict(result))
