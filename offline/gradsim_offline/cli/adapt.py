"""``gradsim-offline adapt``: continued masked-language-model pre-training of an encoder on unlabelled text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.options import PATH, POSITIVE, source_from, text_options
from gradsim_offline.core.training_settings import Adapting

_USUAL = Adapting()


@click.command(
    "adapt",
    help="Train an encoder on, on unlabelled text: pieces are hidden and predicted (masked language modelling).\n\n"
    "The directory that is named at the end is an encoder for --model. An interrupted run resumes where it stopped.",
)
@text_options
@click.option("--groups", type=PATH, metavar="FILE", help="One encoder per group: sprachbunds.json or groups.json.")
@click.option("--epochs", type=POSITIVE, default=_USUAL.epochs, show_default=True, help="Passes.")
@click.option("--batch-size", type=POSITIVE, default=_USUAL.batch_size, show_default=True, help="Texts.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=_USUAL.learning_rate,
    show_default=True,
    help="Peak of a linear schedule; a mini takes more, as 1e-3.",
)
@click.option(
    "--masked",
    type=click.FloatRange(0, 1, min_open=True),
    default=_USUAL.masked,
    show_default=True,
    help="Share of the pieces that are to be predicted.",
)
@click.option(
    "--most-texts",
    type=POSITIVE,
    help="Texts of a language in an epoch, at most, drawn anew for each.  [default: no limit]",
)
@click.option(
    "--held-out",
    type=POSITIVE,
    default=_USUAL.held_out,
    show_default=True,
    help="Texts of a language to measure perplexity on, at most (a tenth of its lines; dev texts of a data set).",
)
@options.maximum_length
@options.seed()
@options.device
@options.out("Run directory.", "runs/adapted")
@options.quiet("where the encoders are")
def command(model: str, out: Path, quiet: bool, groups: Path | None, **values: Any) -> None:  # noqa: ANN401
    source = source_from(values)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.adapt_encoders import adapt_encoders, table
    from gradsim_offline.report.table import print_tables

    how = {name: values.pop(name) for name in ("maximum_length", "seed", "device")}
    settings = Adapting(**values)
    adapted = adapt_encoders(
        model, source, out, settings=settings, groups=groups, progress=Progress(quiet=quiet), **how
    )
    if not quiet:
        print_tables([table(adapted)])
    for encoder in adapted.values():
        click.echo(str(encoder.directory))
