"""Options that several commands share, as click shows them, and what is made of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradsim_shared.errors import SettingsError

if TYPE_CHECKING:
    from gradsim_offline.experiments.text_source import TextSource

Option = Callable[[Any], Any]
"""A decorator that adds an option, or several, to a command's function."""

PATH = click.Path(path_type=Path)
POSITIVE = click.IntRange(min=1)


def words(text: str) -> list[str]:
    """Return the words of an option's value, as in ``hau,ibo``, each once."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def all_of(options: Iterable[Option]) -> Option:
    """Return one decorator for several, in the order in which ``--help`` shows them."""
    options = list(options)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def out(meaning: str, default: str | None = None) -> Option:
    """Return ``--out``, the directory that a command writes to."""
    directory = click.Path(path_type=Path, file_okay=False)
    return click.option("--out", type=directory, default=default, show_default=default is not None, help=meaning)


def seeds(default: int, meaning: str = "How many, counted from --seed.") -> Option:
    """Return ``--seeds``, the number of repetitions."""
    return click.option("--seeds", type=POSITIVE, default=default, show_default=True, help=meaning)


def permutations(meaning: str, default: int = 10_000) -> Option:
    """Return ``--permutations``, the number of a test's draws."""
    return click.option("--permutations", type=POSITIVE, default=default, show_default=True, help=meaning)


def seed(meaning: str = "All randomness comes from it.") -> Option:
    """Return ``--seed`` of a command that is no build."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=meaning)


def quiet(shown: str) -> Option:
    """Return ``--quiet``; errors are shown even then, and what is named."""
    return click.option("-q", "--quiet", is_flag=True, help=f"Show nothing but errors and {shown}.")


device = click.option("--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
maximum_length = click.option(
    "--maximum-length", type=click.IntRange(min=8), default=128, show_default=True, help="Tokens."
)
offline = click.option(
    "--offline",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda _context, _option, given: os.environ.update(HF_HUB_OFFLINE="1") if given else None,
    help="Download nothing, as with HF_HUB_OFFLINE=1: take models and data sets that are on this machine.",
)
engine_options = all_of(
    [
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Where trainings run: here, or on the Ray cluster that RAY_ADDRESS names, else one on this machine.",
        ),
        click.option(
            "--jobs",
            type=POSITIVE,
            default=1,
            show_default=True,
            help="Trainings at once, in processes of this machine.",
        ),
        click.option(
            "--job-cpus", type=POSITIVE, help="Threads of a training.  [default: with --jobs its share; on Ray 1]"
        ),
        click.option(
            "--job-gpus",
            type=click.FloatRange(min=0),
            help="Of a Ray cluster's GPUs, what a training takes; 0.5: two share one.  [default: 0]",
        ),
    ]
)
keep_models = click.option("--keep-models", is_flag=True, help="Leave all trained models there; they are large.")


COLUMNS = {
    f"{what.split()[0]}_column": click.option(
        f"--{what.split()[0]}-column",
        metavar="NAME",
        help=f"Of your own files: the column of the {what}.  [default: {usual}]",
    )
    for what, usual in (
        ("text", "text, review, ..."),
        ("second text of pairs", "text_b, hypothesis, ..."),
        ("label", "label, category, ..."),
        ("language", "language, lang"),
    )
}

COLUMNS["task"] = click.option(
    "--task",
    type=click.Choice(["text_classification", "multi_label_classification"]),
    help="Of your own labelled texts: whether each has one label, or several.  [default: as the files show]",
)

data_settings = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="The data set's own settings, as in data_options.text_column=review.",
)
text_options = all_of(
    [
        click.option("--model", metavar="NAME|DIR", required=True, help="A directory, e5-small, or a name on the Hub."),
        offline,
        click.option(
            "--text", type=PATH, metavar="DIR", help="Directory of <lang>.txt or <lang>/*.txt, one text a line."
        ),
        click.option(
            "--data",
            metavar="NAME|DIR",
            help="Instead of --text: the train texts of a data set, or of your own labelled directory or table; "
            "no label is used.",
        ),
        click.option("--data-dir", type=PATH, help="Directory of its files.  [default: the data set's own rule]"),
        *COLUMNS.values(),
        click.option("--languages", metavar="CODES", help="Only these languages, as in hau,ibo,yor.  [default: all]"),
        data_settings,
    ]
)


def data_options_from(assignments: tuple[str, ...], columns: Mapping[str, str | None]) -> Mapping[str, Any]:
    """Return the data set's own settings of ``--set`` and of ``COLUMNS``, for commands that know no others.

    Raises:
        SettingsError: There is another setting.
    """
    from gradsim_offline.pipeline.recipes import resolve

    for text in assignments:
        if not text.startswith("data_options."):
            raise SettingsError(f"--set {text}: only settings of the data set go here, as data_options.NAME=VALUE")
    return resolve("mini", {f"data_options.{name}": of for name, of in columns.items()}, assignments).data_options


def source_from(options: dict[str, Any]) -> TextSource:
    """Take the values of ``text_options`` but the model out of all values, and return what they name."""
    from gradsim_offline.experiments.text_source import TextSource

    codes = options.pop("languages")
    languages = None if codes is None else words(codes)
    chosen = data_options_from(options.pop("assignments"), {name: options.pop(name) for name in COLUMNS})
    return TextSource(options.pop("text"), options.pop("data"), options.pop("data_dir"), languages, chosen)
