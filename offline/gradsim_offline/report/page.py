"""The report: one HTML page that needs nothing beside itself, for the bundle's ``report/index.html``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gradsim_offline.report import _groups, _identifier, _scores
from gradsim_offline.report._numbers import decimal, percent, points, sign, tiny
from gradsim_offline.similarity._measured import Measured
from gradsim_shared.manifest import Group, Manifest, Precision

TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Model:
    """One exported form of a group's model."""

    group: Group
    serves: tuple[str, ...]
    precision: str
    figures: Precision


def render(manifest: Manifest, measured: Measured, evaluated: Mapping[str, Any], test_counts: Mapping[str, int]) -> str:
    """Return the page; the same arguments always give the same page.

    Args:
        manifest: Of the bundle; sizes and hashes of files need not be known yet.
        measured: S and how it came about.
        evaluated: What ``evaluation.scoring.score`` returned.
        test_counts: Test texts per language; empty: no test split.
    """
    splits, accuracies = _identifier.accuracies(manifest, evaluated)
    changes = _groups.changes(measured)
    grouping = manifest.grouping
    template = _environment().get_template(TEMPLATE)
    return template.render(
        manifest=manifest,
        measured=measured,
        scores=_scores.split_scores(manifest, evaluated, test_counts),
        groups=_groups.group_rows(manifest),
        gap=max(0.0, grouping.bound - grouping.score),
        together=_groups.together(measured),
        singleton_rule=_groups.singleton_rule(grouping.singleton_score),
        heatmaps=_groups.heatmaps(manifest, measured),
        changes=changes,
        convergence=_groups.convergence(changes),
        identifier_splits=splits,
        accuracies=accuracies,
        confusion=_identifier.confusion(manifest, evaluated),
        confusion_split="test" if evaluated.get("scores", {}).get("test") else "dev",
        mix_ups=_identifier.mix_ups(manifest, evaluated),
        models=_models(manifest),
        fallback=_fallback_names(manifest),
        settings=json.dumps(manifest.provenance.settings, indent=2, ensure_ascii=False, default=str),
        measured_with=json.dumps(dict(measured.settings), indent=2, ensure_ascii=False, default=str),
    )


def metric_name(metric: str) -> str:
    """Write a metric for people: ``weighted_f1`` is weighted F1."""
    return metric.replace("_", " ").replace("f1", "F1")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "decimal": decimal,
        "percent": percent,
        "points": points,
        "sign": sign,
        "tiny": tiny,
        "metric": metric_name,
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


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
