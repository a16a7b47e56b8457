"""The report of a build: one HTML page that needs nothing beside itself, for the bundle's ``report/index.html``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradsim_offline.core.settings import CONSTRAINTS
from gradsim_offline.report import conflicts as _conflicts
from gradsim_offline.report import groups as _groups
from gradsim_offline.report import identifier as _identifier
from gradsim_offline.report import reliability as _reliability
from gradsim_offline.report import score_drawings as _score_drawings
from gradsim_offline.report import scores as _scores
from gradsim_offline.report.costs import costs as summed
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.environment import environment, metric_name
from gradsim_offline.report.k_curve import chosen, k_curve
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.manifest import Group, Manifest, Precision

TEMPLATE = "page.html.j2"

Curve = Sequence[Mapping[str, float]]  # what was found for every K, as plain dictionaries


@dataclass(frozen=True)
class Model:
    """One exported form of a group's model."""

    group: Group
    serves: tuple[str, ...]
    precision: str
    figures: Precision


def render(
    manifest: Manifest,
    measured: Measured,
    evaluated: Mapping[str, Any],
    test_counts: Mapping[str, int],
    curve: Curve = (),
    costs: Mapping[str, float] | None = None,
    trainings: Sequence[_conflicts.Training] = (),
) -> str:
    """Return the page; the same arguments always give the same page.

    Args:
        manifest: Of the bundle; sizes and hashes of files need not be known yet.
        measured: S and how it came about.
        evaluated: What ``evaluation.scoring.score`` returned.
        test_counts: Test texts per language; empty: no test split.
        curve: What each K came to (``Groups.curve``); empty: K was given.
        costs: Seconds of each stage, by its name (``costs.stage_seconds``); ``None``: not told.
        trainings: How each model was trained (``_conflicts.read_trainings``); empty: not told.
    """
    splits, accuracies = _identifier.accuracies(manifest, evaluated)
    changes = _groups.changes(measured)
    scores = _scores.split_scores(manifest, evaluated, test_counts)
    grouping = manifest.grouping
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            manifest=manifest,
            measured=measured,
            scores=scores,
            groups=_groups.group_rows(manifest),
            gap=max(0.0, grouping.bound - grouping.score),
            together=_groups.together(measured),
            singleton_rule=_groups.singleton_rule(grouping.singleton_score),
            heatmaps=_groups.heatmaps(manifest, measured),
            tree=_groups.tree(manifest, measured),
            score_drawings=_score_drawings.drawings(scores, metric_name(manifest.metric)),
            curve=curve,
            chosen=chosen(curve),
            curve_drawing=k_curve(curve),
            changes=changes,
            epochs_used=_epochs_used(measured),
            constrained=_constrained(manifest),
            convergence=_groups.convergence(changes),
            conflicts=_conflicts.conflicts(trainings),
            identifier_splits=splits,
            accuracies=accuracies,
            reliability=_reliability.reliability(manifest),
            confusion=_identifier.confusion(manifest, evaluated),
            confusion_split="test" if evaluated.get("scores", {}).get("test") else "dev",
            routing=_identifier.routing(manifest, evaluated),
            mix_ups=_identifier.mix_ups(manifest, evaluated),
            models=_models(manifest),
            fallback=_fallback_names(manifest),
            costs=summed(costs or {}),
            settings=json.dumps(manifest.provenance.settings, indent=2, ensure_ascii=False, default=str),
            measured_with=json.dumps(dict(measured.settings), indent=2, ensure_ascii=False, default=str),
        )
    )


def drawings(
    manifest: Manifest,
    measured: Measured,
    evaluated: Mapping[str, Any],
    test_counts: Mapping[str, int],
    curve: Curve = (),
    trainings: Sequence[_conflicts.Training] = (),
) -> list[Drawing]:
    """Return the figures of the page, for files beside it; arguments as for ``render``."""
    scores = _scores.split_scores(manifest, evaluated, test_counts)
    found = [
        *(heatmap.plot for heatmap in _groups.heatmaps(manifest, measured)),
        _groups.tree(manifest, measured),
        k_curve(curve),
        *_score_drawings.drawings(scores, metric_name(manifest.metric)),
        *_conflicts.drawings(trainings),
        _reliability.reliability(manifest),
        _identifier.confusion(manifest, evaluated),
        _identifier.routing(manifest, evaluated),
    ]
    return [drawing for drawing in found if drawing]


def _epochs_used(measured: Measured) -> str:
    """Say over which epochs S was averaged."""
    of = len(measured.epochs)
    used = range(1, of + 1)[measured.counted]
    if len(used) == of:
        return f"all {of} epochs"
    return f"{f'epochs {used[0]} to {used[-1]}' if len(used) > 1 else f'epoch {used[0]}'} of {of}"


def _constrained(manifest: Manifest) -> bool:
    """Say whether constraints were set on the groups."""
    grouping = manifest.provenance.settings.get("grouping")
    return isinstance(grouping, Mapping) and any(grouping.get(name) for name in CONSTRAINTS)


def _models(manifest: Manifest) -> list[Model]:
    serves = {
        group.id: tuple(language.name for language in manifest.languages if language.group == group.id)
        for group in manifest.groups
    }
    return [
        Model(group, serves[group.id], name, figures)
        for group in manifest.groups
        for name, figures in group.precisions.items()
    ]


def _fallback_names(manifest: Manifest) -> list[str]:
    return [language.name for language in manifest.languages if language.group == manifest.fallback.group]
