"""Score the new language, and rescore the service path of the others, because the identifier has changed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradsim_offline.bundle.baseline import baseline
from gradsim_offline.bundle.scoring import SCORED, golds, scoring_policy
from gradsim_offline.core.dataset import AnyExample, Dataset, Gold
from gradsim_offline.core.progress import Progress
from gradsim_offline.training.task import Task
from gradsim_offline.training.trained import open_trained
from gradsim_runtime.predictor import Answer, Predictor
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.decoding import Text
from gradsim_shared.manifest import Assignment, Baseline, Language, Manifest, Scores


def score_again(
    bundle: VerifiedBundle,
    manifest: Manifest,
    predictor: Predictor,
    everything: Dataset,
    code: str,
    *,
    task: Task,
    device: torch.device,
    progress: Progress,
) -> Manifest:
    """Return the manifest with scores, accuracy of the identifier, and what answers look like on dev, for drift.

    A known language keeps its scores of the multilingual and the group model, which are the same models; the new
    one's multilingual model is the bundle's joint model, which was trained on all languages but this one; a bundle
    that holds none has no such score.

    Args:
        bundle: The old one.
        manifest: Of the new one.
        predictor: Answers as its bundle will.
        everything: Texts of all its languages.
        code: The new language.
        task: The task's torch half.
        device: Where to compute.
        progress: Shows how far it is.
    """
    languages: list[Language] = []
    right, total = dict.fromkeys(SCORED, 0), dict.fromkeys(SCORED, 0)
    watched: list[Answer] = []  # on dev
    with progress.bar("evaluating", len(manifest.languages)) as advance:
        for language in manifest.languages:
            scores = dict(language.scores)
            for split in SCORED:
                examples = everything.split(language.code, split)
                if not examples:
                    continue
                texts, inputs = [example.text for example in examples], [example.input for example in examples]
                routes = predictor.routes(texts, policy=scoring_policy(manifest))
                served = predictor.answers(inputs, routes)
                if split == "dev":
                    watched += served
                answers = golds(served)
                right[split] += sum(route.language == language.code for route in routes)
                total[split] += len(routes)
                if language.code == code:
                    given = golds(predictor.answers(inputs, predictor.routes(texts, code)))
                    columns = {"group": given, "service": answers}
                    if bundle.manifest.assignment is not None:
                        joint = _joint_answers(bundle, bundle.manifest.assignment, inputs, task=task, device=device)
                        columns = {"multilingual": joint, **columns}
                    scored = {name: _score(task, examples, column, manifest) for name, column in columns.items()}
                    scores[split] = Scores.model_validate(scored)
                elif split in scores:
                    service = _score(task, examples, answers, manifest)
                    scores[split] = scores[split].model_copy(update={"service": service})
            languages.append(language.model_copy(update={"scores": scores}))
            advance(language.code)
    accuracy = {split: right[split] / total[split] for split in SCORED if total[split]}
    identifier = manifest.identifier.model_copy(update={"accuracy": accuracy})
    drift = baseline(watched)
    return manifest.model_copy(
        update={
            "languages": languages,
            "identifier": identifier,
            "baseline": drift and Baseline.model_validate(drift),
        }
    )


def _score(task: Task, examples: Sequence[AnyExample], answers: Sequence[Gold], manifest: Manifest) -> dict[str, float]:
    found: dict[str, float] = task.scores([example.gold for example in examples], answers, manifest.labels)
    return found


def _joint_answers(
    bundle: VerifiedBundle, entry: Assignment, inputs: Sequence[Text], *, task: Task, device: torch.device
) -> list[Gold]:
    """Return what the joint model answers."""
    manifest = bundle.manifest
    directory = bundle.path(entry.directory)
    model = open_trained(
        directory,
        manifest.labels,
        task=task,
        maximum_length=manifest.maximum_length,
        device=device,
        normalisation=manifest.normalisation,
        long_texts=manifest.long_texts,
    )
    return model.answers(inputs)
