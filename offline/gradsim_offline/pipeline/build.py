"""The whole method: measure, group, train, export, identify, evaluate, bundle. The first file to read.

Each step is a stage: it is skipped when nothing that it depends on has changed, and resumes where it stopped when it
was interrupted (``core/run_directory.py``). What a step does is said in the file that it calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.datasets.source import load_dataset
from gradsim_offline.datasets.summary import announce
from gradsim_offline.pipeline.checks import check_build
from gradsim_offline.pipeline.choosing import Choosing
from gradsim_offline.pipeline.packaging import Packaging
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.task import load_task


def stages(pipeline: Pipeline) -> Iterator[str]:
    """Go through the method, one stage at a time; the name of each is yielded when it is done."""
    pipeline.segmentation()  # how raw text is split into words, where words are tagged
    encoder = pipeline.prepare_encoder()  # mini is made here; another one is only looked for; both may be adapted
    yield "encoder"
    measured = pipeline.measure(encoder)  # S, from one joint training
    yield "measure"
    alone = not pipeline.store.tries_ngrams  # else n-grams stand for every language alone
    groups = pipeline.group(measured, encoder, alone=alone)  # the groups of highest agreement
    yield "group"
    multilingual = pipeline.train_multilingual(encoder)  # what they are compared with
    models = pipeline.train_groups(encoder, groups, multilingual)  # one model per group
    yield "train"
    long_texts = pipeline.long_texts(multilingual)  # whether texts that are too long are cut
    handed = Choosing(
        pipeline, encoder, groups, models, multilingual, long_texts
    ).hand_over()  # what dev says is best, linear models too
    yield "choose"
    packaging = Packaging(pipeline)
    exported = packaging.export(handed)  # ONNX, compared with torch
    yield "export"
    identifier = packaging.identify()  # fastText
    yield "identify"
    draft = packaging.draft(handed, exported, identifier, long_texts)  # the manifest: it can route
    evaluated = packaging.evaluate(draft, multilingual, handed, exported, identifier)  # three columns per language
    yield "evaluate"
    reference = packaging.reference_gradients(multilingual)  # for a language that comes later
    packaging.bundle(draft, measured, handed, exported, identifier, evaluated, multilingual, reference)
    yield "bundle"


def build(
    settings: Settings, out: Path, progress: Progress, *, until: str = "bundle", dataset: Dataset | None = None
) -> Path:
    """Run every stage up to and including ``until``.

    Args:
        settings: What to build.
        out: The run directory; results of earlier builds in it are used again where they still hold.
        progress: Shows how far it is.
        until: The last stage to run.
        dataset: As ``load_data`` read it; ``None``: it is read here.

    Returns:
        Where the bundle lies after the last stage: ``out / "bundle"``.

    Raises:
        GradsimError: Something is wrong with data, settings or model; what was computed before is kept.
    """
    dataset = dataset or load_data(settings)
    run = RunDirectory(out, progress, settings.trackers)
    announce(dataset, progress)
    with run.locked():
        pipeline = Pipeline(settings, dataset, load_task(dataset.task), run)
        check_build(pipeline.store)
        pipeline.save_settings()
        for stage in stages(pipeline):
            if stage == until:
                break
    return out / "bundle"


def load_data(settings: Settings) -> Dataset:
    """Load the data set that the settings name.

    Raises:
        GradsimError: It is unknown, cannot be found, or is not as it should be.
    """
    return load_dataset(settings.data, settings.data_dir, settings.languages, settings.data_options)
