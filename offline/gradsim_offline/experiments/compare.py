"""Compare methods on one data set: all cells, one table; everything but the way of grouping is held equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress, duration
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.significance import PERMUTATIONS
from gradsim_offline.core.versions import library_versions
from gradsim_offline.datasets.summary import announce
from gradsim_offline.experiments import variants
from gradsim_offline.experiments.cells import Cell, SeedCells
from gradsim_offline.experiments.comparison import summarise
from gradsim_offline.experiments.equal_steps import held_equal, numbers_of_groups
from gradsim_offline.experiments.method import Method, check, read_methods
from gradsim_offline.pipeline.build import load_data
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.report.comparison import comparison_drawings, render_comparison
from gradsim_offline.report.comparison_tables import write_tables
from gradsim_offline.report.figures import write_figures
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import DataError, SettingsError


def compare(
    settings: Settings,
    names: Sequence[str],
    out: Path,
    progress: Progress,
    *,
    seeds: int = 5,
    test: bool | None = None,
    permutations: int = PERMUTATIONS,
    keep_models: bool = False,
) -> dict[str, Any]:
    """Compare methods and write compare.json, compare.md and compare.tex.

    Args:
        settings: What is held equal; its seed is the first of the seeds, and the encoder's.
        names: Methods by name, or paths of TOML files.
        out: The run directory; what earlier comparisons in it computed is used again.
        progress: Shows how far it is.
        seeds: How many.
        test: Whether to test the differences; ``None``: if there are two seeds or more.
        permutations: Per test.
        keep_models: Leave the trained models there.

    Returns:
        What compare.json holds (docs/comparing.md).

    Raises:
        GradsimError: Something is wrong with data, settings or a method; what was computed before is kept.
    """
    return run_methods(
        settings,
        read_methods(names, settings),
        out,
        progress,
        name="compare",
        seeds=seeds,
        permutations=permutations if wants_test(test, seeds) else 0,
        keep_models=keep_models,
    )


def wants_test(test: bool | None, seeds: int) -> bool:
    """Say whether to test; only what was asked for and cannot be is an error.

    Raises:
        SettingsError: A test was asked for and there are fewer than two seeds.
    """
    if test and seeds < 2:
        raise SettingsError(
            f"--seeds {seeds}: a test needs at least 2 seeds, because one seed says nothing of the noise between them; "
            "set --seeds 5, or leave out --test"
        )
    return seeds >= 2 if test is None else test


def run_methods(
    settings: Settings,
    methods: Sequence[Method],
    out: Path,
    progress: Progress,
    *,
    name: str,
    seeds: int,
    permutations: int,
    keep_models: bool,
    extra: dict[str, Any] | None = None,
    over: variants.Over | None = None,
) -> dict[str, Any]:
    """Compute the cells of some methods, summarise them, and write ``<name>.json``, ``.md``, ``.tex`` and ``.html``.

    Args:
        settings: What is held equal.
        methods: What differs.
        out: The run directory.
        progress: Shows how far it is.
        name: Of the files.
        seeds: How many.
        permutations: Per test; 0: no tests.
        keep_models: Leave the trained models there.
        extra: More for the JSON.
        over: The setting whose values differ, where methods are spread over one.
    """
    if seeds < 1:
        raise SettingsError(f"--seeds {seeds}: it takes at least one")
    dataset = load_data(settings)
    announce(dataset, progress)
    if len(dataset.languages) < 2:
        raise DataError(f"{dataset.name}: a comparison of groupings needs at least two languages")
    if not any(count for split in ("dev", "test") for count in dataset.counts(split).values()):
        raise DataError(f"{dataset.name}: no dev and no test texts; a comparison needs one of the two")
    check(methods, dataset.languages)
    numbers = [settings.seed + i for i in range(seeds)]
    run = RunDirectory(out, progress)
    with run.locked():
        cells = _cells(settings, methods, numbers, dataset, run, keep_models=keep_models)
        task = load_task(dataset.task)
        summary = summarise(dataset, task, methods, numbers, cells, permutations=permutations, bar=progress.bar)
        result = {
            **_heading(settings, methods, numbers, dataset, task.metric(dataset.labels), permutations, over),
            **(extra or {}),
            **summary,
        }
        write_json(out / f"{name}.json", result)
        write_tables(result, out / f"{name}.md", out / f"{name}.tex")
        (out / f"{name}.html").write_text(render_comparison(result), encoding="utf-8")
        write_figures(out / f"{name}-figures", comparison_drawings(result))
    return result


def _cells(
    settings: Settings,
    methods: Sequence[Method],
    seeds: Sequence[int],
    dataset: Dataset,
    run: RunDirectory,
    *,
    keep_models: bool,
) -> list[Cell]:
    task = load_task(dataset.task)
    pipeline = Pipeline(settings, dataset, task, run)
    for method in methods:
        replace(pipeline, settings=method.settings).check()
    pipeline.save_settings()
    encoder = pipeline.prepare_encoder()
    starts = {
        variant: variants.prepare_encoder(replace(pipeline, settings=found[0].settings), settings, variant)
        for variant, found in variants.by_variant(methods).items()
    }
    cells = []
    for position, seed in enumerate(seeds):
        of_seeds = f"seed {seed} ({position + 1} of {len(seeds)})"
        after = len(seeds) - position - 1

        def say(what: str, left: float, whole: float, of_seeds: str = of_seeds, after: int = after) -> None:
            seconds = left + after * whole
            about = f", about {duration(seconds)} left" if seconds > 1 else ""
            run.progress.note(f"{of_seeds}, {what}{about}")

        run.progress.note(f"{of_seeds}: {', '.join(method.name for method in methods)}", heading=True)
        for variant, found in variants.by_variant(methods).items():
            if variant:
                run.progress.note(f"{of_seeds}, {variant}", heading=True)
            start, folder = starts[variant], variants.folder(run, seed, variant)
            shared = variants.shares_start(found[0].settings, start, settings, encoder)
            measured_in = variants.folder(run, seed, "") if shared else None
            cells += SeedCells(found, seed, dataset, task, start, folder, keep_models, measured_in).compute(say)
    return cells


def _heading(
    settings: Settings,
    methods: Sequence[Method],
    seeds: Sequence[int],
    dataset: Dataset,
    metric: str,
    permutations: int,
    over: variants.Over | None,
) -> dict[str, Any]:
    numbers = numbers_of_groups(methods)
    judged = any(dataset.counts("dev").values())
    return {
        "data": dataset.name,
        "metric": metric,
        "languages": list(dataset.languages),
        "methods": [
            {
                "name": method.name,
                "description": method.description,
                "measure": method.settings.measure,
                "solver": method.settings.grouping.solver,
                "oracle": method.oracle,
            }
            for method in methods
        ],
        "seeds": list(seeds),
        "groups_setting": numbers[0] if len(numbers) == 1 else numbers,
        "equal": held_equal(settings, methods, seeds, judged=judged) + (over.differs if over else ""),
        "permutations": permutations,
        "provenance": {
            "settings": settings.model_dump(mode="json"),
            "data": dataset.fingerprint(),
            "versions": library_versions(),
        },
    }
