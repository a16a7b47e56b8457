"""Assign a new language: open the bundle, rank its groups on examples, and, if asked, write one that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.experiments.assign.add import add_language, check_group, check_target, new_version
from gradsim_offline.experiments.assign.data import check_enough, known_texts, new_language, read_examples
from gradsim_offline.experiments.assign.printing import print_added, print_ranking, print_ways
from gradsim_offline.experiments.assign.ranked import By
from gradsim_offline.experiments.assign.ranking import check_gradients, rank_groups
from gradsim_offline.experiments.assign.ways import judge_ways, nothing_learnt
from gradsim_offline.training.task import load_task
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import SettingsError


def assign(
    directory: Path,
    data: Path,
    language: str,
    *,
    options: Mapping[str, Any] | None = None,
    add: bool = False,
    out: Path | None = None,
    in_place: bool = False,
    by: By = "score",
    group: str | None = None,
    version: str | None = None,
    known_data: str | None = None,
    known_directory: Path | None = None,
    force: bool = False,
    seed: int = 0,
    device: str = "auto",
    json: Path | None = None,
    progress: Progress,
    console: Console,
) -> None:
    """Name the group that would serve a new language best; with ``add``, write a bundle that serves it.

    Args:
        directory: Of the bundle.
        data: Holds ``<lang>/train.*``, the labelled examples, or is a table; ``dev`` and ``test`` are scored, too.
        language: Any ISO 639 code of the new language.
        options: The own settings of the data, such as ``text_column``; ``None``: those that the bundle was built with.
        add: Write a bundle that serves it.
        out: Where to.
        in_place: Into the bundle's own directory.
        by: What chooses the group that is to serve it: the score of its model on the examples, or the gradient.
        group: Serve it from this group; ``None``: let ``by`` choose.
        version: Of the new bundle; ``None``: the old one's with the language behind it.
        known_data: The data set that the bundle was built from; ``None``: as its manifest says.
        known_directory: Where its files lie.
        force: Go on with fewer than ten examples, or with other known texts than the bundle was built from.
        seed: Of the bootstrap.
        device: Where to compute.
        json: Where to write what was found.
        progress: Shows how far it is.
        console: Where people read what was found.

    Raises:
        GradsimError: What is wrong, and what to do.
    """
    if not add and (out is not None or in_place or group is not None or version is not None):
        raise SettingsError("--out, --in-place, --group and --bundle-version say how to add: they need --add")
    bundle = open_bundle(directory)
    manifest = bundle.manifest
    code = new_language(manifest, language)
    check_gradients(bundle, by)
    check_group(manifest, group)
    next_version = new_version(manifest.version, code, version)
    target = check_target(directory, out, in_place=in_place) if add else None
    new = read_examples(manifest, data, code, options)
    check_enough(new, code, force=force)
    how: dict[str, Any] = {"directory": known_directory, "force": force, "added_options": options}
    known = known_texts(manifest, data, data=known_data, **how) if add else None
    task, where = load_task(manifest.task), resolve_device(device)
    progress.note(f"measuring {code} at the joint model of {manifest.title}", heading=True)
    for note in new.notes:
        progress.note(note)
    ranking = rank_groups(bundle, new, code, task=task, seed=seed, device=where, by=by)
    print_ranking(ranking, console)
    content = ranking.content()
    if target is not None and known is not None:
        chosen = group or ranking.best.id
        ways = None
        if reason := nothing_learnt(new, code):
            console.print(f"Note: {reason}: {chosen} answers {code} as it is", markup=False)
        else:
            progress.note(f"learning n-grams of {code}, to answer it alone or beside {chosen}", heading=True)
            ways = judge_ways(bundle, chosen, new, code, known, task=task, seed=seed)
            print_ways(ways, code, manifest.metric, console)
            content["ways"] = ways.content()
        progress.note(f"adding {code}", heading=True)
        added = add_language(
            bundle,
            target,
            ranking,
            new,
            known,
            group=chosen,
            by="user" if group else by,
            ways=ways,
            version=next_version,
            task=task,
            device=where,
            progress=progress,
        )
        print_added(added, code, manifest.metric, console)
        served = next(each.group for each in added.manifest.languages if each.code == code)
        content["added"] = {"bundle": added.manifest.title, "group": served, "identifier": asdict(added.identified)}
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        write_json(json, content)
