"""The options of ``build``, which comparisons and experiments share, and the settings that are made of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gradsim_offline.cli.options import (
    COLUMNS,
    PATH,
    Option,
    all_of,
    engine_options,
    keep_models,
    offline,
    out,
    permutations,
    quiet,
    seeds,
    words,
)
from gradsim_offline.core import plugins

if TYPE_CHECKING:
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.core.settings import Settings


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


BUILD: dict[str, Option] = {
    "data": click.option(
        "--data",
        metavar="NAME|DIR",
        help="Data set, as `gradsim-offline list` shows them, or your own directory or table.  [default: demo]",
    ),
    "data_dir": click.option(
        "--data-dir",
        type=PATH,
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
    "trackers": click.option(
        "--tracker",
        "trackers",
        multiple=True,
        type=click.Choice(["tensorboard", "mlflow", "wandb"]),
        help="Send the figures of metrics.jsonl there, too; repeatable.",
    ),
    "name": click.option("--name", metavar="NAME", help="Of the bundle.  [default: the data set's or directory's]"),
    "bundle_version": click.option(
        "--bundle-version", metavar="VERSION", help="Version of the bundle.  [default: 1.0.0]"
    ),
    "endpoint": click.option(
        "--endpoint",
        metavar="NAME",
        help="Where the service answers, as in topic for /topic.  [default: sentiment, ner, pos, nli or paraphrase by "
        "the labels, else the data's name]",
    ),
    "assignments": click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, as in training.epochs=5."
    ),
    "out": out("Run directory.  [default: runs/<data set, or name of your directory>]"),
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
        engine_options,
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
    trackers: tuple[str, ...] = (),
    adapt: str | None = None,
    choosing: Progress | None = None,
    **options: Any,  # noqa: ANN401
) -> Settings:
    """Put the settings together: defaults under the recipe, under the options, under ``--set``.

    ``choosing``: ``--model auto`` may be given, and it shows what that is.

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
        "trackers": list(trackers) or None,
        "adapting.mode": adapt,
        "measuring.epochs": epochs,
        "measuring.minimum_steps": no_minimum,
        "training.epochs": epochs,
        "training.minimum_steps": no_minimum,
    }
    settings = resolve(recipe, given, assignments, choosing=choosing)
    plugins.check("datasets", settings.data)
    return settings
