"""``gradsim-offline sprachbund-train``: fine-tune from each sprachbund's encoder, beside the encoder as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build import settings_from
from gradsim_offline.cli.compare import build_options

_NOT_OURS = ("adapt", "groups", "must_link", "cannot_link", "largest_group", "budget", "singleton_score")
_PATH = click.Path(path_type=Path)


def _run(
    *,
    sprachbunds: Path,
    adapted: Path,
    on: str,
    seeds: int,
    permutations: int,
    keep_models: bool,
    out: Path | None,
    quiet: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    settings = settings_from(**options, singleton_score=None)
    words = list(dict.fromkeys(on.replace(",", " ").split()))
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.sprachbund.results import tables
    from gradsim_offline.experiments.sprachbund.train import RESULT, train_clusters
    from gradsim_offline.report.table import print_tables

    run = out or Path("runs") / f"sprachbund-{settings.data}"
    how: dict[str, Any] = {"on": words, "seeds": seeds, "permutations": permutations, "keep_models": keep_models}
    content = train_clusters(settings, sprachbunds, adapted, run, Progress(quiet=quiet), **how)
    if not quiet:
        print_tables(tables(content))
    click.echo(str(run / RESULT))


command = click.Command(
    "sprachbund-train",
    callback=_run,
    help="Fine-tune from each sprachbund's encoder, and from the encoder as it was (--model); score all its languages, "
    "and test the difference."
    "\n\nA model is chosen by dev texts of the languages that it was trained on, so that others are zero-shot.",
    params=[
        click.Option(
            ["--sprachbunds"],
            type=_PATH,
            required=True,
            metavar="FILE",
            help="sprachbunds.json, as `sprachbund` wrote it.",
        ),
        click.Option(["--adapted"], type=_PATH, required=True, metavar="DIR", help="What `adapt --groups` wrote."),
        click.Option(
            ["--on"],
            metavar="NAMES",
            default="all,pivot",
            show_default=True,
            help="What to train on: all languages of the sprachbund, its pivot, or a language, as in all,pivot,eng.",
        ),
        click.Option(
            ["--seeds"], type=click.IntRange(min=1), default=1, show_default=True, help="How many, from --seed on."
        ),
        click.Option(
            ["--permutations"],
            type=click.IntRange(min=1),
            default=10_000,
            show_default=True,
            help="Of each test; one seed is not tested.",
        ),
        click.Option(["--keep-models"], is_flag=True, help="Leave all trained models there; they are large."),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path, file_okay=False),
            help="Run directory; what is in it is used again.  [default: runs/sprachbund-<data set>]",
        ),
        *build_options(*_NOT_OURS),
    ],
)
