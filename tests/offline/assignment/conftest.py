"""A tiny real bundle of four demo languages that can take in a new one, built once."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from quick_builds import quickly

from gradsim_offline.bundle.parts import Parts, entries
from gradsim_offline.bundle.reference_gradients import ReferenceGradients, joint_model, measure_gradients
from gradsim_offline.bundle.write import complete_manifest, draft_manifest, write_bundle
from gradsim_offline.core.run_directory import RunDirectory
from gradsim_offline.core.settings import Settings
from gradsim_offline.experiments.assign import ranking
from gradsim_offline.grouping.objective import GroupingResult
from gradsim_offline.grouping.result import name_groups
from gradsim_offline.pipeline.build import load_data
from gradsim_offline.pipeline.choosing import HandedOver
from gradsim_offline.pipeline.packaging import Packaging
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.task import load_task
from gradsim_shared.bundle import VerifiedBundle, open_bundle

KNOWN = ("eng", "hau", "hin", "tur")
SCHEDULE = {"epochs": 2, "minimum_steps": 0, "batch_size": 16, "learning_rate": 2e-3}
SINGLETONS = {"singletons": np.zeros(4), "singleton_score": "zero"}
SETTINGS = {
    "data": "demo",
    "languages": list(KNOWN),
    "maximum_length": 64,
    "pretraining": {"vocabulary": 300, "hidden_size": 32, "layers": 1, "ngram_buckets": 2048, "ngram_size": 8}
    | {"epochs": 0},
    "measuring": SCHEDULE,
    "training": SCHEDULE,
    "exporting": {"parity_texts": 16},
}


def _pairs(similarity) -> GroupingResult:
    """Return the two pairs of the greatest similarity."""
    choices = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    score = {pairs: 2 * sum(float(similarity[pair]) for pair in pairs) for pairs in choices}
    best = max(choices, key=score.__getitem__)
    return GroupingResult(best, tuple(int(i in best[1]) for i in range(4)), score[best], score[best], proven=True)


@contextmanager
def briefly():
    """Train a quick identifier, and draw scores less often."""
    with pytest.MonkeyPatch.context() as patch, quickly():
        patch.setattr(ranking, "SCORE_DRAWS", 20)
        yield


@pytest.fixture(scope="module", autouse=True)
def _all_of_it_briefly():
    with briefly():
        yield


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, quiet) -> VerifiedBundle:
    """The bundle; it has no scores, and its report is empty."""
    settings = Settings.model_validate(SETTINGS)
    dataset = load_data(settings)
    task = load_task(dataset.task)
    pipeline = Pipeline(settings, dataset, task, RunDirectory(tmp_path_factory.mktemp("runs") / "four", quiet))
    encoder = pipeline.prepare_encoder()
    measured = pipeline.measure(encoder)
    groups = name_groups(_pairs(measured.matrix), KNOWN, measured.matrix, solver="pairs", **SINGLETONS)
    multilingual = pipeline.train_multilingual(encoder)
    pack = Packaging(pipeline)
    models = pipeline.train_groups(encoder, groups, multilingual)
    exported = pack.export(HandedOver(groups, {group: Parts(model) for group, model in models.items()}))
    placed = entries(groups, exported)
    with briefly():
        identifier = pack.identify()
    kept = pipeline.run.directory / "assignment"
    kept.mkdir()
    joint = joint_model(pipeline.run.directory / "measure", multilingual.directory)
    measure_gradients(
        dataset, joint, kept, task=task, maximum_length=settings.maximum_length, seed=0, device=torch.device("cpu")
    )
    draft = draft_manifest(settings, dataset, groups, placed, identifier.directory, task.metric(dataset.labels))
    manifest = complete_manifest(draft, settings, dataset, measured, {"scores": {}, "identifier": {}})
    target = pipeline.run.directory / "bundle"
    write_bundle(
        target, manifest, placed.files, identifier.directory, measured, "", reference=ReferenceGradients(joint, kept)
    )
    return open_bundle(target)


@pytest.fixture
def write_texts(tmp_path):
    """A function that writes texts of a language as a user's own files; it returns their directory."""

    def write(code: str, examples, split: str = "train", directory: Path = tmp_path / "data") -> Path:
        folder = directory / code
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["text\tlabel", *(f"{example.text}\t{example.label}" for example in examples)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return directory

    return write
