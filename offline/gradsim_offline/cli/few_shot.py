"""``gradsim-offline few-shot``: transfer from one source language with K shots of each target, regime by regime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.build_options import settings_from, training_options
from gradsim_offline.cli.options import POSITIVE, words
from gradsim_offline.experiments.few_shot.regimes import DEFAULT, REGIMES
from gradsim_shared.errors import SettingsError


@click.command(
    "few-shot",
    help="Transfer from one source language with K shots of each target: the regimes of Xu & Murray (2022), scored per "
    "language, and tested.\n\nNo text of a target but its shots is trained on or chooses anything. What is computed is "
    "kept: an interrupted run resumes, and one with more regimes, shots or seeds computes only these.",
)
@click.option("--source", metavar="CODE", required=True, help="The language with all its training texts.")
@click.option("--targets", metavar="CODES", default="", help="The languages with K shots.  [default: all others]")
@click.option(
    "--shots",
    metavar="NUMBERS",
    default="1,5,10",
    show_default=True,
    help="Values of K: texts of each label, or sentences with tags.",
)
@click.option(
    "--regimes",
    metavar="NAMES",
    default=",".join(DEFAULT),
    show_default=True,
    help=f"Any of {', '.join(REGIMES)}; the first is always there.",
)
@click.option("--seeds", type=int, default=5, show_default=True, help="How many, counted from --seed.")
@click.option(
    "--alpha",
    type=float,
    default=1.0,
    show_default=True,
    help="Chance that a step of gradient-mix is operated on, 0 to 1.",
)
@click.option("--shot-epochs", type=POSITIVE, help="Passes over the shots of ord-fs and mix-ft.  [default: 10]")
@click.option(
    "--shot-learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Peak rate of ord-fs and mix-ft.  [default: the training's; for mini a tenth of it]",
)
@click.option("--shot-batch-size", type=POSITIVE, help="Texts per step of ord-fs and mix-ft.  [default: 8]")
@click.option("--heatmap-shots", type=int, help="The K whose gradients are compared.  [default: the largest]")
@options.permutations("Of each test; one seed is not tested.")
@options.keep_models
@options.engine_options
@options.out("Run directory; what is in it is used again.  [default: runs/few-shot-<data set>-<source>]")
@training_options("groups", "must_link", "cannot_link", "largest_group", "budget", "singleton_score")
def command(
    *,
    source: str,
    targets: str,
    shots: str,
    regimes: str,
    seeds: int,
    alpha: float,
    shot_epochs: int | None,
    shot_learning_rate: float | None,
    shot_batch_size: int | None,
    heatmap_shots: int | None,
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
    numbers = _numbers(shots)
    from gradsim_offline.core.engine import open_engine
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.few_shot.plan import SecondStep
    from gradsim_offline.experiments.few_shot.run import NAME, few_shot
    from gradsim_offline.experiments.few_shot.tables import tables
    from gradsim_offline.pipeline.recipes import run_directory
    from gradsim_offline.report.table import print_tables
    from gradsim_offline.report.verdicts import print_verdict
    from gradsim_offline.report.verdicts.few_shot import verdict

    given: dict[str, Any] = {"epochs": shot_epochs, "learning_rate": shot_learning_rate, "batch_size": shot_batch_size}
    run = run_directory(settings, out, "few-shot-", f"-{source}")
    with open_engine(engine, jobs=jobs, job_cpus=job_cpus, job_gpus=job_gpus) as opened:
        content = few_shot(
            settings,
            run,
            Progress(quiet=quiet),
            source=source,
            targets=words(targets),
            shots=numbers,
            regimes=words(regimes),
            seeds=seeds,
            second_step=SecondStep(**{name: value for name, value in given.items() if value is not None}),
            alpha=alpha,
            heatmap_shots=heatmap_shots,
            permutations=permutations,
            keep_models=keep_models,
            engine=opened,
        )
    print_tables(tables(content))
    click.echo(f"Also as {run / NAME}.json, .md, .tex and .html; figures in {run / NAME}-figures")
    print_verdict(verdict(content))


def _numbers(text: str) -> list[int]:
    """Read the values of K.

    Raises:
        SettingsError: One is no number.
    """
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise SettingsError(f"--shots {text}: name numbers from 1 up, as in 1,5,10") from None
