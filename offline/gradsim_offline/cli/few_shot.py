"""``gradsim-offline few-shot``: transfer from one source language with K shots of each target, regime by regime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build import settings_from
from gradsim_offline.cli.compare import build_options
from gradsim_offline.experiments.few_shot.regimes import DEFAULT, REGIMES
from gradsim_shared.errors import SettingsError

_NOT_OURS = ("groups", "must_link", "cannot_link", "largest_group", "budget", "singleton_score")
_POSITIVE = click.IntRange(min=1)


def _run(
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
    out: Path | None,
    quiet: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    settings = settings_from(**options, singleton_score=None)
    numbers = _numbers(shots)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.few_shot.plan import SecondStep
    from gradsim_offline.experiments.few_shot.run import NAME, few_shot
    from gradsim_offline.experiments.few_shot.tables import tables
    from gradsim_offline.report.table import print_tables

    given: dict[str, Any] = {"epochs": shot_epochs, "learning_rate": shot_learning_rate, "batch_size": shot_batch_size}
    run = out or Path("runs") / f"few-shot-{settings.data}-{source}"
    content = few_shot(
        settings,
        run,
        Progress(quiet=quiet),
        source=source,
        targets=_words(targets),
        shots=numbers,
        regimes=_words(regimes),
        seeds=seeds,
        second_step=SecondStep(**{name: value for name, value in given.items() if value is not None}),
        alpha=alpha,
        heatmap_shots=heatmap_shots,
        permutations=permutations,
        keep_models=keep_models,
    )
    print_tables(tables(content))
    click.echo(f"Also as {run / NAME}.json, .md, .tex and .html; figures in {run / NAME}-figures")


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))


def _numbers(text: str) -> list[int]:
    """Read the values of K.

    Raises:
        SettingsError: One is no number.
    """
    try:
        return [int(word) for word in _words(text)]
    except ValueError:
        raise SettingsError(f"--shots {text}: name numbers from 1 up, as in 1,5,10") from None


command = click.Command(
    "few-shot",
    callback=_run,
    help="Transfer from one source language with K shots of each target: the regimes of Xu & Murray (2022), scored per "
    "language, and tested.\n\nNo text of a target but its shots is trained on or chooses anything. What is computed is "
    "kept: an interrupted run goes on, and one with more regimes, shots or seeds computes only these.",
    params=[
        click.Option(["--source"], metavar="CODE", required=True, help="The language with all its training texts."),
        click.Option(
            ["--targets"], metavar="CODES", default="", help="The languages with K shots.  [default: all others]"
        ),
        click.Option(
            ["--shots"],
            metavar="NUMBERS",
            default="1,5,10",
            show_default=True,
            help="Values of K: texts of each label, or sentences with tags.",
        ),
        click.Option(
            ["--regimes"],
            metavar="NAMES",
            default=",".join(DEFAULT),
            show_default=True,
            help=f"Any of {', '.join(REGIMES)}; the first is always there.",
        ),
        click.Option(["--seeds"], type=int, default=5, show_default=True, help="How many, counted from --seed."),
        click.Option(
            ["--alpha"],
            type=float,
            default=1.0,
            show_default=True,
            help="Chance that a step of gradient-mix is operated on, 0 to 1.",
        ),
        click.Option(
            ["--shot-epochs"], type=_POSITIVE, help="Passes over the shots of ord-fs and mix-ft.  [default: 10]"
        ),
        click.Option(
            ["--shot-learning-rate"],
            type=click.FloatRange(min=0, min_open=True),
            help="Peak rate of ord-fs and mix-ft.  [default: the training's; for mini a tenth of it]",
        ),
        click.Option(["--shot-batch-size"], type=_POSITIVE, help="Texts per step of ord-fs and mix-ft.  [default: 8]"),
        click.Option(["--heatmap-shots"], type=int, help="The K whose gradients are compared.  [default: the largest]"),
        click.Option(
            ["--permutations"],
            type=_POSITIVE,
            default=10_000,
            show_default=True,
            help="Of each test; one seed is not tested.",
        ),
        click.Option(["--keep-models"], is_flag=True, help="Leave all trained models there; they are large."),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path, file_okay=False),
            help="Run directory; what is in it is used again.  [default: runs/few-shot-<data set>-<source>]",
        ),
        *build_options(*_NOT_OURS),
    ],
)
