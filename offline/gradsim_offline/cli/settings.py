"""``gradsim-offline settings``: every setting, its default and what it means; or those of a recipe."""

from __future__ import annotations

import click
from pydantic import BaseModel

from gradsim_offline import plugins
from gradsim_offline.config import Section, resolve


@click.command("settings", help="Show every setting with its value and what it means.")
@click.option("--recipe", metavar="NAME|FILE", help="Show the values that this recipe gives.  [default: mini]")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change one, to see that it is understood."
)
@click.option("--measure", metavar="NAME", help="Show the settings of this similarity measure, too.")
def command(recipe: str | None, assignments: tuple[str, ...], measure: str | None) -> None:
    _show(resolve(recipe or "mini", {}, assignments), "")
    if measure is not None:
        section = getattr(plugins.load("similarity", measure), "Options", None)
        _show(section.model_construct() if section else Section(), "similarity.")


def _show(section: BaseModel, prefix: str) -> None:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            _show(value, f"{prefix}{name}.")
        else:
            click.echo(f"{prefix + name:<34} {value!s:<14} {field.description or ''}")
