"""The whole method: measure, group, train, export, identify, evaluate, bundle. The first file to read.

Each step is a stage: it is skipped when nothing that it depends on has changed, and goes on where it stopped when it
was interrupted (``core/run_directory.py``). What a step does is said in the file that it calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import Run
from gradsim_offline.core.settings import Settings
from gradsim_offline.datasets import loading as data_sources
from gradsim_offline.datasets.summary import announce
from gradsim_offline.pipeline.packaging import Packing
from gradsim_offline.pipeline.stages import Workshop


def stages(work: Workshop) -> Iterator[str]:
    """Go through the method, one stage at a time; the name of each is yielded when it is done."""
    work.segmentation()  # how raw text is split into words, where words are tagged
    encoder = work.prepare_encoder()  # mini is made here; another one is only looked for; both may be adapted
    yield "encoder"
    measured = work.measure(encoder)  # S, from one joint training
    yield "measure"
    groups = work.group(measured, encoder)  # the groups of highest agreement
    yield "group"
    multilingual = work.train_multilingual(encoder)  # what they are compared with
    models = work.train_groups(encoder, groups, multilingual)  # one model per group
    yield "train"
    pack = Packing(work)
    exported = pack.export(groups, models)  # ONNX, compared with torch
    yield "export"
    identifier = pack.identify()  # fastText
    yield "identify"
    evaluated = pack.evaluate(groups, multilingual, exported, identifier)  # three columns per language
    yield "evaluate"
    kept = pack.keep(multilingual)  # for a language that comes later
    pack.bundle(measured, groups, exported, identifier, evaluated, multilingual, kept)
    yield "bundle"


def build(settings: Settings, out: Path, progress: Progress, *, until: str = "bundle") -> Path:
    """Run every stage up to and including ``until``.

    Args:
        settings: What to build.
        out: The run directory; results of earlier builds in it are used again where they still hold.
        progress: Shows how far it is.
        until: The last stage to run.

    Returns:
        Where the bundle lies after the last stage: ``out / "bundle"``.

    Raises:
        GradsimError: Something is wrong with data, settings or model; what was computed before is kept.
    """
    dataset = load_data(settings)
    run = Run(out, progress)
    announce(dataset, progress)
    with run.locked():
        work = Workshop(settings, dataset, plugins.load("tasks", dataset.task), run)
        work.check()
        work.save_settings()
        for stage in stages(work):
            if stage == until:
                break
    return out / "bundle"


def load_data(settings: Settings) -> Dataset:
    """Load the data set that the settings name.

    Raises:
        GradsimError: It is unknown, cannot be found, or is not as it should be.
    """
    return data_sources.load(settings.data, settings.data_dir, settings.languages, settings.data_options)
