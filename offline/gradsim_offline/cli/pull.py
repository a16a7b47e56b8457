"""``gradsim-offline pull``: fetch a bundle from the Hugging Face Hub, or from the BentoML model store."""

from __future__ import annotations

from pathlib import Path

import click

from gradsim_offline.cli.options import out

HELP = """Fetch a bundle into a new directory, and verify every file of it.

NAME is as `push` takes it. The last line says which version it is: give it as --revision to have the same again.

\b
  gradsim-offline pull me/reviews --out bundles/reviews
  gradsim-offline pull reviews:latest --from bentoml --out bundles/reviews
"""


@click.command("pull", help=HELP)
@click.argument("name")
@click.option("--from", "store", type=click.Choice(["hub", "bentoml"]), default="hub", show_default=True)
@click.option("--revision", metavar="NAME", help="On the Hub: branch, tag or commit.  [default: main]")
@out("Where it goes; it must not be there yet.  [default: bundles/<name>]")
def command(name: str, store: str, revision: str | None, out: Path | None) -> None:
    if store != "hub" and revision:
        raise click.UsageError("--revision is for the Hub")
    from gradsim_offline.bundle import sharing

    place = out or Path("bundles", name.rpartition("/")[2].partition(":")[0])
    if store == "hub":
        version = sharing.pull_from_hub(name, place, revision=revision)
    else:
        version = sharing.pull_from_bentoml(name, place)
    click.echo(f"{place}\n{version}\nServe it: gradsim-serve {place}")
