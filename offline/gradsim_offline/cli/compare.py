"""``gradsim-offline compare``: methods by seeds on one data set, in one table, with tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build import command_until, settings_from
from gradsim_offline.experiments.method import DEFAULT

_NOT_OURS = ("measure", "solver", "name", "bundle_version", "out")  # a method's own choices; what only a bundle has

SEEDS: list[click.Parameter] = [
    click.Option(
        ["--seeds"], type=click.IntRange(min=1), default=5, show_default=True, help="How many, counted from --seed."
    ),
    click.Option(
        ["--test/--no-test"], default=None, help="Test the differences.  [default: if there are two seeds or more]"
    ),
    click.Option(
        ["--permutations"], type=click.IntRange(min=1), default=10_000, show_default=True, help="Of each test."
    ),
    click.Option(["--keep-models"], is_flag=True, help="Leave all trained models there; they are large."),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path, file_okay=False),
        help="Run directory; what is in it is used again.  [default: runs/compare-<data set>]",
    ),
]


def build_options(*without: str) -> list[click.Parameter]:
    """Return the options of ``build`` that comparisons have, too."""
    return [option for option in command_until("build", "").params if option.name not in (*_NOT_OURS, *without)]


def _run(
    *,
    methods: str,
    seeds: int,
    test: bool | None,
    permutations: int,
    keep_models: bool,
    out: Path | None,
    quiet: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    settings = settings_from(**options)
    names = methods.replace(",", " ").split()
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.compare import compare
    from gradsim_offline.report.comparison_tables import print_comparison

    run = out or Path("runs") / f"compare-{settings.data}"
    how: dict[str, Any] = {"seeds": seeds, "test": test, "permutations": permutations, "keep_models": keep_models}
    print_comparison(compare(settings, names, run, Progress(quiet=quiet), **how))
    click.echo(f"Also as {run / 'compare.json'}, .md, .tex and .html")


command = click.Command(
    "compare",
    callback=_run,
    help="Compare ways of grouping: every method with every seed, scored per language, and tested.\n\n"
    "All start from the same encoder and train on the same schedule. What is computed is kept: an interrupted "
    "comparison goes on, and one with more methods or seeds computes only these.",
    params=[
        click.Option(
            ["--methods"],
            metavar="NAMES",
            default=",".join(DEFAULT),
            help="Names (`gradsim-offline list methods`), or .toml files of your own.  [default: the paper's]",
        ),
        *SEEDS,
        *build_options(),
    ],
)
