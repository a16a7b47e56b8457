"""``gradsim-offline sprachbund``: gather languages by how an encoder represents their unlabelled text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.adapt import source_from, texts_and_model


@click.command(
    "sprachbund",
    help="Gather languages by how an encoder represents their unlabelled text, and name each gathering's pivot.\n\n"
    "`gradsim-offline adapt --groups` then trains an encoder for each.",
)
@texts_and_model
@click.option("--groups", type=click.IntRange(min=1), required=True, metavar="K", help="Number of sprachbunds.")
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
    type=click.IntRange(min=1),
    help="Texts of a language, at most, drawn at random.  [default: no limit]",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Texts at a time.")
@click.option("--maximum-length", type=click.IntRange(min=8), default=128, show_default=True, help="Tokens.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="All randomness comes from it.")
@click.option("--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="runs/sprachbund",
    show_default=True,
    help="Run directory.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors and where the results are.")
def command(model: str, out: Path, quiet: bool, **options: Any) -> None:  # noqa: ANN401 - click's own
    source = source_from(options)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.sprachbund.sprachbund import RESULT, notes, sprachbunds, tables
    from gradsim_offline.report.table import print_tables

    found = sprachbunds(model, source, out, progress=Progress(quiet=quiet), **options)
    if not quiet:
        print_tables(tables(found))
        for note in notes(found):
            click.echo(f"Note: {note}")
    click.echo(str(out / RESULT))
