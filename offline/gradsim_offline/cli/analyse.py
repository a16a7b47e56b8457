"""``gradsim-offline analyse``: what measured similarities have in common, how stable they are, and which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli import options
from gradsim_offline.cli.options import PATH, POSITIVE, data_options_from, data_settings, words


@click.command("analyse", help="Correlate similarities, see how stable they are, find each language's keywords.")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option(
    "--similarity",
    "files",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="A matrix of your own: .csv, .tsv or .json, as for the measure given. May be repeated.",
)
@click.option("--measures", metavar="NAMES", help="Measure these here, as in typology,family: what needs no training.")
@click.option("--data", metavar="NAME|DIR", help="Its training texts give the keywords.  [default: the run's]")
@click.option("--data-dir", type=PATH, help="Directory of its files.  [default: the run's]")
@data_settings
@click.option("--encoder", metavar="NAME|DIR", help="Embeds the keywords.  [default: the run's, before fine-tuning]")
@click.option("--top", type=POSITIVE, default=50, show_default=True, help="Keywords per language.")
@click.option(
    "--common-words",
    "most_texts",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.05,
    show_default=True,
    help="A word in more than this share of its language's texts is no keyword; 1 keeps all.",
)
@options.permutations("Of each Mantel test, at most.", 9999)
@click.option("--draws", type=POSITIVE, default=2000, show_default=True, help="Of each bootstrap.")
@options.seed("Of permutations and draws.")
@options.device
@options.out("Where to write.  [default: RUN/analysis]")
@options.quiet("where the results are")
def command(
    measures: str | None,
    out: Path | None,
    quiet: bool,
    assignments: tuple[str, ...],
    **asked: Any,  # noqa: ANN401 - click's own
) -> None:
    from gradsim_offline.core.disk import full_disk_said
    from gradsim_offline.core.progress import Progress
    from gradsim_offline.experiments.analyse.analyse import analyse
    from gradsim_offline.experiments.analyse.inputs import AnalysisOptions
    from gradsim_offline.experiments.analyse.results import plain, write
    from gradsim_offline.experiments.analyse.tables import DETAILS, tables
    from gradsim_offline.report.table import print_tables
    from gradsim_offline.report.verdicts import print_verdict
    from gradsim_offline.report.verdicts.analysis import verdict

    names = tuple(words(measures or ""))
    chosen = AnalysisOptions(measures=names, data_options=data_options_from(assignments, {}), **asked)
    findings = analyse(chosen, Progress(quiet=quiet))
    content: Any = plain(findings)
    shown, said = tables(findings), verdict(content)
    directory = out or asked["runs"][0] / "analysis"
    with full_disk_said(directory):
        write(findings, shown, said, directory)
    if not quiet:
        print_tables([table for table in shown if not table.title.startswith(DETAILS)])
        for note in findings.notes:
            click.echo(f"Note: {note}")
        click.echo(f"All tables are in {directory / 'analysis.md'}")
        print_verdict(said)
    click.echo(str(directory))
