"""A file is its own registration: list a folder's files without importing them, import the one that is named."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown

ROOT = Path(__file__).parents[1]
FOLDERS = {  # folder: what one of its files is called in messages
    "datasets/sources": "data set",
    "similarity/measures": "similarity measure",
    "grouping/solvers": "solver",
    "tasks": "task",
    "training/encoders": "encoder",
    "recipes": "recipe",
    "methods": "method",
    "training/strategies": "training strategy",
}
KINDS = {  # what people call it: folder
    "datasets": "datasets/sources",
    "similarity": "similarity/measures",
    "solvers": "grouping/solvers",
    "tasks": "tasks",
    "encoders": "training/encoders",
    "recipes": "recipes",
    "methods": "methods",
    "strategies": "training/strategies",
}
_SETTINGS = ("recipes", "methods")  # folders of TOML files: settings, described by their first comment


def names(folder: str) -> list[str]:
    """Return the names of a folder's plug-ins; a file whose name begins with ``_`` is private, not one of them."""
    suffix = ".toml" if folder in _SETTINGS else ".py"
    return sorted(path.stem for path in (ROOT / folder).glob(f"*{suffix}") if not path.name.startswith("_"))


def check(folder: str, name: str) -> str:
    """Return the module name of a plug-in, or the name of its TOML file, without importing it.

    Raises:
        SettingsError: There is none of that name; the message names the nearest and all that there are.
    """
    module = name if folder in _SETTINGS else name.replace("-", "_")
    if module not in names(folder):
        raise SettingsError(unknown(FOLDERS[folder], name, names(folder)))
    return module


def load(folder: str, name: str) -> ModuleType:
    """Import one plug-in by its name.

    Raises:
        SettingsError: There is none of that name.
    """
    return import_module(f"gradsim_offline.{folder.replace('/', '.')}.{check(folder, name)}")


def options(folder: str, name: str, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each plug-in has its own class
    """Return a plug-in's own settings: an instance of its ``Options`` section, ``None`` if it has no settings.

    Raises:
        SettingsError: It does not know one of them, or a value is impossible.
    """
    section = getattr(load(folder, name), "Options", None)
    if section is None:
        if given:
            raise SettingsError(f"the {FOLDERS[folder]} {name} has no settings, not {', '.join(given)}")
        return None
    try:
        return section.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        known = f"; it knows {', '.join(section.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise SettingsError(
            f"{FOLDERS[folder]} {name}: {setting} = {first['input']!r}: {first['msg']}{known}"
        ) from error


def description(folder: str, name: str) -> str:
    """Return the first line of a plug-in, read as text: nothing is imported."""
    if folder in _SETTINGS:
        return (ROOT / folder / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    return (ast.get_docstring(_syntax(folder, name)) or "").splitlines()[0]


def constant(folder: str, name: str, variable: str) -> str:
    """Return a plug-in's constant such as ``LICENCE``, read as text: nothing is imported; empty if it is no string."""
    for statement in _syntax(folder, name).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=str(text))) if found == variable:
                return text
    return ""


def _syntax(folder: str, name: str) -> ast.Module:
    return ast.parse((ROOT / folder / f"{name}.py").read_text(encoding="utf-8"))
