"""``gradsim-offline assign``: find the group for a language that a bundle does not know, and add it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.options import COLUMNS, PATH, all_of, data_options_from, data_settings

HELP = """Find the group that would serve a new language best; with --add, write a bundle that serves it.

Ten to 500 labelled examples will do: DIR/<lang>/train.tsv, .csv or .jsonl (tagged words: .conll, .conllu or .jsonl),
with the bundle's labels. With --add the language identifier is trained again, for which the texts that the bundle was
built from are read; from 20 texts on the language's own n-grams are trained too, and answer alone or beside the group
where cross-validation says that they help. No model of the bundle changes.

Example: gradsim-offline assign --bundle runs/mine/bundle --data few-texts --language sun --add --out runs/with-sun
"""


@click.command("assign", help=HELP)
@click.option("--bundle", "directory", required=True, type=PATH, help="The bundle.")
@click.option("--data", required=True, type=PATH, metavar="DIR|FILE", help="Holds <lang>/train.*, or is a table.")
@all_of(COLUMNS.values())
@data_settings
@click.option("--language", required=True, metavar="CODE", help="The new language; ISO 639.")
@click.option("--add", is_flag=True, help="Write a bundle that serves it, to --out or --in-place.")
@click.option("--out", type=PATH, metavar="DIR", help="Where the new bundle goes.")
@click.option("--in-place", is_flag=True, help="Change the bundle itself.")
@click.option(
    "--by",
    type=click.Choice(["score", "gradient"]),
    default="score",
    help="What chooses: the groups' models on the examples, or their gradients.  [default: score]",
)
@click.option(
    "--group", metavar="ID", help="Its group; n-grams of its own may still answer.  [default: let --by choose]"
)
@click.option(
    "--bundle-version", "version", metavar="VERSION", help="Of the new bundle.  [default: the old one's+CODE]"
)
@click.option("--known-data", metavar="NAME", help="Data set that the bundle was built from.  [default: as it says]")
@click.option("--known-data-dir", "known_directory", type=PATH, metavar="DIR", help="Its files.")
@click.option("--force", is_flag=True, help="Also with fewer than 10 examples, or with other known texts.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the bootstrap, and of folds.  [default: 0]")
@click.option("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps.  [default: auto]")
@click.option("--json", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write what was found.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors and the result.")
def command(assignments: tuple[str, ...], quiet: bool, **options: Any) -> None:  # noqa: ANN401 - click's own
    from rich.console import Console

    from gradsim_offline.core.disk import full_disk_said
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.assign.assign import assign

    chosen = data_options_from(assignments, {name: options.pop(name) for name in COLUMNS})
    console = Console(highlight=False, soft_wrap=True)
    written = options["json"].parent if options["json"] and not options["add"] else options["out"]
    with full_disk_said(written or options["directory"]):
        assign(**options, options=chosen, progress=Progress(quiet=quiet), console=console)
