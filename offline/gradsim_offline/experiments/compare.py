"""Compare methods on one data set, with all seeds, in one table; everything but the way of grouping is held equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.engine import Engine, InThisProcess
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.significance import PERMUTATIONS
from gradsim_offline.core.versions import library_versions
from gradsim_offline.datasets.summary import announce
from gradsim_offline.experiments.comparison import summarise
from gradsim_offline.experiments.method import Method, check, read_methods, with_groups
from gradsim_offline.experiments.method_results import method_results
from gradsim_offline.grouping.choose_k import reads_k
from gradsim_offline.pipeline.build import load_data
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
    engine: Engine | None = None,
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
        engine: As ``run_methods`` takes it.

    Returns:
        What compare.json holds (docs/comparing.md).

    Raises:
        GradsimError: Something is wrong with data, settings or a method; what was computed before is kept.
    """
    settings = with_groups(settings)
    return run_methods(
        settings,
        read_methods(names, settings),
        out,
        progress,
        name="compare",
        seeds=seeds,
        permutations=permutations if wants_test(test, seeds) else 0,
        keep_models=keep_models,
        engine=engine,
    )


def wants_test(test: bool | None, seeds: int) -> bool:
    """Return whether to test the differences: by default, if there are two seeds or more.

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
    engine: Engine | None = None,
    extra: dict[str, Any] | None = None,
    differs: str = "",
) -> dict[str, Any]:
    """Compute the results of some methods, summarise them, and write ``<name>.json``, ``.md``, ``.tex`` and ``.html``.

    Args:
        settings: What is held equal.
        methods: What differs.
        out: The run directory.
        progress: Shows how far it is.
        name: Of the files.
        seeds: How many.
        permutations: Per test; 0: no tests.
        keep_models: Leave the trained models there.
        engine: Measures the seeds and trains their models; ``None``: this process does, one after the other.
        extra: More for the JSON.
        differs: A sentence that says what else differs between methods.
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
    run = RunDirectory(out, progress, settings.trackers)
    with run.locked():
        trains = engine or InThisProcess()
        results = method_results(settings, methods, numbers, dataset, run, engine=trains, keep_models=keep_models)
        task = load_task(dataset.task)
        summary = summarise(dataset, task, methods, numbers, results, permutations=permutations, progress=progress)
        result = {
            **_heading(settings, methods, numbers, dataset, task.metric(dataset.labels), permutations, differs),
            **(extra or {}),
            **summary,
        }
        write_json(out / f"{name}.json", result)
        write_tables(result, out / f"{name}.md", out / f"{name}.tex")
        (out / f"{name}.html").write_text(render_comparison(result), encoding="utf-8")
        write_figures(out / f"{name}-figures", comparison_drawings(result))
    return result


def _heading(
    settings: Settings,
    methods: Sequence[Method],
    seeds: Sequence[int],
    dataset: Dataset,
    metric: str,
    permutations: int,
    differs: str,
) -> dict[str, Any]:
    numbers = _numbers_of_groups(methods)
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
        "equal": _held_equal(settings, methods, seeds, judged=judged) + differs,
        "permutations": permutations,
        "provenance": {
            "settings": settings.model_dump(mode="json"),
            "data": dataset.fingerprint(),
            "versions": library_versions(),
        },
    }


def _numbers_of_groups(methods: Sequence[Method]) -> list[int | str]:
    """Return every K that a method is given; those that find their groups whatever K is have none."""
    return list(dict.fromkeys(m.settings.grouping.groups for m in methods if reads_k(m.settings.grouping)))


def _held_equal(settings: Settings, methods: Sequence[Method], seeds: Sequence[int], *, judged: bool) -> str:
    """Describe in words what is held equal between the methods, and what differs.

    Args:
        settings: What is held equal.
        methods: What differs.
        seeds: Of each method.
        judged: Whether there are dev texts to choose epochs by.
    """
    training = settings.training
    choose = [_choice(number) for number in _numbers_of_groups(methods)]
    most = f" Methods that choose K groups choose {', or '.join(choose)}." if choose else ""
    part = f" (of each language {100 * training.fraction:g} %)" if training.fraction < 1 else ""
    minimum = (
        f" A group for which that is fewer than {training.minimum_steps} steps gets more epochs, until it has as many: "
        "its texts are seen more often; the costs say how many steps and texts it came to."
        if training.minimum_steps
        else ""
    )
    strategy = f", strategy {training.strategy}" if training.strategy != "mixed" else ""
    epoch = "the epoch of the best plain mean dev score of the languages that it serves" if judged else "its last epoch"
    ensemble = (
        f" Every model is {_ensemble(training.ensemble, distil=training.distil)}." if training.ensemble > 1 else ""
    )
    but = "But for small groups (see below), " if training.minimum_steps else "So "
    return (
        f"All methods start from the same encoder ({settings.model}{_made(settings)}) and tokenizer. All train every "
        f"model on the same schedule: {training.epochs} epoch(s) over its own texts{part}, {training.batch_size} texts "
        f"per step, learning rate {training.learning_rate:g}{strategy}. {but}a text is seen equally often by every "
        f"model that trains on it, while larger groups take more steps.{minimum}{ensemble} A model is kept at "
        f"{epoch}.{most} {'Seed' if len(seeds) == 1 else 'Seeds'} {', '.join(map(str, seeds))}: a seed decides "
        "the measurement, the new classification head, the order of the texts and dropout, not the encoder."
    )


def _choice(number: int | str) -> str:
    if number == "auto":
        return "the K of the best dev score, each its own (random groups: the K of the best ones)"
    return f"at most {number}"


def _ensemble(members: int, *, distil: bool) -> str:
    return f"one that was distilled from {members}" if distil else f"an ensemble of {members}"


def _made(settings: Settings) -> str:
    made = f", made once with seed {settings.seed}" if settings.model == "mini" else ""
    adapted = {
        "none": "",
        "tapt": ", adapted once to all training texts",
        "tapt-group": ", adapted for each model to its own training texts",
    }[settings.adapting.mode]
    return made + adapted
