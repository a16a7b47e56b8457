"""From recipes (TOML), command-line options and ``--set`` to settings: each lies over the one before."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import AUTO, E5_SMALL, Settings
from gradsim_offline.datasets.source import FILES, data_name, load_source, named
from gradsim_shared.errors import SettingsError
from gradsim_shared.nearest import nearest, unknown

_UPPER_BLOCKS = ("token_classification", "pair_classification", "question_answering")  # others read single texts
RECIPES = Path(__file__).parents[1] / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def default_recipe(
    data: str, model: str, data_dir: Path | None = None, options: Mapping[str, Any] | None = None
) -> str:
    """Return the recipe that is used when none is named: by the data set if it has one, else by model and task."""
    if model == "ngrams":
        return "ngrams"
    if model == E5_SMALL:
        return "upper-blocks" if task_of(data, data_dir, options) in _UPPER_BLOCKS else "frozen"
    if model != "mini":
        return "pretrained"
    if data.replace("-", "_") in recipe_names():
        return data.replace("-", "_")
    of_tokens = ("token_classification", "question_answering")
    return "mini-tagging" if task_of(data, data_dir, options) in of_tokens else "mini"


def task_of(data: str, data_dir: Path | None, options: Mapping[str, Any] | None) -> str:
    """Return a data set's task; that of a user's own files is seen from them."""
    source = load_source(data)
    return source.task_in(data_dir, options or {}) if data_dir and source.task_in is not None else source.task


def read_recipe(name: str) -> dict[str, Any]:
    """Read a recipe by its name or by the path of a TOML file.

    Raises:
        SettingsError: There is none, or it is not TOML.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise SettingsError(f"the recipe {path} does not exist")
        raise SettingsError(unknown("recipe", name, recipe_names()) + " Or name a .toml file.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the recipe {path} is not valid TOML: {error}") from error


def resolve(
    recipe: str | None, options: Mapping[str, Any], assignments: Sequence[str] = (), *, choosing: Progress | None = None
) -> Settings:
    """Put the settings together: defaults, under the recipe, under the options, under ``key=value`` assignments.

    Args:
        recipe: Name or path; ``None`` chooses by data set and model.
        options: Dotted names to values, as ``{"grouping.groups": 3}``; ``None`` values are left out.
        assignments: ``"training.epochs=5"``; the value is read as TOML, else as a string.
        choosing: Shows which model ``auto`` is replaced by, as in a build, where it is the default for a user's own
            files without a recipe; ``None``: it is an error.

    Raises:
        SettingsError: Something is unknown or impossible; the message names the setting.
    """
    given = {name: value for name, value in options.items() if value is not None}
    given.update(_assignment(text) for text in assignments)
    values = _recipe(recipe, given, choosing=choosing)
    for name, value in given.items():
        _put(values, name, value)
    if values.get("data"):
        values["data"], values["data_dir"] = _named(values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_first_problem(error)) from error


def changed(settings: Settings, name: str, value: object) -> Settings:
    """Return settings in which one has another value.

    Args:
        settings: The others.
        name: Dotted, as ``training.strategy``.
        value: As in TOML.

    Raises:
        SettingsError: It is unknown or impossible; the message names the setting.
    """
    values = settings.model_dump()
    _put(values, name, value)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_first_problem(error)) from error


def _recipe(name: str | None, given: dict[str, Any], *, choosing: Progress | None) -> dict[str, Any]:
    """Return a recipe's values; one of the user's own lies over the default for the data set and model that are used.

    Args:
        name: As for ``resolve``.
        given: What options and assignments say; it goes before the user's own recipe. Model ``auto`` is replaced.
        choosing: As for ``resolve``.
    """
    file = name is not None and name.endswith(".toml")
    own = read_recipe(str(name)) if file else {}
    used = {"data": "demo", "data_dir": None} | own | dict(given)
    data, folder = _named(used)
    is_asked = "model" in used
    chooses = choosing is not None and data == FILES and name is None and not _needs_training(given)
    used.setdefault("model", AUTO if chooses else "mini")
    options = dict(own.get("data_options", {}))
    options |= {key.partition(".")[2]: value for key, value in given.items() if key.startswith("data_options.")}
    if choosing and used["model"] == AUTO:
        from gradsim_offline.pipeline.auto_model import model_for

        used["model"] = given["model"] = model_for(task_of(data, folder, options), choosing.note, is_asked=is_asked)
    values = read_recipe(name if name and not file else default_recipe(data, str(used["model"]), folder, options))
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            values[key] |= value
        else:
            values[key] = value
    return values


def _needs_training(given: Mapping[str, Any]) -> bool:
    """Return whether what a user asks for needs an encoder that is trained in steps, as frozen ones are not."""
    if any(name.partition(".")[0] in {"training", "measuring", "pretraining", "adapting"} for name in given):
        return True
    if "measure" not in given:
        return False
    from gradsim_offline.similarity.measure import load_measure

    return load_measure(str(given["measure"])).reads_encoder


def run_directory(settings: Settings, out: str | Path | None, before: str = "", after: str = "") -> Path:
    """Return where a run's stages lie: ``out``, else below ``runs``, by the name of the data."""
    return Path(out or f"runs/{before}{data_name(settings.data, settings.data_dir)}{after}")


def _named(values: Mapping[str, Any]) -> tuple[str, Path | None]:
    """Return data set and directory that settings name; a directory may stand in place of the data set."""
    folder = values.get("data_dir")
    return named(str(values["data"]), Path(str(folder)) if folder else None)


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: write it as name=value, as in training.epochs=5")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _put(values: dict[str, Any], name: str, value: object) -> None:
    *sections, last = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise SettingsError(f"{name}: {section} is a setting, not a section")
    values[last] = value


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    if first["type"] == "extra_forbidden":
        guesses = nearest(name, setting_names()) or nearest(name.rpartition(".")[2], setting_names())
        meant = f" Did you mean {' or '.join(guesses)}?" if guesses else ""
        return f"unknown setting {name!r}.{meant} `gradsim-offline settings` shows all of them"
    problem = first["msg"].removeprefix("Value error, ")
    if not name:  # about several sections
        return problem
    if isinstance(first["input"], dict):  # about several settings of a section
        return f"{name}: {problem}"
    return f"{name} = {first['input']!r}: {problem}"


def setting_names() -> list[str]:
    """Return every setting by its dotted name."""
    names = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names += [f"{name}.{inner}" for inner in section.model_fields]
        else:
            names.append(name)
    return names
