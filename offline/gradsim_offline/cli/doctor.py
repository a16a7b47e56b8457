"""``gradsim-offline doctor``: what this machine has for a build, and what is missing; no network is asked."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

HELP = """Show what this machine has for a build, and what is missing.

Libraries, CPU and GPU, memory, disk, data sets and encoders that are here. No network is asked. Exit code 1: something
that a build needs is missing.

\b
  gradsim-offline doctor
  gradsim-offline doctor --json | jq .problems
"""


@click.command("doctor", help=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(path_type=Path), default="runs", show_default=True, help="Where runs will lie.")
def command(as_json: bool, out: Path) -> int:
    found = examined(out)
    click.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else "\n".join(_lines(found)))
    return 1 if found["problems"] else 0


def examined(out: Path) -> dict[str, Any]:
    """Return everything that ``doctor`` shows, as JSON."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when Hugging Face's libraries are loaded: later
    from gradsim_offline.core import machine

    libraries = machine.libraries()
    problems = machine.problems(libraries, out)
    here = {name: bool(libraries.get(name, {}).get("found")) for name in ("torch", "onnxruntime")}
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "libraries": libraries,
        "processor": machine.processor(),
        "memory_free": machine.free_memory(),
        "disk_free": machine.free_disk(out),
        "gpus": machine.accelerators() if here["torch"] else [],
        "onnxruntime_providers": _providers() if here["onnxruntime"] else [],
        "data": _data(),
        "encoders": _encoders() if not problems else [],
        "problems": problems,
    }


def _providers() -> list[str]:
    import onnxruntime

    return list(onnxruntime.get_available_providers())


def _data() -> dict[str, str | None]:
    """Return where each data set's files lie; ``None``: not here, it would come from the Hub or must be named."""
    from gradsim_offline.core import plugins
    from gradsim_offline.datasets.folders import ENVIRONMENT

    root = os.environ.get(ENVIRONMENT)
    places: dict[str, str | None] = {}
    for name in plugins.names("datasets"):
        folder = Path(root or "", name)
        places[name] = str(folder) if root and folder.is_dir() else None
        if name.startswith("demo"):
            places[name] = "comes with the package"
    places.pop("files", None)
    return places


def _encoders() -> list[str]:
    """Return the encoders that can be used without a network: ours, and repositories in the Hugging Face cache."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    from gradsim_offline.models.named_encoders import NAMED, whereabouts

    try:
        cached = [repository.repo_id for repository in scan_cache_dir().repos if repository.repo_type == "model"]
    except CacheNotFound:
        cached = []
    return [*(name for name in NAMED if whereabouts(name)), *sorted(cached)]


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    processor, memory = found["processor"], found["memory_free"]
    has = [f"{name} {'yes' if there else 'no'}" for name, there in processor["features"].items() if there is not None]
    yield f"Python {found['python']}, {found['system']}"
    yield f"CPU: {processor['cores']} cores, {processor['name'] or 'unknown'}; {', '.join(has) or 'features unknown'}"
    yield f"GPU: {', '.join(found['gpus']) or 'none that torch can use'}"
    yield f"onnxruntime: {', '.join(found['onnxruntime_providers']) or 'not there'}"
    yield f"Memory free: {'unknown' if memory is None else f'{memory / 1e9:.1f} GB'}"
    yield f"Disk free: {found['disk_free'] / 1e9:.1f} GB"
    libraries = [f"{name} {of['found']}" for name, of in found["libraries"].items() if of["found"]]
    yield f"Libraries: {', '.join(libraries)}"
    yield f"Data sets here: {', '.join(name for name, place in found['data'].items() if place)}"
    absent = [name for name, place in found["data"].items() if not place]
    if absent:
        yield f"Not here: {', '.join(absent)}; GRADSIM_DATA names the folder that holds them, some are on the Hub"
    yield f"Encoders here: {', '.join(found['encoders']) or 'none'}; mini and ngrams are made from your texts"
    if not found["problems"]:
        yield "Nothing is missing. Next: gradsim-offline plan --data my-texts"
    yield from (f"Missing: {problem}" for problem in found["problems"])
