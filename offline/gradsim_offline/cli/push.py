"""``gradsim-offline push``: publish a bundle on the Hugging Face Hub, or in the BentoML model store."""

from __future__ import annotations

from pathlib import Path

import click

from gradsim_offline.cli.options import PATH

HELP = """Publish a bundle, with a model card written from its manifest.

NAME is `user/name` on the Hub, or `name[:version]` in the BentoML model store of this machine. The bundle is verified
before it goes. `--to directory` writes what would be published to the directory NAME, to look at it.

\b
  gradsim-offline push runs/reviews/bundle me/reviews --private
  gradsim-offline push runs/reviews/bundle reviews:1.0.0 --to bentoml
  gradsim-offline push runs/reviews/bundle shared/reviews --to directory
"""


@click.command("push", help=HELP)
@click.argument("bundle", type=PATH)
@click.argument("name")
@click.option("--to", type=click.Choice(["hub", "bentoml", "directory"]), default="hub", show_default=True)
@click.option("--revision", metavar="BRANCH", help="On the Hub: the branch, made if need be.  [default: main]")
@click.option("--private", is_flag=True, help="On the Hub: a new repository is private.")
def command(bundle: Path, name: str, to: str, revision: str | None, private: bool) -> None:
    if to != "hub" and (revision or private):
        raise click.UsageError("--revision and --private are for the Hub")
    from gradsim_offline.bundle import sharing
    from gradsim_shared.errors import SettingsError

    if to == "hub":
        click.echo(sharing.push_to_hub(bundle, name, revision=revision, private=private))
    elif to == "bentoml":
        click.echo(sharing.push_to_bentoml(bundle, name))
    else:
        place = Path(name)
        if place.exists():
            raise SettingsError(f"{place} is there already; choose another directory")
        sharing.lay_out(bundle, place)
        click.echo(str(place))
