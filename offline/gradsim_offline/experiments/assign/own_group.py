"""The group of a language with n-grams of its own: exported, checked, and named beside the groups that were there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gradsim_offline.bundle.export import export_group, read_export
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.settings import Exporting
from gradsim_offline.experiments.assign.ways import Ways
from gradsim_offline.grouping.result import LanguageGroup
from gradsim_offline.training.linear import save_ngrams
from gradsim_offline.training.task import Task
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Manifest, Wide


@dataclass(frozen=True)
class OwnGroup:
    """What is to serve the language.

    Attributes:
        id: Of the group.
        entry: The manifest's entry of a new group; ``None``: the group was there.
        sources: Each new file of the bundle, with where it lies now.
    """

    id: str
    entry: Group | None = None
    sources: dict[str, Path] = field(default_factory=dict)


def own_group(
    manifest: Manifest, ways: Ways, new: Dataset, code: str, directory: Path, *, task: Task, progress: Progress
) -> OwnGroup:
    """Export the language's n-grams, if they are to answer, and name their group.

    A group that answers with the model of another one names the same file; nothing of the other one changes.

    Args:
        manifest: Of the old bundle.
        ways: What was judged.
        new: The language's texts; those of dev, or of train, check the export.
        code: The language.
        directory: Gets the files.
        task: The torch half of the bundle's task.
        progress: Shows how far it is.

    Raises:
        ModelError: The exported model is not the trained one.
    """
    if ways.chosen.way == "group":
        return OwnGroup(ways.group)
    name = _next_id(manifest)
    trained, exported = directory / "trained", directory / "exported"
    exported.mkdir(parents=True)
    save_ngrams(ways.features, ways.linear, manifest.labels, trained)
    progress.note(f"export the n-grams of {code}: group {name}", heading=True)
    limits = Exporting()
    export_group(
        new,
        LanguageGroup(name, (code,), (code,), {}),
        trained,
        exported,
        task=task,
        maximum_length=manifest.maximum_length,
        tolerance=limits.tolerance,
        most_texts=limits.parity_texts,
        progress=progress,
    )
    alone = ways.chosen.way == "alone"
    linear = read_export(exported, name if alone else f"{name}/wide")
    sources = {file: exported / Path(file).name for file in linear.model_files}
    if alone:
        return OwnGroup(name, linear, sources)
    form, shared = served_precision(linear), next(group for group in manifest.groups if group.id == ways.group)
    wide = Wide(
        file=form.file,
        tokenizer=linear.tokenizer,
        weight=ways.blend.wide,
        model_weight=ways.blend.model,
        parity=form.parity,
    )
    return OwnGroup(name, shared.model_copy(update={"id": name, "wide": wide}), sources)


def _next_id(manifest: Manifest) -> str:
    numbers = [int(group.id[1:]) for group in manifest.groups if re.fullmatch(r"g\d+", group.id)]
    return f"g{max(numbers, default=0) + 1}"
