"""Plug-ins: a file in a kind's folder is its own registration, and so is an entry point of an installed package.

Names and descriptions are read without importing anything; only the plug-in that is named is imported. A plug-in is a
module whose ``PLUGIN`` is the record of its kind: ``DatasetSource``, ``SimilarityMeasure``, ``Solver``,
``TrainingStrategy`` or ``Task``. A package of your own adds one with an entry point::

    [project.entry-points."gradsim_offline.similarity"]
    mine = "my_package.my_measure"
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import unknown

PACKAGE = "gradsim_offline"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the records of all kinds have in common.

    Attributes:
        options: The class of the plug-in's own settings; ``None``: it has none.
    """

    options: type[BaseModel] | None = None


AnyPlugin = TypeVar("AnyPlugin", bound=Plugin)


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in.

    Attributes:
        noun: What one is called in messages.
        folder: Where its files are, below the package.
        toml: Whether they are settings in TOML, described by their first comment, rather than modules.
    """

    noun: str
    folder: str
    toml: bool = False


KINDS = {  # by the name that `gradsim-offline list` takes; entry points are in the group gradsim_offline.<name>
    "datasets": Kind("data set", "datasets/sources"),
    "similarity": Kind("similarity measure", "similarity/measures"),
    "solvers": Kind("solver", "grouping/solvers"),
    "tasks": Kind("task", "tasks"),
    "encoders": Kind("encoder", "training/encoders"),
    "recipes": Kind("recipe", "recipes", toml=True),
    "methods": Kind("method", "methods", toml=True),
    "strategies": Kind("training strategy", "training/strategies"),
}


def names(kind: str) -> list[str]:
    """Return the names of a kind's plug-ins; files whose names begin with ``_`` are private, not plug-ins."""
    suffix = ".toml" if KINDS[kind].toml else ".py"
    files = {path.stem for path in (ROOT / KINDS[kind].folder).glob(f"*{suffix}") if not path.name.startswith("_")}
    return sorted(files | set(_installed(kind)))


def check(kind: str, name: str) -> str:
    """Return the name of a plug-in as ``names`` has it, without importing it.

    Raises:
        SettingsError: There is none of that name; the message names the nearest and all that there are.
    """
    known = names(kind)
    spelled = next((spelling for spelling in (name, name.replace("-", "_")) if spelling in known), None)
    if spelled is None:
        raise SettingsError(unknown(KINDS[kind].noun, name, known))
    return spelled


def load(kind: str, name: str, record: type[AnyPlugin]) -> AnyPlugin:
    """Import one plug-in by its name.

    Args:
        kind: One of ``KINDS``.
        name: Of the plug-in.
        record: The type of its ``PLUGIN``.

    Raises:
        SettingsError: There is none of that name, or an installed package's is not of this kind.
    """
    module = _module(kind, name)
    plugin = getattr(import_module(module), "PLUGIN", None)
    if not isinstance(plugin, record):
        raise SettingsError(f"{KINDS[kind].noun} {name}: {module} has no PLUGIN of type {record.__name__}")
    return plugin


def options(kind: str, name: str, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each plug-in has its own class
    """Return a plug-in's own settings: an instance of its ``options``, ``None`` if it has no settings.

    Raises:
        SettingsError: It does not know one of them, or a value is impossible.
    """
    noun, section = KINDS[kind].noun, load(kind, name, Plugin).options
    if section is None:
        if given:
            raise SettingsError(f"the {noun} {name} has no settings, not {', '.join(given)}")
        return None
    try:
        return section.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        known = f"; it knows {', '.join(section.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise SettingsError(f"{noun} {name}: {setting} = {first['input']!r}: {first['msg']}{known}") from error


def description(kind: str, name: str) -> str:
    """Return the first line of a plug-in, read as text: nothing is imported."""
    if KINDS[kind].toml:
        return (ROOT / KINDS[kind].folder / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    return (ast.get_docstring(_syntax(kind, name)) or " ").splitlines()[0]


def constant(kind: str, name: str, variable: str) -> str:
    """Return a plug-in's constant such as ``LICENCE``, read as text: nothing is imported; empty if it is no string."""
    for statement in _syntax(kind, name).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))) if target == variable:
                return text
    return ""


def _installed(kind: str) -> dict[str, EntryPoint]:
    """Return the plug-ins of other packages."""
    return _entry_points(f"{PACKAGE}.{kind}", tuple(sys.path))


@cache
def _entry_points(group: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Look a group up, which takes milliseconds, once for each import path."""
    return {point.name: point for point in entry_points(group=group)}


def _module(kind: str, name: str) -> str:
    """Return the name of a plug-in's module."""
    spelled = check(kind, name)
    point = _installed(kind).get(spelled)
    return point.value if point else f"{PACKAGE}.{KINDS[kind].folder.replace('/', '.')}.{spelled}"


def _syntax(kind: str, name: str) -> ast.Module:
    """Parse a plug-in's file; of another package only the packages around the module are imported."""
    spec = find_spec(_module(kind, name))
    if spec is None or spec.origin is None:
        raise SettingsError(f"{KINDS[kind].noun} {name}: there is no module {_module(kind, name)}")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
