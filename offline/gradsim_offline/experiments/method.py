"""A method of a comparison: settings that decide how languages are grouped, over those of the comparison."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradsim_offline.core import plugins
from gradsim_offline.core.settings import Settings
from gradsim_shared.errors import SettingsError

DEFAULT = (
    "multilingual",
    "monolingual",
    "family",
    "typology",
    "embedding-plm",
    "embedding-ft",
    "sprachbund",
    "gradient",
    "transfer",
    "random",
)
_GROUPS = 4  # K of all methods where none is given: each choosing its own costs several times as much
_SECTIONS = ("similarity", "measuring", "grouping")
_ALLOWED = ("measure", "oracle", "baseline", *_SECTIONS)
_FREE: dict[str, Any] = {
    "singleton_score": "self",
    "must_link": [],
    "cannot_link": [],
    "largest_group": None,
    "budget": None,
}


@dataclass(frozen=True)
class Method:
    """One way to group.

    Attributes:
        name: Of its file, or of a sweep's point.
        description: The file's first comment.
        settings: The comparison's, with its own over them.
        oracle: It uses information that is not available in use, and is listed apart.
        layer: The tracked layer whose S decides; ``None``: the measure's own choice.
        variant: Names what else differs from the comparison, as a sweep over a setting does; empty: nothing.
    """

    name: str
    description: str
    settings: Settings
    oracle: bool = False
    layer: str | None = None
    variant: str = ""


def with_groups(settings: Settings) -> Settings:
    """Return settings with a number of groups, the same for all methods, where none was given."""
    if "groups" in settings.grouping.model_fields_set:
        return settings
    grouping = settings.grouping.model_copy(update={"groups": _GROUPS})
    return settings.model_copy(update={"grouping": grouping})


def read_methods(names: Sequence[str], settings: Settings) -> list[Method]:
    """Read methods by name, or by the path of a TOML file.

    Raises:
        SettingsError: There is none of that name, or it is not as it should be.
    """
    if not names:
        raise SettingsError("name at least one method; `gradsim-offline list methods` shows them")
    return [_read(name, settings) for name in names]


def _read(name: str, settings: Settings) -> Method:
    path = Path(name)
    if not name.endswith(".toml"):
        path = plugins.ROOT / "methods" / f"{plugins.check('methods', name)}.toml"
    try:
        text = path.read_text(encoding="utf-8")
        own = tomllib.loads(text)
    except FileNotFoundError as error:
        raise SettingsError(f"the method {path} does not exist") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the method {path} is not valid TOML: {error}") from error
    first = text.splitlines()[0] if text else ""
    description = first.lstrip("# ") if first.startswith("#") else ""
    oracle = _flag(own, "oracle", path.stem)
    return Method(path.stem, description, overlay(settings, own, path.stem), oracle=oracle)


def _flag(own: dict[str, Any], key: str, name: str) -> bool:
    """Pop a flag from a method's settings; the default is false.

    Raises:
        SettingsError: It is neither true nor false.
    """
    value = own.pop(key, False)
    if not isinstance(value, bool):
        raise SettingsError(f"method {name}: {key} = {value!r}; it is true or false")
    return value


def overlay(settings: Settings, given: Mapping[str, Any], name: str) -> Settings:
    """Override the comparison's settings by a method's; settings of another measure are dropped.

    A baseline (``baseline = true``) is not held to constraints, nor to the rule for groups of one.

    Raises:
        SettingsError: A setting is unknown, impossible, or one that is held equal.
    """
    for key, value in given.items():
        if key not in _ALLOWED:
            raise SettingsError(
                f"method {name}: it sets {key}; a method decides how languages are grouped ({', '.join(_ALLOWED)}), "
                "and everything else is held equal"
            )
        if key in _SECTIONS and not isinstance(value, dict):
            raise SettingsError(f"method {name}: {key} is a section, written [{key}]")
    values = settings.model_dump()
    given = dict(given)
    if _flag(given, "baseline", name):
        values["grouping"] |= _FREE
    if given.get("measure", settings.measure) != settings.measure:
        values["similarity"] = {}
    for key, value in given.items():
        values[key] = {**values[key], **value} if key in _SECTIONS else value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"][:2])  # section and name
        what = f"{setting} = {first['input']!r}: " if setting else ""  # else it is about several sections
        raise SettingsError(f"method {name}: {what}{first['msg'].removeprefix('Value error, ')}") from error


def check(methods: Sequence[Method], languages: Sequence[str]) -> None:
    """Check that the methods can stand in one comparison.

    Raises:
        SettingsError: Two methods have one name, or K > N.
    """
    for position, method in enumerate(methods):
        chosen = method.settings
        if method.name in [other.name for other in methods[:position]]:
            raise SettingsError(f"{method.name} is named twice; leave one out, or rename its file")
        most = chosen.grouping.groups
        if most != "auto" and most > len(languages):
            raise SettingsError(
                f"K = {most} groups of {len(languages)} languages: at most one group per language; "
                f"set --groups {len(languages)} or fewer"
            )
