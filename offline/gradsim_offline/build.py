"""The whole method: measure, group, train, export, identify, evaluate, bundle. The first file to read.

Each step is a stage: it is skipped when nothing that it depends on has changed, and goes on where it stopped when it
was interrupted (``stages.py``). What a step does is said in the file that it calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradsim_offline import plugins, steps
from gradsim_offline.config import Settings
from gradsim_offline.dataset import Dataset
from gradsim_offline.progress import Progress
from gradsim_offline.stages import Run

STAGES = ("encoder", "measure", "group", "train", "export", "identify", "evaluate", "bundle")


@dataclass(frozen=True)
class Built:
    """Where a build has come to: its run directory, and the bundle once there is one."""

    run: Path
    bundle: Path | None


def build(settings: Settings, out: Path, progress: Progress, *, until: str = "bundle") -> Built:
    """Run every stage up to and including ``until``.

    Args:
        settings: What to build.
        out: The run directory; results of earlier builds in it are used again where they still hold.
        progress: Shows how far it is.
        until: The last stage to run, one of ``STAGES``.

    Returns:
        The run directory and, after the last stage, the bundle in it.

    Raises:
        GradsimError: Something is wrong with data, settings or model; what was computed before is kept.
    """
    dataset = load_data(settings)
    run = Run(out, progress)
    work = steps.Workshop(settings, dataset, plugins.load("tasks", dataset.task), run)
    work.save_settings()
    wanted = STAGES[: STAGES.index(until) + 1]

    encoder = work.prepare_encoder()  # mini is made here; another one is only looked for
    if wanted[-1] == "encoder":
        return Built(out, None)
    measured = work.measure(encoder)  # S, from one joint training
    if wanted[-1] == "measure":
        return Built(out, None)
    groups = work.group(measured)  # the groups of highest agreement
    if wanted[-1] == "group":
        return Built(out, None)
    multilingual = work.train_multilingual(encoder, measured)  # what they are compared with
    models = work.train_groups(encoder, groups, multilingual)  # one model per group
    if wanted[-1] == "train":
        return Built(out, None)
    exported = work.export(groups, models)  # ONNX, compared with torch
    if wanted[-1] == "export":
        return Built(out, None)
    identifier = work.identify()  # fastText
    if wanted[-1] == "identify":
        return Built(out, None)
    evaluated = work.evaluate(groups, multilingual, exported, identifier)  # three columns per language
    if wanted[-1] == "evaluate":
        return Built(out, None)
    return Built(out, work.bundle(measured, groups, exported, identifier, evaluated))


def load_data(settings: Settings) -> Dataset:
    """Load the data set that the settings name.

    Raises:
        GradsimError: It is unknown, cannot be found, or is not as it should be.
    """
    source = plugins.load("datasets", settings.data)
    languages: Sequence[str] | None = settings.languages
    dataset: Dataset = source.load(settings.data_dir, languages)
    return dataset
