"""``gradsim-offline inspect``: verify a bundle and show what is in it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("inspect", help="Verify a bundle and show its groups, scores and where it comes from.")
@click.argument("bundle", type=click.Path(path_type=Path))
def command(bundle: Path) -> None:
    from gradsim_offline.report.bundle_tables import print_bundle

    print_bundle(bundle)
