"""A bundle in the terminal: its groups, and the three columns of scores per language."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from rich.console import Console

from gradsim_offline.report.groups import scored_by_s
from gradsim_offline.report.numbers import MISSING
from gradsim_offline.report.table import Table, print_tables
from gradsim_offline.report.verdicts import print_verdict
from gradsim_shared.bundle import open_bundle
from gradsim_shared.columns import PAIR_COLUMNS
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Language, Manifest, Scores, Trunk
from gradsim_shared.segments import Question, Sent, as_json

COLUMNS = tuple(Scores.model_fields)  # multilingual, group, service


def print_bundle(directory: Path, console: Console | None = None, text: Sent | None = None) -> None:
    """Verify a bundle and print it.

    Args:
        directory: The bundle's.
        console: Where to print; ``None``: standard output.
        text: One to try it with; ``None``: no way to try it is shown.

    Raises:
        BundleError: It is none, or not whole.
    """
    manifest = open_bundle(directory).manifest
    out = console or Console(highlight=False, soft_wrap=True)
    scored = {split for language in manifest.languages for split in language.scores}
    print_tables([_groups(manifest), *(_scores(manifest, split) for split in ("dev", "test") if split in scored)], out)
    if manifest.trunk is not None:
        out.print(_trunk(manifest, manifest.trunk))
    accuracy = ", ".join(f"{split} {100 * value:.2f} %" for split, value in manifest.identifier.accuracy.items())
    out.print(f"Language identifier: accuracy {accuracy or 'not measured'}")
    if manifest.thresholds:
        named = zip(manifest.labels, manifest.thresholds, strict=True)
        out.print(f"Thresholds: {', '.join(f'{label} {each:.2f}' for label, each in named)}", markup=False)
    size = sum(entry.size for entry in manifest.files.values()) / 1e6
    out.print(f"Bundle {manifest.title} in {directory} ({size:.1f} MB); report: {directory / 'report' / 'index.html'}")
    out.print(f"Serve it: gradsim-serve {directory}", markup=False)
    if text is not None:
        if isinstance(text, str):
            plain, line = " --plain", text
        else:
            fields = as_json(text) if isinstance(text, Question) else dict(zip(PAIR_COLUMNS[0], text, strict=True))
            plain, line = "", json.dumps(fields, ensure_ascii=False)
        shown = f"echo {shlex.quote(line)} | gradsim-serve predict {shlex.quote(str(directory))}{plain}"
        out.print(f"Try it:   {shown}", markup=False)
    print_verdict(manifest.verdict, out)


def _trunk(manifest: Manifest, trunk: Trunk) -> str:
    served = served_precision(trunk)
    name = next(name for name, form in trunk.precisions.items() if form is served)
    on_it = " ".join(group.id for group in manifest.groups if group.reads == "trunk")
    size, time = manifest.files[served.file].size / 1e6, served.latency_milliseconds
    cost = f", {time:.1f} ms per text" if time else ""
    return f"Trunk: {name}, {size:.1f} MB{cost}, cosine {served.cosine:.4f} to the encoder's outputs; read by {on_it}"


def _groups(manifest: Manifest) -> Table:
    grouping = manifest.grouping
    proven = "proven" if grouping.proven else f"at most {grouping.bound:.3f} possible"
    score = f": score {grouping.score:.3f}, {proven}" if scored_by_s(manifest) else ""
    rows = []
    for group in manifest.groups:
        served = [language.code for language in manifest.languages if language.group == group.id]
        precision = next(iter(group.precisions.values()))
        rows.append(
            (
                group.id if group.ensemble == 1 else f"{group.id} ({group.ensemble} models)",
                " ".join(served),
                " ".join(code for code in group.members if code not in served),
                f"{precision.parity.max_difference:.0e}",
                f"{precision.latency_milliseconds:.1f}",
            )
        )
    return Table(f"Groups{score}", ("group", "serves", "source-only", "parity", "ms per text"), rows, words=3)


def _scores(manifest: Manifest, split: str) -> Table:
    scored = [language for language in manifest.languages if split in language.scores]
    counts = [float(language.counts[split]) for language in scored]
    rows = [
        (f"{each.code} {each.name}", str(each.counts[split]), *_means([each], [1.0], split, manifest.metric))
        for each in scored
    ]
    rows.append(("plain mean", "", *_means(scored, [1.0] * len(scored), split, manifest.metric)))
    rows.append(("weighted by texts", f"{sum(counts):.0f}", *_means(scored, counts, split, manifest.metric)))
    columns = ("language", "texts", *COLUMNS, "group - multilingual")
    if len(manifest.groups) == 1 and all(row[3] == row[2] for row in rows):  # it is the multilingual model
        columns, rows = (*columns[:3], columns[4]), [(*row[:3], row[4]) for row in rows]
    return Table(f"{manifest.metric} on {split}, in percent", columns, rows, totals=2)


def _means(languages: list[Language], weights: list[float], split: str, metric: str) -> list[str]:
    """Return the weighted mean of each column, and how much the groups gain."""
    means: list[float | None] = []
    for column in COLUMNS:
        scores = [getattr(language.scores[split], column).get(metric) for language in languages]
        total = None if None in scores else sum(w * s for w, s in zip(weights, scores, strict=True))
        means.append(None if total is None else total / sum(weights))
    multilingual, group = means[:2]
    gain = MISSING if multilingual is None or group is None else f"{100 * (group - multilingual):+.2f}"
    return [*(MISSING if mean is None else f"{100 * mean:.2f}" for mean in means), gain]
