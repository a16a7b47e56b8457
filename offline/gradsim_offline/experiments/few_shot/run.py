"""Few-shot transfer, regime by K by seed, on one data set: the whole experiment as one call."""

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
from gradsim_offline.experiments.few_shot.drawings import FIGURES, drawings
from gradsim_offline.experiments.few_shot.models import SeedModels
from gradsim_offline.experiments.few_shot.plan import Plan, SecondStep, make_plan
from gradsim_offline.experiments.few_shot.regimes import choose
from gradsim_offline.experiments.few_shot.results import summarise
from gradsim_offline.experiments.few_shot.shots import draw, scored
from gradsim_offline.experiments.few_shot.tables import page, write_tables
from gradsim_offline.experiments.runner import seed_runs
from gradsim_offline.pipeline.build import load_data
from gradsim_offline.pipeline.encoders import prepare_encoder
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.report.figures import figure_names, write_figures
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import SettingsError

NAME = "few-shot"


def few_shot(
    settings: Settings,
    out: Path,
    progress: Progress,
    *,
    source: str,
    targets: Sequence[str] = (),
    shots: Sequence[int] = (1, 5, 10),
    regimes: Sequence[str],
    seeds: int = 5,
    second_step: SecondStep | None = None,
    alpha: float = 1.0,
    heatmap_shots: int | None = None,
    permutations: int = PERMUTATIONS,
    keep_models: bool = False,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Train and score every regime; write few-shot.json, .md, .tex, .html and the figures.

    Args:
        settings: How to train; ``seed`` is the first of the seeds, and the encoder's.
        out: The run directory; what is in it is used again.
        progress: Shows how far it is.
        source: The language with all its training texts.
        targets: The languages with K shots; empty: all others.
        shots: The values of K.
        regimes: Names of regimes; the baseline ``zero-shot`` is always added.
        seeds: How many.
        second_step: How ``ord-fs`` and ``mix-ft`` train on shots; ``None``: the defaults.
        alpha: Chance that a step of ``gradient-mix`` is operated on.
        heatmap_shots: The K of the heat maps; ``None``: the largest.
        permutations: Per test; with one seed there are no tests.
        keep_models: Leave the trained models there.
        engine: Runs the trainings; ``None``: this process does, one after the other.

    Returns:
        What few-shot.json holds (docs/few-shot.md).

    Raises:
        GradsimError: Something is wrong with data or settings; what was computed before is kept.
    """
    chosen = choose(regimes)
    dataset = load_data(settings)
    if load_task(dataset.task).several_labels:
        raise SettingsError(
            f"few-shot draws K texts of each label, and those of {dataset.name} have several, or none; data with one "
            "label each, or tagged words, will do"
        )
    plan = make_plan(
        settings,
        dataset,
        source=source,
        targets=targets,
        shots=shots,
        regimes=chosen,
        seeds=seeds,
        second_step=second_step or SecondStep(),
        alpha=alpha,
        heatmap_shots=heatmap_shots,
    )
    scored(dataset, plan.languages)  # says now which languages cannot be scored
    announce(dataset, progress)
    if not dataset.split(plan.source, "dev"):
        progress.note(f"{plan.source} has no dev texts: of each training the last epoch is kept")
    run = RunDirectory(out, progress, settings.trackers)
    with run.locked():
        tests = permutations if seeds > 1 else 0
        content = _run(plan, settings, dataset, run, tests, engine or InThisProcess(), keep_models=keep_models)
        write_json(out / f"{NAME}.json", content)
        write_tables(content, out / f"{NAME}.md", out / f"{NAME}.tex")
        (out / f"{NAME}.html").write_text(page(content), encoding="utf-8")
        write_figures(out / FIGURES, drawings(content))
    return content


def _run(
    plan: Plan,
    settings: Settings,
    dataset: Dataset,
    run: RunDirectory,
    permutations: int,
    engine: Engine,
    *,
    keep_models: bool,
) -> dict[str, Any]:
    """Compute all seeds, and return the content of few-shot.json."""
    task = load_task(dataset.task)
    write_json(run.directory / "settings.json", settings.model_dump(mode="json"))
    encoder = prepare_encoder(TrainingSetup(settings, dataset, task, run))
    results = []
    for seed_run in seed_runs(plan.seeds, run, keep_models=keep_models):
        seed_run.announce(f": {', '.join(regime.name for regime in plan.regimes)}", heading=True)
        results.append(SeedModels(plan, seed_run, settings, dataset, task, encoder).results(engine))
    predictions, measured = [result[0] for result in results], [result[1] for result in results]
    summary = summarise(plan, dataset, task, predictions, measured, permutations=permutations, progress=run.progress)
    content = {**_heading(plan, settings, dataset, task.metric(dataset.labels), permutations), **summary}
    return {**content, "figures": [f"{FIGURES}/{name}" for name in figure_names(drawings(content))]}


def _heading(plan: Plan, settings: Settings, dataset: Dataset, metric: str, permutations: int) -> dict[str, Any]:
    """Return the description of the run."""
    step = plan.second_step.training(settings)
    return {
        "data": dataset.name,
        "metric": metric,
        "tagged": dataset.task == "token_classification",
        "source": plan.source,
        "targets": list(plan.targets),
        "shots": list(plan.shots),
        "regimes": [{"name": regime.name, "description": regime.description} for regime in plan.regimes],
        "seeds": list(plan.seeds),
        "alpha": plan.alpha,
        "second_step": {name: getattr(step, name) for name in ("epochs", "batch_size", "learning_rate")},
        "texts": {
            "source": len(dataset.split(plan.source, "train")),
            "target": {
                str(k): len(draw(dataset, plan.targets[:1], k, plan.seeds[0])[plan.targets[0]]) for k in plan.shots
            },
        },
        "permutations": permutations,
        "provenance": {
            "settings": settings.model_dump(mode="json"),
            "data": dataset.fingerprint(),
            "versions": library_versions(),
        },
    }
