"""A bundle in the terminal: its groups, and the three columns of scores per language."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from gradsim_shared.bundle import open_bundle
from gradsim_shared.manifest import Language, Manifest, Scores

COLUMNS = tuple(Scores.model_fields)  # multilingual, group, service


def show_bundle(directory: Path, console: Console | None = None) -> None:
    """Verify a bundle and print it.

    Raises:
        BundleError: It is none, or not whole.
    """
    manifest = open_bundle(directory).manifest
    out = console or Console(highlight=False, soft_wrap=True)
    out.print(_groups(manifest))
    for split in ("dev", "test"):
        if any(split in language.scores for language in manifest.languages):
            out.print(_scores(manifest, split))
    accuracy = ", ".join(f"{split} {100 * value:.2f} %" for split, value in manifest.identifier.accuracy.items())
    out.print(f"Language identifier: accuracy {accuracy or 'not measured'}")
    size = sum(entry.size for entry in manifest.files.values()) / 1e6
    out.print(f"Bundle {manifest.title} in {directory} ({size:.1f} MB); report: {directory / 'report' / 'index.html'}")
    out.print(f"Serve it: gradsim-serve {directory}", markup=False)


def _groups(manifest: Manifest) -> Table:
    proven = "proven" if manifest.grouping.proven else f"at most {manifest.grouping.bound:.3f} possible"
    table = Table(title=f"Groups: score {manifest.grouping.score:.3f}, {proven}", title_justify="left")
    for column in ("group", "serves", "source-only", "parity", "ms per text"):
        table.add_column(column)
    for group in manifest.groups:
        served = [language.code for language in manifest.languages if language.group == group.id]
        precision = next(iter(group.precisions.values()))
        table.add_row(
            group.id if group.ensemble == 1 else f"{group.id} ({group.ensemble} models)",
            " ".join(served),
            " ".join(code for code in group.members if code not in served),
            f"{precision.parity.max_difference:.0e}",
            f"{precision.latency_milliseconds:.1f}",
        )
    return table


def _scores(manifest: Manifest, split: str) -> Table:
    table = Table(title=f"{manifest.metric} on {split}, in percent", title_justify="left")
    table.add_column("language")
    table.add_column("texts", justify="right")
    for column in (*COLUMNS, "group - multilingual"):
        table.add_column(column, justify="right")
    scored = [language for language in manifest.languages if split in language.scores]
    for language in scored:
        table.add_row(
            f"{language.code} {language.name}", str(language.counts[split]), *_cells([language], [1.0], split, manifest)
        )
    table.add_section()
    counts = [float(language.counts[split]) for language in scored]
    table.add_row("plain mean", "", *_cells(scored, [1.0] * len(scored), split, manifest))
    table.add_row("weighted by texts", f"{sum(counts):.0f}", *_cells(scored, counts, split, manifest))
    return table


def _cells(languages: list[Language], weights: list[float], split: str, manifest: Manifest) -> list[str]:
    """Return the weighted mean of each column, and how much the groups gain."""
    means = [
        sum(
            w * getattr(language.scores[split], column)[manifest.metric]
            for w, language in zip(weights, languages, strict=True)
        )
        / sum(weights)
        for column in COLUMNS
    ]
    return [*(f"{100 * mean:.2f}" for mean in means), f"{100 * (means[1] - means[0]):+.2f}"]
