"""``gradsim-offline retrieve``: how often an encoder finds the translation of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.options import PATH, POSITIVE, words


@click.command(
    "retrieve",
    help="Score encoders by retrieval: how often the translation of a text is the nearest of all, by the mean of a "
    "middle block's outputs.\n\n"
    "Name --model twice to see an encoder before and after `gradsim-offline adapt` side by side.",
)
@click.option(
    "--model",
    "models",
    metavar="NAME|DIR",
    required=True,
    multiple=True,
    help="A directory, e5-small, or a name on the Hub; repeatable.",
)
@click.option(
    "--data",
    metavar="NAME|DIR",
    required=True,
    help="tatoeba, sib200, or a directory of the form of one of them (docs/evaluating.md).",
)
@click.option("--data-dir", type=PATH, help="Where tatoeba or sib200 lies.  [default: below $GRADSIM_DATA]")
@click.option(
    "--languages", metavar="CODES", help="Only these languages; xtreme: the 36 of that benchmark.  [default: all]"
)
@click.option(
    "--pivot", metavar="CODE|all", default="eng", show_default=True, help="One side of every pair; all: any two."
)
@click.option(
    "--layer",
    type=click.IntRange(min=0),
    metavar="N",
    help="The block whose outputs are read; 0: what the model says at its end.  [default: 7 of 12, as Fan et al.]",
)
@click.option("--prefix", default="", help="Before every text, as in 'query: ' for e5-small's last outputs.")
@click.option("--most-texts", type=POSITIVE, help="Of a pair, at most, the first.  [default: no limit]")
@click.option("--batch-size", type=POSITIVE, default=64, show_default=True, help="Texts at a time.")
@options.offline
@options.maximum_length
@options.device
@options.out("Directory of retrieval.json.", "runs/retrieve")
@options.quiet("where the figures are")
def command(
    models: tuple[str, ...],
    data: str,
    out: Path,
    languages: str | None,
    pivot: str,
    quiet: bool,
    **values: Any,  # noqa: ANN401
) -> None:
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.retrieve.retrieve import RESULT, retrieve, table
    from gradsim_offline.report.table import print_tables

    codes = None if languages is None else words(languages)
    against = None if pivot == "all" else pivot
    found = retrieve(models, data, out, languages=codes, pivot=against, progress=Progress(quiet=quiet), **values)
    if not quiet:
        print_tables([table(found, data)])
    click.echo(str(out / RESULT))
