"""Which group would serve a new language best, and how sure that is.

The score decides, unless the gradient is to: what each group's model scores on the examples, none of which it has seen,
says most about how it will do (docs/new-language.md has figures). Beside it stands the gradient, which decided the
groups: whose members' gradients are most like the new language's (GradSim, section 3.2, for a language too late).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.bundle.reference_gradients import read_gradients
from gradsim_offline.core import languages as codes
from gradsim_offline.core.bootstrap import drawn_means
from gradsim_offline.core.dataset import AnyExample, Dataset
from gradsim_offline.experiments.assign import bootstrap
from gradsim_offline.experiments.assign.ranked import (
    By,
    GroupRanking,
    RankedGroup,
    notes_on_gradient,
    notes_on_score,
    rank,
)
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.model_gradients import example_gradients
from gradsim_offline.training.task import Task
from gradsim_runtime.loading import load_group_model
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.errors import SettingsError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Assignment, Manifest

DRAWS = 1000
SCORE_DRAWS = 100  # a score takes milliseconds; its spread is known to a tenth by then
NOISY = 0.5  # two halves of the examples that agree less say little

Array = NDArray[np.float64]


def rank_groups(
    bundle: VerifiedBundle,
    examples: Dataset,
    code: str,
    *,
    task: Task,
    seed: int,
    device: torch.device,
    by: By = "score",
) -> GroupRanking:
    """Measure the gradient of a new language at the bundle's joint model, and rank the groups.

    Args:
        bundle: Without ``assignment/`` there are scores, but no gradients.
        examples: Labelled texts of the new language, with the bundle's labels.
        code: The new language.
        task: The torch half of the bundle's task.
        seed: Of the bootstrap.
        device: Where to compute.
        by: What decides.
    """
    manifest = bundle.manifest
    texts = list(examples.split(code, "train"))
    random = np.random.default_rng(seed)
    if manifest.assignment is None:
        nothing = [None] * len(manifest.groups)
        found = _Gradients({}, nothing, nothing, [0.0] * len(manifest.groups), None)
    else:
        gradients = _gradients(bundle, manifest.assignment, texts, task=task, seed=seed, device=device)
        found = _compared(bundle, manifest.assignment, gradients, random)
    scores, drawn_scores = _scores(bundle, texts, task=task, random=random)
    errors, score_wins = drawn_scores.std(axis=0), bootstrap.wins(drawn_scores)
    unordered = [
        RankedGroup(
            group.id,
            tuple(group.members),
            *(found.similarity[k], found.errors[k], found.wins[k]),
            *(float(column[k]) for column in (scores, errors, score_wins)),
        )
        for k, group in enumerate(manifest.groups)
    ]
    place = rank(by)
    order = sorted(range(len(unordered)), key=lambda k: place(unordered[k]), reverse=True)
    groups = tuple(unordered[k] for k in order)
    notes = (
        notes_on_score(groups) if by == "score" else notes_on_gradient(groups, drawn_scores[:, order], manifest.metric)
    )
    if found.split_half is not None and found.split_half < NOISY:
        notes.append(f"noisy: the gradients of two halves of the examples agree to {found.split_half:.2f} only")
    if manifest.assignment is not None and manifest.assignment.split == "train":
        notes.append(f"{manifest.title} had few dev texts: its gradients are of texts that its joint model has learnt")
    return GroupRanking(
        *(manifest.title, code, codes.name(code), len(texts), manifest.metric),
        *(found.cosines, groups, found.split_half, tuple(notes), by),
    )


@dataclass(frozen=True)
class _Gradients:
    """What gradients say of each group, in the manifest's order; ``None`` where the bundle has none."""

    cosines: dict[str, float]
    similarity: Sequence[float | None]
    errors: Sequence[float | None]
    wins: Sequence[float]
    split_half: float | None


def _compared(bundle: VerifiedBundle, entry: Assignment, gradients: Array, random: np.random.Generator) -> _Gradients:
    """Compare the examples' gradients, ``[rows, parameters]``, with those of the known languages, by group.

    A group whose members came later than the joint model has no gradients: it cannot win.
    """
    known = read_gradients(bundle.path(entry.gradients), entry).numpy()
    groups = bundle.manifest.groups
    measured = [k for k, group in enumerate(groups) if set(group.members) <= set(entry.languages)]
    members = [[entry.languages.index(member) for member in groups[k].members] for k in measured]
    mean = gradients.mean(axis=0)[None]
    draws = bootstrap.group_similarities(drawn_means(gradients, DRAWS, random), known, members)
    half = bootstrap.split_half(gradients, 100, random)
    single = bootstrap.group_similarities(mean, known, [[i] for i in range(len(known))])[0]

    def spread(values: Array) -> dict[int, float]:
        return dict(zip(measured, values.tolist(), strict=True))

    similarity = spread(bootstrap.group_similarities(mean, known, members)[0])
    errors, wins = spread(draws.std(axis=0)), spread(bootstrap.wins(draws))
    every = range(len(groups))
    return _Gradients(
        {entry.languages[i]: float(single[i]) for i in np.argsort(-single)},
        [similarity.get(k) for k in every],
        [errors.get(k) for k in every],
        [wins.get(k, 0.0) for k in every],
        half,
    )


def check_gradients(bundle: VerifiedBundle, by: By) -> None:
    """Refuse to let the gradient choose where the bundle has none.

    Raises:
        SettingsError: It has none.
    """
    if by == "gradient" and bundle.manifest.assignment is None:
        instead = (
            "training.trained_blocks = all (what stands on a frozen encoder is no joint model)"
            if bundle.manifest.trunk is not None
            else "exporting.assignment = true and an encoder (a bundle of --model ngrams has none)"
        )
        raise SettingsError(
            f"bundle {bundle.directory} holds no joint model, so no gradient can choose; leave out --by gradient, or "
            f"build it with {instead}"
        )


def open_models(manifest: Manifest, path: Callable[[str], Path]) -> dict[str, GroupModel]:
    """Open every group's model as the service does; ``path`` says where a file of the bundle is."""
    opened: dict[str, Any] = {}
    return {group.id: load_group_model(path, group, manifest, opened=opened) for group in manifest.groups}


def _gradients(
    bundle: VerifiedBundle,
    entry: Assignment,
    examples: Sequence[AnyExample],
    *,
    task: Task,
    seed: int,
    device: torch.device,
) -> Array:
    """Return each row's contribution to the mean gradient at the joint model, ``[rows, parameters]``."""
    labels = bundle.manifest.labels
    directory = bundle.path(entry.directory)
    tokenizer, pad_id = load_tokenizer(directory, maximum_length=bundle.manifest.maximum_length)
    model = task.load_model(directory, labels)
    reader = task.decoder.Reader(tokenizer, bundle.manifest.maximum_length, normalisation=bundle.manifest.normalisation)
    rows = task.encode(reader, examples, labels, language=0, seed=seed)
    units = np.array([row.units for row in rows])[:, None]
    added = example_gradients(model, rows, pad_id, task=task, device=device).double().numpy()
    return np.asarray(added * units / units.mean())  # a long sentence weighs as its words do in the mean


def _scores(
    bundle: VerifiedBundle, examples: Sequence[AnyExample], *, task: Task, random: np.random.Generator
) -> tuple[Array, Array]:
    """Return each group model's score on the examples, ``[groups]``, and on draws of them, ``[draws, groups]``."""
    labels = bundle.manifest.labels
    metric = task.metric(labels)
    gold = [example.gold for example in examples]
    models = open_models(bundle.manifest, bundle.path).values()
    inputs = [example.input for example in examples]
    answers = [[decoded.answer for decoded in model.answers(inputs)] for model in models]

    def score(chosen: Sequence[int]) -> list[float]:
        true = [gold[i] for i in chosen]
        return [task.scores(true, [given[i] for i in chosen], labels)[metric] for given in answers]

    draws = random.integers(len(gold), size=(SCORE_DRAWS, len(gold))).tolist()
    return np.array(score(range(len(gold)))), np.array([score(chosen) for chosen in draws])
