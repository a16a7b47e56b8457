"""``gradsim-offline adapt``: continued masked-language-model pre-training of an encoder on unlabelled text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gradsim_offline.core.settings import Adapting

_PATH = click.Path(path_type=Path)
_USUAL = Adapting()


def texts_and_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which model, and which unlabelled texts."""
    for option in reversed(_SOURCE):
        command = option(command)
    return command


_SOURCE = [
    click.option("--model", metavar="NAME|DIR", required=True, help="A directory, or a Hugging Face name."),
    click.option("--text", type=_PATH, metavar="DIR", help="Directory of <lang>.txt or <lang>/*.txt, one text a line."),
    click.option(
        "--data",
        metavar="NAME|DIR",
        help="Instead of --text: the train texts of a data set, or of a directory of labelled files; no label is read.",
    ),
    click.option("--data-dir", type=_PATH, help="Directory of its files.  [default: the data set's own rule]"),
    click.option("--languages", metavar="CODES", help="Only these languages, as in hau,ibo,yor.  [default: all]"),
]


def source_from(options: dict[str, Any]) -> Any:  # noqa: ANN401 - a TextSource; its module is loaded when it is needed
    """Take the options that name the texts out of all options, and return what they name."""
    from gradsim_offline.experiments.text_source import TextSource

    codes = options.pop("languages")
    languages = None if codes is None else codes.replace(",", " ").split()
    return TextSource(options.pop("text"), options.pop("data"), options.pop("data_dir"), languages)


@click.command(
    "adapt",
    help="Train an encoder on, on unlabelled text: pieces are hidden and predicted (masked language modelling).\n\n"
    "The directory that is named at the end is an encoder for --model. An interrupted run goes on where it stopped.",
)
@texts_and_model
@click.option("--groups", type=_PATH, metavar="FILE", help="One encoder per group: sprachbunds.json or groups.json.")
@click.option("--epochs", type=click.IntRange(min=1), default=_USUAL.epochs, show_default=True, help="Passes.")
@click.option("--batch-size", type=click.IntRange(min=1), default=_USUAL.batch_size, show_default=True, help="Texts.")
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
    type=click.IntRange(min=1),
    help="Texts of a language in an epoch, at most, drawn anew for each.  [default: no limit]",
)
@click.option(
    "--held-out",
    type=click.IntRange(min=1),
    default=_USUAL.held_out,
    show_default=True,
    help="Texts of a language to measure perplexity on, at most (a tenth of its lines; dev texts of a data set).",
)
@click.option("--maximum-length", type=click.IntRange(min=8), default=128, show_default=True, help="Tokens.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="All randomness comes from it.")
@click.option("--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="runs/adapted",
    show_default=True,
    help="Run directory.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors and where the encoders are.")
def command(model: str, out: Path, quiet: bool, groups: Path | None, **options: Any) -> None:  # noqa: ANN401
    source = source_from(options)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.adapt_encoders import adapt_encoders, table
    from gradsim_offline.report.table import print_tables

    how = {name: options.pop(name) for name in ("maximum_length", "seed", "device")}
    settings = Adapting(**options)
    adapted = adapt_encoders(
        model, source, out, settings=settings, groups=groups, progress=Progress(quiet=quiet), **how
    )
    if not quiet:
        print_tables([table(adapted)])
    for one in adapted.values():
        click.echo(str(one.directory))
