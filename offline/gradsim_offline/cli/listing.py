"""``gradsim-offline list``: every plug-in by kind, with its first line; nothing of them is imported."""

from __future__ import annotations

import json

import click

from gradsim_offline.core import plugins


@click.command(
    "list", help="Show data sets, similarity measures, solvers, tasks, encoders, recipes, methods, strategies."
)
@click.argument("kind", required=False, type=click.Choice(sorted(plugins.KINDS)))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str | None, as_json: bool) -> None:
    if as_json:
        kinds = [name for name in plugins.KINDS if kind in (None, name)]
        found = {name: {one: plugins.description(name, one) for one in plugins.names(name)} for name in kinds}
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for name in plugins.KINDS:
        if kind in (None, name):
            click.secho(f"{name}:", bold=True)
            for plugin in plugins.names(name):
                click.echo(f"  {plugin:<22} {plugins.description(name, plugin)}")
                if name == "datasets":
                    _show_origin(plugin)


def _show_origin(data: str) -> None:
    """Show the licence and the citation of a data set."""
    origin = [plugins.constant("datasets", data, variable) for variable in ("LICENCE", "CITATION")]
    click.echo(f"  {'':<22} Licence: {'; '.join(filter(None, origin)) or 'not stated'}")
