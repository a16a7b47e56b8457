"""``gradsim-offline inspect``: verify a bundle and show what is in it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("inspect", help="Verify a bundle and show its groups, scores and where it comes from.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(bundle: Path, as_json: bool) -> None:
    if as_json:
        from gradsim_shared.bundle import open_bundle

        click.echo(open_bundle(bundle).manifest.model_dump_json(indent=1))
        return
    from gradsim_offline.report.bundle_tables import print_bundle

    print_bundle(bundle)
