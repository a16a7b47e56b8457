"""``gradsim-offline build``, and each of its stages as a command of its own with the same options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradsim_offline.core import plugins

if TYPE_CHECKING:
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


_OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "--data",
        metavar="NAME|DIR",
        help="Data set, as `gradsim-offline list` shows them, or a directory of your own files.  [default: demo]",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        help="Directory of the data set's files, <lang>/{train,dev,test}.*  [default: the data set's own rule]",
    ),
    click.option("--languages", metavar="CODES", help="Only these languages, as in hau,ibo,yor.  [default: all]"),
    click.option("--model", metavar="NAME|DIR", help="mini, a Hugging Face name, or a directory.  [default: mini]"),
    click.option("--recipe", metavar="NAME|FILE", help="Settings to start from (TOML).  [default: by data and model]"),
    click.option("--measure", metavar="NAME", help="Similarity measure.  [default: gradient]"),
    click.option(
        "--groups",
        type=GroupNumber(),
        help="Number of groups K, at most, or auto: chosen by dev scores.  [default: the recipe's]",
    ),
    click.option("--solver", metavar="NAME", help="Grouping solver.  [default: exact]"),
    click.option(
        "--must-link",
        multiple=True,
        metavar="CODES",
        help="Languages that one group serves, as in hau+yor; repeatable.",
    ),
    click.option(
        "--cannot-link", multiple=True, metavar="CODES", help="Languages never in one group, as in arq+pcm; repeatable."
    ),
    click.option(
        "--largest-group", type=click.IntRange(min=1), help="Members of a group, at most.  [default: no limit]"
    ),
    click.option(
        "--budget",
        type=float,
        help="Training texts of all groups together, at most, as a multiple of all texts.  [default: no limit]",
    ),
    click.option(
        "--singleton-score", metavar="RULE", help="A group of one: self, split-half, zero, forbid, or a number."
    ),
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Epochs of measuring and of training each group, exactly: the recipe's minimum of steps is left out.",
    ),
    click.option(
        "--adapt",
        type=click.Choice(["none", "tapt", "tapt-group"]),
        help="Train the encoder on, on the training texts without labels: once, or for each group.  [default: none]",
    ),
    click.option("--seed", type=int, help="All randomness comes from it.  [default: 0]"),
    click.option("--device", metavar="NAME", help="auto, cpu, cuda or mps.  [default: auto]"),
    click.option("--name", metavar="NAME", help="Name of the bundle.  [default: the data set's]"),
    click.option("--bundle-version", metavar="VERSION", help="Version of the bundle.  [default: 1.0.0]"),
    click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting, as in training.epochs=5."
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Run directory.  [default: runs/<data set>]",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors and the result."),
]


def command_until(name: str, description: str) -> click.Command:
    """Return the command that runs the stages up to ``name``; ``build`` runs them all."""

    def run(**options: Any) -> None:  # noqa: ANN401 - click's own
        _run("bundle" if name == "build" else name, **options)

    before = "" if name == "build" else "\n\nRuns the stages before it, too, where they are not up to date."
    command: click.Command = click.command(name, help=description + before)(run)
    for option in _OPTIONS:
        command = option(command)
    return command


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
    **options: Any,  # noqa: ANN401
) -> Settings:
    """Put the settings together: defaults under the recipe, under the options, under ``--set``.

    Raises:
        SettingsError: Something is unknown or impossible.
    """
    from gradsim_offline.pipeline.recipes import resolve

    no_minimum = None if epochs is None else 0
    given = {
        **options,
        "languages": languages.replace(",", " ").split() if languages is not None else None,
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
    settings = resolve(recipe, given, assignments)
    plugins.check("datasets", settings.data)
    return settings


def _run(
    until: str,
    *,
    out: Path | None,
    quiet: bool,
    solver: str | None,
    bundle_version: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    settings = settings_from(**{**options, "grouping.solver": solver, "version": bundle_version})
    plugins.check("similarity", settings.measure)
    plugins.check("solvers", settings.grouping.solver)
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.pipeline.build import build

    run = out or Path("runs") / settings.data
    bundle = build(settings, run, Progress(quiet=quiet), until=until)
    if until != "bundle":
        click.echo(str(run))
        return
    from gradsim_offline.report.bundle_tables import print_bundle

    print_bundle(bundle)
