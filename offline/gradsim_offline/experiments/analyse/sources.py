"""The sources of an analysis: similarities and groupings found in run directories, and matrices given as files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.grouping.result import GROUPS_FILE, Groups, read_groups
from gradsim_offline.similarity.matrix_file import read_matrix as read_square
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.similarity.measures.gradient import GRADIENTS_FILE
from gradsim_shared.errors import DataError

MANIFEST = "manifest.json"  # beside it lies a bundle's copy, not a measurement
MEASURING = "measuring"  # where a comparison measures, next to measure/, where the result is kept
_MEASURED = {"split_half", "epochs", "layers", "settings", "seconds"}
_NO_SIMILARITY = "identity"  # the measure of methods that look at no similarity
_SEED = re.compile(r"seed-\d+")  # a seed's folder in a comparison; a variant's is one in it
_STARTS = ("data", "data_dir", "data_options", "languages", "model", "maximum_length", "pretraining", "adapting")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError)


@dataclass(frozen=True)
class Similarity:
    """A similarity matrix and where it was found.

    Attributes:
        name: The measure; with the settings that tell it from others of that measure: ``embedding (model=finetuned)``,
            ``gradient (adapting.mode=tapt)``.
        origin: The run, with the seed if it holds several: ``compare/seed-1``; two origins of one name are two seeds.
        measured: The matrix.
        gradients: The gradient vectors that were kept with it; ``None``: none were.
        folder: Of a comparison, which tells settings of one measure apart; empty in a build.
        variant: What a sweep trained differently for it: ``adapting.mode=tapt``; empty where there was no such thing.
        start: Settings of its run that decide from what, and on which texts, it was measured; empty if not known.
    """

    name: str
    origin: str
    measured: Measured
    gradients: Path | None = None
    folder: str = ""
    variant: str = ""
    start: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceGroups:
    """A grouping and where it was found; its name is the method's in a comparison, the measure's in a build.

    With what a sweep trained differently for it: ``gradient (adapting.mode=tapt)``.
    """

    name: str
    origin: str
    groups: Groups


@dataclass(frozen=True)
class Sources:
    """Similarities and groupings of all runs, in the order in which the runs were given.

    Attributes:
        similarities: The matrices.
        groupings: The groupings.
        settings: The first run's settings, as they were saved; empty if there are none.
        encoder: The first run's encoder: directory or name; empty if it is not known.
    """

    similarities: tuple[Similarity, ...]
    groupings: tuple[SourceGroups, ...]
    settings: Mapping[str, Any]
    encoder: str


def find_sources(runs: Sequence[Path]) -> Sources:
    """Look through build and compare directories for similarities and groupings.

    Raises:
        DataError: A directory is none, holds no similarity, or a file in it cannot be read.
    """
    similarities: list[Similarity] = []
    groupings: list[SourceGroups] = []
    for run, title in zip(runs, _titles(runs), strict=True):
        start = _start(run)
        measured = [replace(_similarity(path, run, title), start=start) for path in _similarity_files(run)]
        measures = {each.origin: each.measured.measure for each in reversed(measured)}
        similarities += [each for each in measured if each.measured.measure != _NO_SIMILARITY]
        for path in sorted(run.rglob(GROUPS_FILE)):
            name, origin, variant = _place(path, run, "group", title)
            name = name.removesuffix(f"+{variant.partition('=')[2]}") or measures.get(origin, "groups")
            groupings.append(SourceGroups(_qualified(name, variant), origin, _read_groups(path)))
    similarities = [layer for each in _with_settings(similarities) for layer in _by_layer(each)]
    return Sources(tuple(similarities), tuple(groupings), _settings(runs[0]), _encoder(runs[0]))


def read_matrix(path: Path) -> Similarity:
    """Read a matrix of the user's: CSV, TSV or JSON, in the forms of the measure ``given``; or what a measure saved.

    Raises:
        DataError: It cannot be read, or lacks a number for some two of its languages.
    """
    return Similarity(_field(path, "measure", path.stem), str(path), _read(path))


def common_languages(similarities: Sequence[Similarity]) -> tuple[str, ...]:
    """Return the languages that all matrices have, sorted."""
    return tuple(sorted(set.intersection(*(set(found.measured.languages) for found in similarities))))


def restricted(measured: Measured, languages: Sequence[str]) -> NDArray[np.float64]:
    """Return the rows and columns of some languages, ``[languages, languages]``."""
    chosen = [measured.languages.index(code) for code in languages]
    return measured.matrix[np.ix_(chosen, chosen)]


def by_name(similarities: Sequence[Similarity], languages: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return S of each measure, ``[languages, languages]``: the mean over its origins."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for similarity in similarities:
        found.setdefault(similarity.name, []).append(restricted(similarity.measured, languages))
    return {name: np.mean(matrices, axis=0) for name, matrices in found.items()}


def _similarity_files(run: Path) -> list[Path]:
    """Return the measurements of a run: neither a bundle's copy nor the working copy of a comparison.

    Raises:
        DataError: There are none.
    """
    paths = [
        path
        for path in sorted(run.rglob(SIMILARITY_FILE))
        if not (path.parent / MANIFEST).exists() and not _is_temporary(path.relative_to(run).parts)
    ]
    if not paths:
        what = "holds no similarity.json" if run.is_dir() else "is no directory"
        raise DataError(f"{run} {what}; give the run directory of `gradsim-offline build`, `measure` or `compare`")
    return paths


def _is_temporary(parts: Sequence[str]) -> bool:
    """Return whether a path is in the working copy of a comparison or the draft of a bundle."""
    return MEASURING in parts or any(part.startswith(".") for part in parts)


def _similarity(path: Path, run: Path, title: str) -> Similarity:
    measured = _read(path)
    folder, origin, variant = _place(path, run, "measure", title)
    places = [path.parent, path.parent.parent.parent / MEASURING / folder] if folder else [path.parent]
    gradients = next((place / GRADIENTS_FILE for place in places if (place / GRADIENTS_FILE).is_file()), None)
    return Similarity(measured.measure, origin, measured, gradients, folder, variant)


def _with_settings(similarities: Sequence[Similarity]) -> list[Similarity]:
    """Name variants of one measure by the settings that differ: of the measure, of its run, or of a sweep."""
    named = []
    for similarity in similarities:
        alike = [other for other in similarities if other.name == similarity.name]
        differing = _differing(similarity.measured.settings, [other.measured.settings for other in alike])
        if similarity.start:
            differing += _differing(similarity.start, [other.start for other in alike if other.start])
        place = (similarity.origin, similarity.variant)
        if not differing and sum((other.origin, other.variant) == place for other in alike) > 1:
            differing = [similarity.folder]  # the same settings of its own, but others that it depends on
        named.append(replace(similarity, name=_qualified(similarity.name, *differing, similarity.variant)))
    return named


def _differing(settings: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings that differ, as ``key=value``."""
    keys = sorted({key for other in others for key in other})
    return [
        f"{key}={settings.get(key)}" for key in keys if any(other.get(key) != settings.get(key) for other in others)
    ]


def _start(run: Path) -> dict[str, Any]:
    """Return the settings that decide which texts and encoder a run measures with, by dotted names."""
    settings = _settings(run)
    sections = _STARTS if settings.get("model") == "mini" else [name for name in _STARTS if name != "pretraining"]
    start: dict[str, Any] = {}
    for name in sections:
        value = settings.get(name)
        start |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
    return start if settings else {}


def _qualified(name: str, *differing: str) -> str:
    """Append differing settings to a name, if there are any: ``embedding (model=finetuned)``."""
    given = ", ".join(part for part in differing if part)
    return f"{name} ({given})" if given else name


def _titles(runs: Sequence[Path]) -> list[str]:
    """Name runs by their folders, or by their paths where two folders have one name."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _place(path: Path, run: Path, stage: str, title: str) -> tuple[str, str, str]:
    """Split ``seed-1/tapt/group/random/groups.json``: name ``random``, origin ``<run>/seed-1``, variant ``tapt``."""
    parts = path.parent.relative_to(run).parts
    at = parts.index(stage) if stage in parts else len(parts)
    folders = (run.resolve().name, *parts[:at])
    seeded = next((i for i, folder in enumerate(folders) if _SEED.fullmatch(folder)), at)
    return "/".join(parts[at + 1 :]), "/".join((title, *parts[:seeded])), "/".join(parts[seeded:at])


def _by_layer(similarity: Similarity) -> list[Similarity]:
    """Return the similarity of the first tracked layer, and one for each further layer."""
    measured = similarity.measured
    layers = [similarity]
    for layer, matrix in list(measured.layers.items())[1:]:
        name = f"{similarity.name} ({layer})"
        of_layer = replace(
            measured, measure=name, matrix=matrix, layers={layer: matrix}, epochs=(), split_half=None, reliability=None
        )
        layers.append(replace(similarity, name=name, measured=of_layer))
    return layers


def _read(path: Path) -> Measured:
    """Read what a measure saved, or a matrix alone.

    Raises:
        DataError: It is neither.
    """
    try:
        if not _is_measured(path):
            languages, matrix = read_square(path, lambda name: name)
            return Measured(path.stem, languages, matrix, None, (), {}, {}, 0.0)
        measured = read_measured(path)
    except _UNREADABLE as error:
        problem = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} is no similarity matrix ({problem}); measure again") from error
    count = len(measured.languages)
    square = measured.matrix.shape == (count, count) and len(set(measured.languages)) == count
    if not square or not np.isfinite(measured.matrix).all():
        raise DataError(f"{path} is no similarity matrix of {count} different languages, all numbers; measure again")
    return measured


def _is_measured(path: Path) -> bool:
    """Return whether a file is a saved measurement rather than a matrix alone."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # CSV, or broken: whoever reads it says so
        return False
    return isinstance(content, dict) and set(content) >= _MEASURED


def _read_groups(path: Path) -> Groups:
    try:
        return read_groups(path)
    except _UNREADABLE as error:
        raise DataError(f"{path} holds no groups ({type(error).__name__}: {error}); group again") from error


def _field(path: Path, name: str, default: str) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get(name, default))
    except (OSError, ValueError, AttributeError):
        return default


def _settings(run: Path) -> dict[str, Any]:
    """Return a run's saved settings, those of a comparison's first seed if it has none of its own."""
    for path in [run / "settings.json", *sorted(run.rglob("settings.json"))]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and "data" in content:
            return content
    return {}


def _encoder(run: Path) -> str:
    """Return the encoder that a run made, else the one that its settings name."""
    for path in [run / "encoder" / "config.json", *sorted(run.rglob("encoder/config.json"))]:
        if path.is_file():
            return str(path.parent)
    model = str(_settings(run).get("model", ""))
    return "" if model == "mini" else model
