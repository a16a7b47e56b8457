"""The report of a build: one HTML page that needs nothing beside itself, for the bundle's ``report/index.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from gradsim_offline.core.dataset import SPLITS
from gradsim_offline.core.settings import CONSTRAINTS
from gradsim_offline.report import conflicts as _conflicts
from gradsim_offline.report import groups as _groups
from gradsim_offline.report import identifier as _identifier
from gradsim_offline.report import labels as _labels
from gradsim_offline.report import scores as _scores
from gradsim_offline.report.costs import cost_table
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.grouping_drawings import Candidates, k_curve
from gradsim_offline.report.numbers import MISSING, decimal, percent, tiny
from gradsim_offline.report.pages import environment, metric_name, written
from gradsim_offline.report.table import Table
from gradsim_offline.similarity.measured import Measured
from gradsim_offline.similarity.reliability import in_words
from gradsim_shared.manifest import Language, Manifest


def render(
    manifest: Manifest,
    measured: Measured,
    evaluated: Mapping[str, Any],
    test_counts: Mapping[str, int],
    curve: Candidates = (),
    costs: Mapping[str, float] | None = None,
    trainings: Sequence[_conflicts.Training] = (),
    figures: Sequence[Drawing] | None = None,
) -> str:
    """Return the page; the same arguments always give the same page.

    Args:
        manifest: Of the bundle; sizes and hashes of files need not be known yet.
        measured: S and how it came about.
        evaluated: What ``bundle.scoring.score`` returned.
        test_counts: Test texts per language; empty: no test split.
        curve: What each K came to (``Groups.curve``); empty: K was given.
        costs: Seconds of each stage, by its name (``costs.stage_seconds``); ``None``: not told.
        trainings: How each model was trained (``conflicts.read_trainings``); empty: not told.
        figures: What ``drawings`` returned for the same arguments; ``None``: they are drawn here.
    """
    if figures is None:
        figures = drawings(manifest, measured, evaluated, test_counts, curve, trainings)
    changes = _groups.changes(measured)
    scores = _scores.split_scores(manifest, evaluated, test_counts)
    matrices, counted = _labels.matrices(manifest, evaluated), _labels.unit(manifest)
    answered_split = _identifier.answered_split(evaluated)
    grouping = manifest.grouping
    page = environment().get_template("page.html.j2")
    return page.render(
        manifest=manifest,
        measured=measured,
        figures={drawing.name: drawing for drawing in figures},
        scores=scores,
        score_tables={each.split: _scores.score_table(each, metric_name(manifest.metric)) for each in scores},
        metric_tables={each.split: _scores.metric_table(each) for each in scores},
        answered_split=answered_split,
        label_scores=_labels.f1_table(matrices, answered_split, counted) if matrices else None,
        confusions=_labels.confusion_tables(matrices, counted),
        errors=list(_labels.error_tables(manifest, evaluated)),
        groups=_groups.group_table(manifest),
        scored_by_s=_groups.scored_by_s(manifest),
        gap=max(0.0, grouping.bound - grouping.score),
        repeats=in_words(measured.reliability),
        together=_groups.together(measured),
        singleton_rule=_groups.singleton_rule(grouping.singleton_score),
        layers=_groups.layers(measured),
        candidates=_groups.candidate_table(curve),
        changes=_groups.change_table(changes),
        convergence=_groups.convergence(changes),
        epochs_used=_epochs_used(measured),
        constrained=_constrained(manifest),
        examples=_examples(manifest),
        conflicts=_conflicts.conflicts(trainings),
        accuracies=_identifier.accuracy_table(manifest, evaluated),
        mix_ups=_identifier.mix_up_table(manifest, evaluated),
        models=_models(manifest),
        fallback=[language.name for language in manifest.languages if language.group == manifest.fallback.group],
        costs=cost_table(costs or {}),
        settings=written(manifest.provenance.settings),
        measured_with=written(dict(measured.settings)),
    )


def drawings(
    manifest: Manifest,
    measured: Measured,
    evaluated: Mapping[str, Any],
    test_counts: Mapping[str, int],
    curve: Candidates = (),
    trainings: Sequence[_conflicts.Training] = (),
) -> list[Drawing]:
    """Return the figures of the page, for files beside it; arguments as for ``render``."""
    scores = _scores.split_scores(manifest, evaluated, test_counts)
    figures = [
        *_groups.heatmaps(manifest, measured),
        _groups.tree(manifest, measured),
        k_curve(curve),
        *_scores.score_drawings(scores, metric_name(manifest.metric)),
        _labels.confusion(manifest, evaluated),
        *_conflicts.drawings(trainings),
        _identifier.reliability(manifest),
        _identifier.confusion(manifest, evaluated),
        _identifier.routing(manifest, evaluated),
    ]
    return [drawing for drawing in figures if drawing]


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


def _models(manifest: Manifest) -> Table:
    """Lay out each exported form of a group's model."""
    rows = [
        (
            group.id,
            ", ".join(language.name for language in manifest.languages if language.group == group.id),
            "; ".join([precision, *(f"not {form}: {reason}" for form, reason in group.refused.items())]),
            Markup("<code>{}</code>").format(model.file),
            str(model.parity.texts),
            tiny(model.parity.max_difference),
            percent(model.parity.label_agreement),
            decimal(model.latency_milliseconds, 2),
        )
        for group in manifest.groups
        for precision, model in group.precisions.items()
    ]
    compared = ("Texts compared", "Largest logit difference", "Same label, %", "Latency, ms")
    return Table("Models as they are served", ("Group", "Serves", "Precision", "File", *compared), rows, words=4)


def _examples(manifest: Manifest) -> Table:
    splits = [split for split in SPLITS if any(split in language.longer for language in manifest.languages)]
    rows = [
        (
            _groups.who(language),
            ", ".join(script.capitalize() for script in language.scripts) or MISSING,
            *(str(language.counts.get(split, MISSING)) for split in SPLITS),
            *(_longer(language, split) for split in splits),
        )
        for language in manifest.languages
    ]
    long = f"> {manifest.maximum_length} tokens"
    columns = ("Language", "Scripts", "Train", "Dev", "Test", *(f"{long}: {split}, %" for split in splits))
    return Table("Examples per split", columns, rows, words=2, remark=_reading(manifest) if splits else "")


def _longer(language: Language, split: str) -> str:
    """Return the share of a split's texts that are longer than a model reads at once, in percent."""
    count = language.counts.get(split, 0)
    return percent(language.longer.get(split, 0) / count) if count else MISSING


def _reading(manifest: Manifest) -> str:
    """Say what becomes of texts that are longer than a model reads at once."""
    service = "the service reads their beginning, too, and says that they are truncated"
    if manifest.long_texts == "windows":
        service = "the service reads them in windows and averages the logits"
    return (
        f"Texts of more than maximum_length = {manifest.maximum_length} tokens: training reads their beginning; "
        f"{service} (long_texts = {manifest.long_texts}). A larger maximum_length reads more of them."
    )
