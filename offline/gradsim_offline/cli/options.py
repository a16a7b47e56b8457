"""Options that several commands share, as click shows them, and what is made of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradsim_offline.core import plugins
from gradsim_shared.errors import SettingsError

if TYPE_CHECKING:
    from gradsim_offline.core.settings import Settings
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
keep_models = click.option("--keep-models", is_flag=True, help="Leave all trained models there; they are large.")


class GroupNumber(click.ParamType):  # type: ignore[type-arg]
    """A number of groups, or ``auto``."""

    name = "K|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ANN401
        """Return the number, or the word.

        Raises:
            click.BadParameter: It is neither.
        """
        if value == "auto":
            return "auto"
        if not str(value).isdecimal() or int(value) < 1:
            self.fail(f"{value!r} is neither a number from 1 up nor auto", param, ctx)
        return int(value)


COLUMNS = {
    f"{what}_column": click.option(
        f"--{what}-column", metavar="NAME", help=f"Of your own files: the column of the {what}.  [default: {usual}]"
    )
    for what, usual in (
        ("text", "text, review, ..."),
        ("label", "label, category, ..."),
        ("language", "language, lang"),
    )
}

BUILD: dict[str, Option] = {
    "data": click.option(
        "--data",
        metavar="NAME|DIR",
        help="Data set, as `gradsim-offline list` shows them, or your own directory or table.  [default: demo]",
    ),
    "data_dir": click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        help="Directory of the data set's files, <lang>/{train,dev,test}.*  [default: the data set's own rule]",
    ),
    **COLUMNS,
    "languages": click.option(
        "--languages", metavar="CODES", help="Only these languages, as in hau,ibo,yor.  [default: all]"
    ),
    "model": click.option(
        "--model",
        metavar="NAME|DIR",
        help="ngrams, mini, e5-small, a Hugging Face name, or a directory; in a build auto: e5-small where it can "
        "be had.  [default: mini; in a build of your own files auto]",
    ),
    "extra_texts": click.option(
        "--extra-texts",
        type=PATH,
        metavar="DIR",
        help="Keep the pieces of these texts, too, in the vocabulary of a pre-trained encoder: <lang>.txt or "
        "<lang>/*.txt, one text a line.",
    ),
    "offline": offline,
    "recipe": click.option(
        "--recipe", metavar="NAME|FILE", help="Settings to start from (TOML).  [default: by data and model]"
    ),
    "measure": click.option("--measure", metavar="NAME", help="Similarity measure.  [default: gradient]"),
    "groups": click.option(
        "--groups",
        type=GroupNumber(),
        help="Number of groups K, at most, or auto: chosen by dev scores.  [default: the recipe's, else auto; in a "
        "comparison 4]",
    ),
    "keep": click.option(
        "--keep",
        type=click.Choice(["best", "groups", "one", "each"]),
        help="What the bundle holds: what answers dev texts best, or the best in groups, one model, one for each "
        "language.  [default: best; groups where K is a number]",
    ),
    "maximum_milliseconds": click.option(
        "--max-milliseconds",
        "maximum_milliseconds",
        type=click.FloatRange(min=0, min_open=True),
        metavar="X",
        help="The bundle holds nothing that takes longer for a text of median length on one thread.  [default: no "
        "limit]",
    ),
    "solver": click.option("--solver", metavar="NAME", help="Grouping solver.  [default: exact]"),
    "must_link": click.option(
        "--must-link",
        multiple=True,
        metavar="CODES",
        help="Languages that one group serves, as in hau+yor; repeatable.",
    ),
    "cannot_link": click.option(
        "--cannot-link", multiple=True, metavar="CODES", help="Languages never in one group, as in arq+pcm; repeatable."
    ),
    "largest_group": click.option(
        "--largest-group", type=click.IntRange(min=1), help="Members of a group, at most.  [default: no limit]"
    ),
    "budget": click.option(
        "--budget",
        type=float,
        help="Training texts of all groups together, at most, as a multiple of all texts.  [default: no limit]",
    ),
    "singleton_score": click.option(
        "--singleton-score", metavar="RULE", help="A group of one: self, split-half, zero, forbid, or a number."
    ),
    "epochs": click.option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Epochs of measuring and of training each group, exactly: the recipe's minimum of steps is left out.",
    ),
    "adapt": click.option(
        "--adapt",
        type=click.Choice(["none", "tapt", "tapt-group"]),
        help="Train the encoder on, on the training texts without labels: once, or for each group.  [default: none]",
    ),
    "seed": click.option("--seed", type=int, help="All randomness comes from it.  [default: 0]"),
    "device": click.option("--device", metavar="NAME", help="auto, cpu, cuda or mps.  [default: auto]"),
    "name": click.option("--name", metavar="NAME", help="Of the bundle.  [default: the data set's or directory's]"),
    "bundle_version": click.option(
        "--bundle-version", metavar="VERSION", help="Version of the bundle.  [default: 1.0.0]"
    ),
    "endpoint": click.option(
        "--endpoint",
        metavar="NAME",
        help="Where the service answers, as in topic for /topic.  [default: sentiment, ner or pos by the labels, else "
        "the data's name]",
    ),
    "assignments": click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, as in training.epochs=5."
    ),
    "out": click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Run directory.  [default: runs/<data set, or name of your directory>]",
    ),
    "quiet": quiet("the result"),
}


def build_options(*without: str) -> Option:
    """Return the options of ``build``, but for some."""
    return all_of(option for name, option in BUILD.items() if name not in without)


def training_options(*without: str) -> Option:
    """Return the options of ``build`` that experiments have, too: not a method's own, nor those that a bundle has."""
    of_builds = ("measure", "keep", "maximum_milliseconds", "solver", "name", "bundle_version", "endpoint", "out")
    return build_options(*of_builds, *without)


comparison_options = all_of(
    [
        seeds(5),
        click.option(
            "--test/--no-test", default=None, help="Test the differences.  [default: if there are two seeds or more]"
        ),
        permutations("Of each test."),
        keep_models,
        out("Run directory; what is in it is used again.  [default: runs/compare-<data set>]"),
    ]
)


def settings_from(
    *,
    languages: str | None,
    recipe: str | None,
    assignments: tuple[str, ...],
    epochs: int | None,
    singleton_score: str | None,
    groups: int | str | None = None,
    must_link: tuple[str, ...] = (),
    cannot_link: tuple[str, ...] = (),
    largest_group: int | None = None,
    budget: float | None = None,
    adapt: str | None = None,
    chooses_model: bool = False,
    **options: Any,  # noqa: ANN401
) -> Settings:
    """Put the settings together: defaults under the recipe, under the options, under ``--set``.

    ``chooses_model``: ``--model auto`` may be given.

    Raises:
        SettingsError: Something is unknown or impossible.
    """
    from gradsim_offline.pipeline.recipes import resolve

    no_minimum = None if epochs is None else 0
    columns = {f"data_options.{name}": options.pop(name, None) for name in COLUMNS}
    given = {
        **options,
        **columns,
        "languages": None if languages is None else words(languages),
        "grouping.groups": groups,
        "grouping.singleton_score": singleton_score,
        "grouping.must_link": list(must_link) or None,
        "grouping.cannot_link": list(cannot_link) or None,
        "grouping.largest_group": largest_group,
        "grouping.budget": budget,
        "adapting.mode": adapt,
        "measuring.epochs": epochs,
        "measuring.minimum_steps": no_minimum,
        "training.epochs": epochs,
        "training.minimum_steps": no_minimum,
    }
    settings = resolve(recipe, given, assignments, chooses_model=chooses_model)
    plugins.check("datasets", settings.data)
    return settings


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
