"""``gradsim-offline sprachbund``: gather languages by how an encoder represents their unlabelled text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.options import POSITIVE, source_from, text_options


@click.command(
    "sprachbund",
    help="Gather languages by how an encoder represents their unlabelled text, and name each gathering's pivot.\n\n"
    "`gradsim-offline adapt --groups` then trains an encoder for each.",
)
@text_options
@click.option("--groups", type=POSITIVE, required=True, metavar="K", help="Number of sprachbunds.")
@click.option(
    "--pooling",
    type=click.Choice(["cls", "mean", "pooler"]),
    default="cls",
    show_default=True,
    help="A text's vector: of its first token, the mean of all, or the model's own.",
)
@click.option(
    "--centred/--raw",
    default=True,
    show_default=True,
    help="Take off what all languages have in common: raw cosines are all near 1.",
)
@click.option(
    "--map", "way", type=click.Choice(["pca", "tsne"]), default="pca", show_default=True, help="How the map is drawn."
)
@click.option(
    "--most-texts",
    type=POSITIVE,
    help="Texts of a language, at most, drawn at random.  [default: no limit]",
)
@click.option("--batch-size", type=POSITIVE, default=64, show_default=True, help="Texts at a time.")
@options.maximum_length
@options.seed()
@options.device
@options.out("Run directory.", "runs/sprachbund")
@options.quiet("where the results are")
def command(model: str, out: Path, quiet: bool, **values: Any) -> None:  # noqa: ANN401 - click's own
    source = source_from(values)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.sprachbund.sprachbund import RESULT, notes, sprachbunds, tables
    from gradsim_offline.report.table import print_tables

    found = sprachbunds(model, source, out, progress=Progress(quiet=quiet), **values)
    if not quiet:
        print_tables(tables(found))
        for note in notes(found):
            click.echo(f"Note: {note}")
    click.echo(str(out / RESULT))
