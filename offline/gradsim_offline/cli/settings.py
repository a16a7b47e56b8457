"""``gradsim-offline settings``: every setting, its default and what it means; or those of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
from pydantic import BaseModel

from gradsim_offline.core import plugins
from gradsim_offline.datasets.source import named
from gradsim_offline.pipeline.recipes import resolve

SettingRow = tuple[str, object, str]  # name, value, meaning
_NAMES = 34  # characters of the column of names, at least


@click.command("settings", help="Show every setting with its value and what it means.")
@click.option("--recipe", metavar="NAME|FILE", help="Show the values that this recipe gives.  [default: mini]")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change one, to see that it is understood."
)
@click.option("--measure", metavar="NAME", help="Show the settings of this similarity measure, too.")
@click.option("--data", metavar="NAME|DIR", help="Show the settings of this data set, too.")
@click.option("--strategy", metavar="NAME", help="Show the settings of this training strategy, too.")
def command(
    recipe: str | None, assignments: tuple[str, ...], measure: str | None, strategy: str | None, data: str | None
) -> None:
    resolved = resolve(recipe or "mini", {}, assignments)
    rows = [list(_rows(resolved, ""))]
    if measure is not None:
        given = resolved.similarity if measure == resolved.measure else {}
        rows.append(_option_rows("similarity", measure, given, "similarity."))
    if data is not None:
        data, _ = named(data, None)
        given = resolved.data_options if data == resolved.data else {}
        rows.append(_option_rows("datasets", data, given, "data_options."))
    if strategy is not None:
        given = resolved.training.strategy_options if strategy == resolved.training.strategy else {}
        rows.append(_option_rows("strategies", strategy, given, "training.strategy_options."))
    for block in rows:
        width = max(_NAMES, *(len(name) for name, _, _ in block))
        for name, value, meaning in block:
            click.echo(f"{name:<{width}} {value!s:<14} {meaning}")


def _option_rows(kind: str, name: str, given: Mapping[str, Any], prefix: str) -> list[SettingRow]:
    """Return a plug-in's own settings: the defaults, under what is given; or that it has none."""
    section = plugins.load(kind, name, plugins.Plugin).options
    if section is None:
        return [(f"{prefix}*", "-", f"the {plugins.KINDS[kind].noun} {name} has no settings of its own")]
    return list(_rows(section.model_construct(**given), prefix))  # not validated: a default may be no valid value


def _rows(section: BaseModel, prefix: str) -> Iterator[SettingRow]:
    """Yield each setting's name, value and meaning."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, field.description or ""
