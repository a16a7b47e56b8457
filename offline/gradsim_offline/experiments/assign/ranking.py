"""Which group would serve a new language best, and how sure that is.

The score decides, unless the gradient is to: what each group's model scores on the examples, none of which it has seen,
says most about how it will do (docs/new-language.md has figures). Beside it stands the gradient, which decided the
groups: whose members' gradients are most like the new language's (GradSim, section 3.2, for a language too late).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gradsim_offline.bundle.reference_gradients import read_gradients
from gradsim_offline.core import languages as codes
from gradsim_offline.core.bootstrap import drawn_means
from gradsim_offline.core.dataset import AnyExample, Dataset
from gradsim_offline.experiments.assign import bootstrap
from gradsim_offline.models.loading import load_tokenizer
from gradsim_offline.similarity.model_gradients import example_gradients
from gradsim_offline.training.task import Task
from gradsim_runtime.loading import load_group_model
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.errors import BundleError
from gradsim_shared.group_model import GroupModel
from gradsim_shared.manifest import Assignment, Manifest

DRAWS = 1000
SCORE_DRAWS = 100  # a score takes milliseconds; its spread is known to a tenth by then
DECIDED = 0.8  # share of the draws that the best group must win
NOISY = 0.5  # two halves of the examples that agree less say little
_CERTAIN = 1.96  # standard errors: 95 % of a normal distribution

Array = NDArray[np.float64]
By = Literal["score", "gradient"]


@dataclass(frozen=True)
class RankedGroup:
    """A group, with its scores for the new language.

    Attributes:
        id: The group's.
        members: Languages that its model was trained on.
        similarity: Collective similarity of the new language in it.
        similarity_error: Its standard error over bootstrap draws of the examples.
        wins: Share of the draws in which no group is more similar; those that tie share a draw.
        score: The task's metric of its model on the examples, 0 to 1.
        score_error: Its standard error over draws.
        score_wins: Share of the draws in which no group's model scores higher; those that tie share a draw.
    """

    id: str
    members: tuple[str, ...]
    similarity: float
    similarity_error: float
    wins: float
    score: float
    score_error: float
    score_wins: float


@dataclass(frozen=True)
class GroupRanking:
    """The groups of a bundle, ranked for a new language.

    Attributes:
        bundle: Name and version of the bundle that was asked.
        language: ISO 639-3 code.
        name: The language's name.
        examples: How many labelled texts were measured.
        metric: The task's.
        similarities: Cosine with each known language's gradient, greatest first.
        groups: The groups, best first by what decides.
        split_half: Cosine between the gradients of two halves of the examples, mean over random halves.
        notes: What a reader should know before trusting the first group.
        by: What decides: the score of the groups' models, or the gradient.
    """

    bundle: str
    language: str
    name: str
    examples: int
    metric: str
    similarities: dict[str, float]
    groups: tuple[RankedGroup, ...]
    split_half: float
    notes: tuple[str, ...]
    by: By

    @property
    def best(self) -> RankedGroup:
        """The first group."""
        return self.groups[0]

    def best_by(self, by: By) -> RankedGroup:
        """Return the group that the score, or the gradient, names."""
        return max(self.groups, key=_rank(by))

    def wins(self, group: RankedGroup) -> float:
        """Return the share of the draws in which no group is better, by what decides."""
        return group.score_wins if self.by == "score" else group.wins

    @property
    def decided(self) -> bool:
        """Whether it is the best in most draws of the examples."""
        return self.wins(self.best) >= DECIDED

    def content(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        named = {f"by_{by}": self.best_by(by).id for by in ("score", "gradient")}
        return {"group": self.best.id, **named, "decided": self.decided, **asdict(self)}


def _rank(by: By) -> Callable[[RankedGroup], tuple[float, float]]:
    """Return the order of groups, the best highest; of equal scores the more similar."""
    if by == "score":
        return lambda group: (group.score, group.similarity)
    return lambda group: (group.similarity, group.score)


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
        bundle: One that holds ``assignment/``.
        examples: Labelled texts of the new language, with the bundle's labels.
        code: The new language.
        task: The torch half of the bundle's task.
        seed: Of the bootstrap.
        device: Where to compute.
        by: What decides.

    Raises:
        BundleError: The bundle does not hold what assigning needs.
    """
    manifest = bundle.manifest
    entry = assignment_of(bundle)
    known = read_gradients(bundle.path(entry.gradients), entry).numpy()
    texts = list(examples.split(code, "train"))
    gradients = _gradients(bundle, entry, texts, task=task, seed=seed, device=device)
    members = [[entry.languages.index(member) for member in group.members] for group in manifest.groups]
    random = np.random.default_rng(seed)
    mean = gradients.mean(axis=0)[None]
    similarity = bootstrap.group_similarities(mean, known, members)[0]
    draws = bootstrap.group_similarities(drawn_means(gradients, DRAWS, random), known, members)
    half = bootstrap.split_half(gradients, 100, random)
    single = bootstrap.group_similarities(mean, known, [[i] for i in range(len(known))])[0]
    scores, drawn_scores = _scores(bundle, texts, task=task, random=random)
    columns = (
        *(similarity, draws.std(axis=0), bootstrap.wins(draws)),
        *(scores, drawn_scores.std(axis=0), bootstrap.wins(drawn_scores)),
    )
    unordered = [
        RankedGroup(group.id, tuple(group.members), *(float(column[k]) for column in columns))
        for k, group in enumerate(manifest.groups)
    ]
    rank = _rank(by)
    order = sorted(range(len(unordered)), key=lambda k: rank(unordered[k]), reverse=True)
    groups = tuple(unordered[k] for k in order)
    cosines = {entry.languages[i]: float(single[i]) for i in np.argsort(-single)}
    notes = _notes_on_score(groups) if by == "score" else _notes_on_gradient(groups, drawn_scores[:, order], manifest)
    if half < NOISY:
        notes.append(f"noisy: the gradients of two halves of the examples agree to {half:.2f} only")
    if entry.split == "train":
        notes.append(f"{manifest.title} had few dev texts: its gradients are of texts that its joint model has learnt")
    name = codes.name(code)
    return GroupRanking(
        manifest.title, code, name, len(texts), manifest.metric, cosines, groups, half, tuple(notes), by
    )


def assignment_of(bundle: VerifiedBundle) -> Assignment:
    """Return the manifest's entry.

    Raises:
        BundleError: There is none, or a group has members of which it knows nothing.
    """
    manifest = bundle.manifest
    entry = manifest.assignment
    if entry is None:
        raise BundleError(
            f"bundle {bundle.directory} holds no joint model, so no language can be assigned to it: build it again "
            "with exporting.assignable = true"
        )
    for group in manifest.groups:
        for member in group.members:
            if member not in entry.languages:
                raise BundleError(f"bundle {bundle.directory}: no gradient of {member}, a member of {group.id}")
    return entry


def open_models(bundle: VerifiedBundle) -> dict[str, GroupModel]:
    """Open every group's model as the service does."""
    opened: dict[str, Any] = {}
    groups = bundle.manifest.groups
    return {group.id: load_group_model(bundle.path, group, bundle.manifest, opened=opened) for group in groups}


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
    models = open_models(bundle).values()
    inputs = [example.input for example in examples]
    answers = [[decoded.answer for decoded in model.answers(inputs)] for model in models]

    def score(chosen: Sequence[int]) -> list[float]:
        true = [gold[i] for i in chosen]
        return [task.scores(true, [given[i] for i in chosen], labels)[metric] for given in answers]

    draws = random.integers(len(gold), size=(SCORE_DRAWS, len(gold))).tolist()
    return np.array(score(range(len(gold)))), np.array([score(chosen) for chosen in draws])


def _notes_on_score(groups: Sequence[RankedGroup]) -> list[str]:
    """Return the notes on a ranking by score: undecided, tied, or contradicted by the gradient."""
    best, similar = groups[0], max(groups, key=_rank("gradient"))
    notes = []
    if best.score_wins < DECIDED:
        notes.append(
            f"undecided: {best.id} scores highest in {best.score_wins:.0%} of the draws, less than {DECIDED:.0%}; "
            "more examples would help"
        )
    equal = [group.id for group in groups if group.score == best.score]
    if len(equal) > 1:
        notes.append(f"{', '.join(equal)} score the same; of them the gradient names {best.id}")
    if similar is not best and similar.wins >= DECIDED:
        notes.append(
            f"the gradient disagrees: {similar.id} is the most similar in {similar.wins:.0%} of the draws; "
            "--by gradient chooses it"
        )
    return notes


def _notes_on_gradient(groups: Sequence[RankedGroup], draws: Array, manifest: Manifest) -> list[str]:
    """Return the notes on a ranking by gradient; ``draws`` of scores: ``[draws, groups]``."""
    notes = []
    if groups[0].wins < DECIDED:
        notes.append(
            f"undecided: {groups[0].id} is the most similar in {groups[0].wins:.0%} of the draws, less than "
            f"{DECIDED:.0%}; more examples would help"
        )
    rival = int(np.argmax([group.score for group in groups]))
    ahead, spread = groups[rival].score - groups[0].score, (draws[:, rival] - draws[:, 0]).std()
    if ahead > _CERTAIN * spread:
        notes.append(
            f"the scores disagree: the model of {groups[rival].id} answers these examples better than that of "
            f"{groups[0].id}, by {100 * ahead:.1f} points of {manifest.metric} (standard error {100 * spread:.1f}); "
            f"--by score chooses it"
        )
    return notes
