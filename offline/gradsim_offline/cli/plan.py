"""``gradsim-offline plan``: what a build with the same options will do, with time, disk and memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from gradsim_offline.cli.build_options import build_options, settings_from
from gradsim_offline.cli.options import COLUMNS

HELP = """Show what a build will do, stage by stage, with time, disk and memory, before it starts.

Takes the options of `build`. Reads the data, times a few batches of the chosen kind on this machine, writes nothing and
downloads nothing. Times are estimates: other work on the machine counts, and auto K may end early.

\b
  gradsim-offline plan --data reviews.csv
  gradsim-offline plan --data reviews.csv --model mini --groups 3 --json
"""


@click.command("plan", help=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@build_options("quiet")
def command(
    *,
    as_json: bool,
    out: Path | None,
    solver: str | None,
    bundle_version: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when Hugging Face's libraries are loaded: later
    given = {**options, "grouping.solver": solver, "version": bundle_version}
    from gradsim_offline.core.progress import Progress

    settings = settings_from(**_with_model(given), choosing=Progress(quiet=True))
    from gradsim_offline.pipeline.build import load_data
    from gradsim_offline.pipeline.planning import Planning
    from gradsim_offline.pipeline.probe import Probe, check_plannable, not_here
    from gradsim_offline.pipeline.recipes import run_directory

    check_plannable(settings)
    dataset = load_data(settings)
    planned = Planning(settings, dataset, Probe(settings, dataset)).plan(run_directory(settings, out))
    planned["notes"] = [note for note in (not_here(settings),) if note]
    click.echo(json.dumps(planned, indent=1, ensure_ascii=False) if as_json else "\n".join(_lines(planned)))


def _with_model(given: dict[str, Any]) -> dict[str, Any]:
    """Name the model that ``auto`` stands for where e5-small can be had: a plan does not fetch it to find out."""
    from gradsim_offline.core.settings import AUTO, E5_SMALL
    from gradsim_offline.datasets.source import FILES, named
    from gradsim_offline.pipeline.recipes import task_of

    if given["model"] not in (None, AUTO) or given["recipe"]:
        return given
    data, folder = named(given["data"] or "demo", given["data_dir"])
    if given["model"] is None and data != FILES:
        return given
    tagged = task_of(data, folder, {name: given[name] for name in COLUMNS if given[name]}) == "token_classification"
    return {**given, "model": "mini" if tagged else E5_SMALL}


def _lines(planned: Mapping[str, Any]) -> Iterator[str]:
    from gradsim_offline.core.progress import duration

    texts = "/".join(str(number) for number in planned["texts"].values())
    yield f"{len(planned['languages'])} languages, {texts} texts (train/dev/test); model {planned['model']}"
    yield f"on {planned['device']}, to {planned['out']}; what is up to date there is skipped"
    for step in planned["stages"]:
        megabytes = f"{step['bytes'] / 1e6:.0f} MB" if step["bytes"] else ""
        yield f"  {step['name']:<9} {duration(step['seconds']):>10} {megabytes:>9}  {step['what']}"
    free = planned["memory_free"]
    room = "" if free is None else f" of {free / 1e9:.1f} GB free"
    yield (
        f"About {duration(planned['seconds'])}; disk {planned['disk'] / 1e9:.1f} GB of "
        f"{planned['disk_free'] / 1e9:.1f} GB free; memory {planned['memory'] / 1e9:.1f} GB{room}"
    )
    yield from planned["notes"]
    if not planned["fits"]:
        yield "It does not fit: free disk or memory, name fewer --languages, or take --model ngrams"
