"""Write the pages that come from the code, docs/commands.md and docs/settings.md: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from pydantic import BaseModel

from gradsim_offline.cli import cli as offline
from gradsim_offline.core import plugins
from gradsim_offline.core.settings import Settings
from gradsim_offline.pipeline.recipes import read_recipe, recipe_names
from gradsim_serving.cli import main as serve

DOCS = Path(__file__).parent
WIDTH = 100


def commands() -> str:
    """Return docs/commands.md: the help text of every command."""
    parts = ["# Commands\n\nWhat `--help` says; written by `make docs`.\n"]
    context = _context(offline, "gradsim-offline")
    parts.append(_help("gradsim-offline", offline, context))
    for name in offline.list_commands(context):
        command = offline.get_command(context, name)
        if command is not None:
            parts.append(_help(f"gradsim-offline {name}", command, _context(command, name, context)))
    parts.append(_help("gradsim-serve", serve, _context(serve, "gradsim-serve")))
    predict = serve.commands["predict"]
    parts.append(_help("gradsim-serve predict", predict, _context(predict, "gradsim-serve predict")))
    return "\n".join(parts)


def settings() -> str:
    """Return docs/settings.md: every setting with its default, and what each recipe changes."""
    lines = [
        "# Settings\n\nWritten by `make docs`. Give them in a recipe (`--recipe my.toml`) or one by one "
        "(`--set training.epochs=5`).\n",
        "| setting | default | meaning |\n|---|---|---|",
        *_rows(Settings(), ""),
        "",
    ]
    for title, kind, prefix in (
        ("Data set", "datasets", "data_options."),
        ("Measure", "similarity", "similarity."),
        ("Strategy", "strategies", "training.strategy_options."),
    ):
        for name in plugins.names(kind):
            section = plugins.load(kind, name, plugins.Plugin).options
            if section is not None:
                lines += [f"## {title} `{name}`\n", "| setting | default | meaning |\n|---|---|---|"]
                lines += [*_rows(section.model_construct(), prefix), ""]
    for name in recipe_names():
        first = (DOCS.parent / "offline/gradsim_offline/recipes" / f"{name}.toml").read_text(encoding="utf-8")
        lines.append(f"## Recipe `{name}`\n\n{first.splitlines()[0].lstrip('# ')}\n")
        lines += [f"- `{key} = {value}`" for key, value in _flat(read_recipe(name), "")]
        lines.append("")
    return "\n".join(lines)


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """Return the context in which a command shows its help: its own settings, and pages of one width."""
    settings = {**command.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    return click.Context(command, parent, name, **settings)


def _help(title: str, command: click.Command, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"


def _rows(section: BaseModel, prefix: str) -> list[str]:
    rows = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            rows += _rows(value, f"{prefix}{name}.")
        else:
            rows.append(f"| `{prefix}{name}` | `{value}` | {(field.description or '').replace('|', chr(92) + '|')} |")
    return rows


def _flat(values: dict[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


PAGES = {"commands.md": commands, "settings.md": settings}

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for page, write in PAGES.items():
        (target / page).write_text(write(), encoding="utf-8")
