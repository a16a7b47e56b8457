"""The toolkit as functions: measure similarities, group languages, build a bundle, compare ways of grouping.

Each does what the command of its name does, on the same stages in the same run directory. Errors are ``GradsimError``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from gradsim_runtime import Bundle, SimilarityMatrix
from gradsim_shared.errors import SettingsError
from gradsim_shared.excerpts import listing
from gradsim_shared.nearest import unknown

if TYPE_CHECKING:  # torch and scipy take seconds to load
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.core.settings import Settings
    from gradsim_offline.grouping.result import Groups
    from gradsim_offline.similarity.measured import Measured


class Choices(TypedDict, total=False):
    """What the functions that train have in common; what is left out is as on the command line.

    Attributes:
        model: ``ngrams``, ``mini``, ``e5-small``, a Hugging Face name, or a directory; in a build also ``auto``.
        languages: Only these, by any ISO 639 code.
        data_dir: Directory of the data set's files.
        recipe: Name or TOML file of the settings to start from.
        seed: All randomness comes from it.
        settings: Any setting by its dotted name (docs/settings.md), such as ``{"training.epochs": 5}``.
        progress: Whether to show on standard error how far it is.
    """

    model: str
    languages: Sequence[str]
    data_dir: str | Path
    recipe: str
    seed: int
    settings: Mapping[str, Any]
    progress: bool


def build(data: str | Path = "demo", out: str | Path | None = None, **choices: Unpack[Choices]) -> Bundle:
    """Build a bundle: measure, group, train, export, identify, evaluate; and open it.

    Args:
        data: A data set's name, or your own directory or table.
        out: The run directory, where finished stages are found again; ``None``: ``runs/<data set>``.
        **choices: See ``Choices``.

    Raises:
        GradsimError: Something is wrong with data, settings or model; what was computed before is kept.
    """
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.pipeline.build import build as run_stages
    from gradsim_offline.pipeline.recipes import run_directory

    progress = Progress(quiet=_quiet(choices))
    settings = _resolved(data, choices, choosing=progress)
    return Bundle.open(run_stages(settings, run_directory(settings, out), progress))


def measure(
    data: str | Path = "demo",
    measure: str | None = None,
    *,
    out: str | Path | None = None,
    **choices: Unpack[Choices],
) -> Measured:
    """Measure how much training on one language helps another.

    Args:
        data: A data set's name, or your own directory or table.
        measure: As ``gradsim-offline list similarity`` shows them; ``None``: the recipe's, ``gradient``.
        out: The run directory; a build in it resumes from there. ``None``: ``runs/<data set>``.
        **choices: See ``Choices``.

    Returns:
        ``matrix``, S, ``[N, N]``, with ``languages`` as the names of rows and columns; ``S[i, j]``: how much training
        on j is expected to help i. ``reliability.repeats``: whether S is more than noise (docs/measures.md).

    Raises:
        GradsimError: Something is wrong with data, settings or model; what was computed before is kept.
    """
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.pipeline.build import build as run_stages
    from gradsim_offline.pipeline.recipes import run_directory
    from gradsim_offline.similarity.measured import SIMILARITY_FILE, read_measured

    progress = Progress(quiet=_quiet(choices))
    settings = _resolved(data, choices, {"measure": measure}, choosing=progress)
    run = run_directory(settings, out)
    run_stages(settings, run, progress, until="measure")
    return read_measured(run / "measure" / SIMILARITY_FILE)


def group(
    similarity: Measured | SimilarityMatrix | NDArray[np.floating],
    groups: int = 4,
    solver: str = "exact",
    *,
    languages: Sequence[str] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    **grouping: Any,  # noqa: ANN401 - settings
) -> Groups:
    """Group languages so that their similarities inside of groups add up to the most.

    Args:
        similarity: What ``measure`` returned, a bundle's ``similarity``, or a matrix ``[N, N]`` of your own.
        groups: K, at most so many groups.
        solver: As ``gradsim-offline list solvers`` shows them.
        languages: Names of rows and columns of a matrix of your own; ISO 639-3 codes for solvers that know languages.
        sizes: Training examples of each language, for a ``budget``.
        seed: For solvers that draw.
        **grouping: Other settings of the section ``grouping`` (docs/settings.md), such as ``singleton_score="zero"``
            or ``must_link=["hau+yor"]``.

    Returns:
        ``groups``, each with ``members``, ``served`` and ``collective_similarity``; ``score``; ``proven``: none scores
        higher.

    Raises:
        SettingsError: The matrix, the solver, or a setting is not possible.
    """
    from gradsim_offline.core.settings import Settings
    from gradsim_offline.grouping.solve import solve
    from gradsim_offline.grouping.solver import load_solver
    from gradsim_offline.pipeline.recipes import changed

    settings = Settings()
    for name, value in {"groups": groups, "solver": solver, **grouping}.items():
        settings = changed(settings, f"grouping.{name}", value)
    chosen = settings.grouping
    if chosen.groups == "auto":
        raise SettingsError('groups "auto" trains a model per group: build(..., settings={"grouping.groups": "auto"})')
    measured = _measured(similarity, languages)
    if chosen.budget is not None and (without := [code for code in measured.languages if code not in (sizes or {})]):
        number = "the number of training examples of each language"
        raise SettingsError(f"a budget needs sizes: {number}; there is none of {listing(without)}")
    counts = dict.fromkeys(measured.languages, 0) | dict(sizes or {})
    load_solver(chosen.solver).check(len(measured.languages))
    return solve(measured, chosen, chosen.groups, counts, seed)


def compare(
    data: str | Path = "demo",
    methods: str | Sequence[str] | None = None,
    *,
    seeds: int = 5,
    test: bool | None = None,
    keep_models: bool = False,
    out: str | Path | None = None,
    **choices: Unpack[Choices],
) -> dict[str, Any]:
    """Compare ways of grouping: every method with every seed, scored per language, and tested.

    Args:
        data: A data set's name, or your own directory or table.
        methods: One or more, as ``gradsim-offline list methods`` shows them, or TOML files; ``None``: the paper's.
        seeds: How many, counted from ``seed``.
        test: Whether to test the differences; ``None``: if there are two seeds or more.
        keep_models: Leave the trained models there.
        out: The run directory, which also gets the tables and the page; ``None``: ``runs/compare-<data set>``.
        **choices: See ``Choices``.

    Returns:
        What compare.json holds (docs/comparing.md): ``scores``, ``averages``, ``tests``, ``groups``, ``cost``, ...

    Raises:
        GradsimError: Something is wrong with data, settings or a method; what was computed before is kept.
    """
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.compare import compare as run_methods
    from gradsim_offline.experiments.method import DEFAULT
    from gradsim_offline.pipeline.recipes import run_directory

    settings = _resolved(data, choices)
    return run_methods(
        settings,
        [methods] if isinstance(methods, str) else methods or DEFAULT,
        run_directory(settings, out, "compare-"),
        Progress(quiet=_quiet(choices)),
        seeds=seeds,
        test=test,
        keep_models=keep_models,
    )


def _resolved(
    data: str | Path, choices: Choices, given: Mapping[str, Any] | None = None, *, choosing: Progress | None = None
) -> Settings:
    """Put the settings together as the command line does."""
    from gradsim_offline.core import plugins
    from gradsim_offline.pipeline.recipes import resolve

    for name in choices:
        if name not in Choices.__annotations__:
            raise SettingsError(unknown("argument", name, Choices.__annotations__))
    names = ("model", "languages", "data_dir", "seed")
    options = {name: choices.get(name) for name in names} | dict(choices.get("settings", {}))
    named = {"data": str(data), **options, **(given or {})}
    settings = resolve(choices.get("recipe"), named, choosing=choosing)
    plugins.check("datasets", settings.data)
    return settings


def _quiet(choices: Choices) -> bool:
    return not choices.get("progress", False)


def _measured(similarity: Any, languages: Sequence[str] | None) -> Measured:  # noqa: ANN401
    """Return similarities as solvers take them.

    Raises:
        SettingsError: They are no square matrix of numbers with one name for each row.
    """
    from gradsim_offline.grouping.objective import check_similarity
    from gradsim_offline.similarity.measured import Measured

    if isinstance(similarity, Measured):
        return similarity
    if isinstance(similarity, SimilarityMatrix):
        similarity, languages = similarity.matrix, similarity.languages
    try:
        matrix = check_similarity(np.asarray(similarity, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"the similarities are no matrix of numbers: {error}") from error
    names = tuple(languages or ())
    if len(names) != len(matrix) or len(set(names)) != len(names):
        raise SettingsError(f"{len(names)} languages for {len(matrix)} rows: name each row once, languages=[...]")
    return Measured("given", names, matrix, None, (), {}, {}, 0.0)
