"""``gradsim-offline sprachbund-train``: fine-tune from each sprachbund's encoder, beside the encoder as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.build_options import settings_from, training_options
from gradsim_offline.cli.options import PATH, words


@click.command(
    "sprachbund-train",
    help="Fine-tune from each sprachbund's encoder, and from the encoder as it was (--model); score all its languages, "
    "and test the difference."
    "\n\nA model is chosen by dev texts of the languages that it was trained on, so that others are zero-shot.",
)
@click.option(
    "--sprachbunds",
    type=PATH,
    required=True,
    metavar="FILE",
    help="sprachbunds.json, as `sprachbund` wrote it.",
)
@click.option("--adapted", type=PATH, required=True, metavar="DIR", help="What `adapt --groups` wrote.")
@click.option(
    "--on",
    metavar="NAMES",
    default="all,pivot",
    show_default=True,
    help="What to train on: all languages of the sprachbund, its pivot, or a language, as in all,pivot,eng.",
)
@options.seeds(1, "How many, from --seed on.")
@options.permutations("Of each test; one seed is not tested.")
@options.keep_models
@options.engine_options
@options.out("Run directory; what is in it is used again.  [default: runs/sprachbund-<data set>]")
@training_options("adapt", "groups", "must_link", "cannot_link", "largest_group", "budget", "singleton_score")
def command(
    *,
    sprachbunds: Path,
    adapted: Path,
    on: str,
    seeds: int,
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
    settings = settings_from(**values, singleton_score=None)
    from gradsim_offline.core.engine import open_engine
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.sprachbund.results import tables
    from gradsim_offline.experiments.sprachbund.train import RESULT, train_clusters
    from gradsim_offline.pipeline.recipes import run_directory
    from gradsim_offline.report.table import print_tables

    run = run_directory(settings, out, "sprachbund-")
    how: dict[str, Any] = {"on": words(on), "seeds": seeds, "permutations": permutations, "keep_models": keep_models}
    with open_engine(engine, jobs=jobs, job_cpus=job_cpus, job_gpus=job_gpus) as how["engine"]:
        content = train_clusters(settings, sprachbunds, adapted, run, Progress(quiet=quiet), **how)
    if not quiet:
        print_tables(tables(content))
    click.echo(str(run / RESULT))
