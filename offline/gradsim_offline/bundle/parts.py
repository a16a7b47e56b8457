"""What answers for each group, and the exported models as manifest entries and files of the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.bundle.blending import Blend
from gradsim_offline.bundle.export import read_export
from gradsim_offline.bundle.export_top import trunk_entry
from gradsim_offline.core.run_directory import StageResult
from gradsim_offline.grouping.result import Groups
from gradsim_shared.group_model import served_precision
from gradsim_shared.manifest import Group, Trunk, Wide


@dataclass(frozen=True)
class Parts:
    """What answers for a group, as it was trained or as it was exported.

    Attributes:
        model: Its model.
        wide: The linear model over n-grams beside it; ``None``: there is none.
        blend: How their logits are weighed; ``None`` without ``wide``.
        trunk: Directory of what the model stands on; ``None``: nothing.
    """

    model: StageResult
    wide: StageResult | None = None
    blend: Blend | None = None
    trunk: Path | None = None

    @property
    def models(self) -> tuple[StageResult, ...]:
        """All of them."""
        return (self.model,) if self.wide is None else (self.model, self.wide)


def digests(exported: Mapping[str, Parts]) -> dict[str, list[Any]]:
    """Return what each group's parts are, for the inputs of later stages."""
    return {
        group: [*(model.digest for model in parts.models), parts.blend and asdict(parts.blend)]
        for group, parts in exported.items()
    }


@dataclass(frozen=True)
class Entries:
    """The models of a bundle.

    Attributes:
        groups: Their entries in the manifest.
        files: Each model file of the bundle, with where it lies now.
        trunk: What groups share; ``None``: nothing.
    """

    groups: list[Group]
    files: dict[str, Path]
    trunk: Trunk | None = None


def entries(groups: Groups, exported: Mapping[str, Parts]) -> Entries:
    """Return the entries of all models; one that several groups share lies in the folder of the first of them."""
    owners: dict[Path, str] = {}
    named: list[Group] = []
    sources: dict[str, Path] = {}
    below = next((parts.trunk for parts in exported.values() if parts.trunk is not None), None)
    shared = trunk_entry(below) if below else None
    if below is not None and shared is not None:
        sources |= {file: below / Path(file).name for file in shared.model_files}
    for group in groups.groups:
        parts = exported[group.id]
        entry = read_export(parts.model.directory, owners.setdefault(parts.model.directory, group.id))
        of_trunk = shared.model_files if shared is not None else []
        files = {file: parts.model.directory / Path(file).name for file in entry.model_files if file not in of_trunk}
        wide = None
        if parts.wide is not None and parts.blend is not None:
            linear = read_export(parts.wide.directory, owners.setdefault(parts.wide.directory, f"{group.id}/wide"))
            files |= {file: parts.wide.directory / Path(file).name for file in linear.model_files}
            form = served_precision(linear)
            weights = {"weight": parts.blend.wide, "model_weight": parts.blend.model}
            wide = Wide(file=form.file, tokenizer=linear.tokenizer, parity=form.parity, **weights)
        named.append(entry.model_copy(update={"id": group.id, "members": list(group.members), "wide": wide}))
        sources |= files
    return Entries(named, sources, shared)
