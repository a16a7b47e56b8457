"""Write a bundle that serves one more language, by an existing group or one of its own; all else is copied."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gradsim_offline.bundle.write import NOT_YET, drafted, write_manifest
from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.assign.data import join
from gradsim_offline.experiments.assign.identifier import Identified, train_again
from gradsim_offline.experiments.assign.own_group import OwnGroup, own_group
from gradsim_offline.experiments.assign.ranked import GroupRanking
from gradsim_offline.experiments.assign.ranking import open_models
from gradsim_offline.experiments.assign.scoring import score_again
from gradsim_offline.experiments.assign.ways import Ways
from gradsim_offline.identifier.training import identifier_entry, identifier_files, load_identifier
from gradsim_offline.training.task import Task
from gradsim_runtime.predictor import Predictor
from gradsim_shared.bundle import VerifiedBundle
from gradsim_shared.errors import SettingsError
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest import Assigned, Language, Manifest
from gradsim_shared.nearest import unknown
from gradsim_shared.scripts import main_scripts


@dataclass(frozen=True)
class Added:
    """A bundle with one more language.

    Attributes:
        directory: Where it lies.
        manifest: Its manifest.
        identified: How well its identifier tells the languages apart.
    """

    directory: Path
    manifest: Manifest
    identified: Identified


def check_target(bundle: Path, target: Path | None, *, in_place: bool) -> Path:
    """Return where the new bundle goes.

    Raises:
        SettingsError: Nothing was said, too much was said, or something is in the way.
    """
    if (target is None) != in_place:
        raise SettingsError("--add needs either --out DIR for the new bundle, or --in-place to change this one")
    if target is None:
        return bundle.resolve()
    if target.exists():
        same = " is the bundle itself: --in-place changes it" if target.resolve() == bundle.resolve() else " is there"
        raise SettingsError(f"--out {target}{same}; name a directory that does not exist yet")
    return target.resolve()


def check_group(manifest: Manifest, group: str | None) -> None:
    """Refuse a group that the bundle does not have.

    Raises:
        SettingsError: It has none of that name.
    """
    known = [entry.id for entry in manifest.groups]
    if group is not None and group not in known:
        raise SettingsError(unknown("group", group, known))


def new_version(version: str, code: str, given: str | None) -> str:
    """Return the new bundle's version: the given one, else the old one with the language as build metadata.

    That is ``1.0.0+xyz``, then ``1.0.0+xyz.abc`` (semver.org, 10).

    Raises:
        SettingsError: It is not one.
    """
    if given is not None and not re.fullmatch(r"\w[\w.+-]*", given):
        raise SettingsError(f"--bundle-version {given!r} is no version; letters, digits, and . + - _ make one")
    return given or f"{version}{'.' if '+' in version else '+'}{code}"


def add_language(
    bundle: VerifiedBundle,
    target: Path,
    ranking: GroupRanking,
    new: Dataset,
    known: Dataset,
    *,
    group: str,
    by: Literal["gradient", "score", "user"],
    ways: Ways | None,
    version: str,
    task: Task,
    device: torch.device,
    progress: Progress,
) -> Added:
    """Write the bundle to ``target``: the same models, a retrained identifier, one more language and its n-grams.

    Args:
        bundle: The old one.
        target: Where the new one goes, whole or not at all.
        ranking: The groups, ranked for the new language.
        new: Its texts; dev and test are scored if they are there.
        known: Texts of the languages that the bundle knows.
        group: The group that is to serve it.
        by: What chose it.
        ways: With what else the language can be served; ``None``: the group serves it as it is.
        version: Of the new bundle.
        task: The torch half of the bundle's task.
        device: Where to compute.
        progress: Shows how far it is.
    """
    old, code = bundle.manifest, ranking.language
    everything = join(known, new)
    with tempfile.TemporaryDirectory(prefix="gradsim-assign-") as scratch:
        folder = Path(scratch)
        identified = train_again(bundle, everything, code, folder, progress=progress)
        identifier = identifier_entry(folder, threshold=old.identifier.threshold, policy=old.identifier.policy)
        own = OwnGroup(group)
        if ways is not None:
            own = own_group(old, ways, new, code, folder / "ngrams", task=task, progress=progress)
        fresh = {file: folder / file for file in identifier_files(identifier)} | own.sources
        files = list(dict.fromkeys([*old.files, *fresh]))
        languages = [*old.languages, _language(old, ranking, new, group, by, own, ways)]
        draft = old.model_copy(
            update={
                "version": version,
                "languages": sorted(languages, key=lambda language: language.code),
                "groups": [*old.groups, *([own.entry] if own.entry else [])],
                "identifier": identifier,
                "files": {file: old.files.get(file, NOT_YET) for file in files},
                "provenance": old.provenance.model_copy(update={"created": _now()}),
            }
        )
        models = open_models(draft, lambda file: fresh.get(file) or bundle.path(file))
        predictor = Predictor(draft, load_identifier(folder).identify, models.__getitem__)
        manifest = score_again(bundle, draft, predictor, everything, code, task=task, device=device, progress=progress)
        with drafted(target) as place:
            for file in files:
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fresh.get(file) or bundle.path(file), place / file)
            write_manifest(place, manifest, files)
    return Added(target, manifest, identified)


def _language(
    manifest: Manifest,
    ranking: GroupRanking,
    new: Dataset,
    group: str,
    by: Literal["gradient", "score", "user"],
    own: OwnGroup,
    ways: Ways | None,
) -> Language:
    """Return the manifest's entry of the new language; it takes no code that another language has."""
    code = ranking.language
    taken = {name for known in manifest.languages for name in (known.code, *known.aliases)}
    aliases = dict.fromkeys((*new.aliases.get(code, ()), *codes.other_codes(code)))
    chosen = next(ranked for ranked in ranking.groups if ranked.id == group)
    similarity = {ranked.id: ranked.similarity for ranked in ranking.groups if ranked.similarity is not None}
    if own.entry is not None and own.entry.members == list(chosen.members) and chosen.similarity is not None:
        similarity[own.id] = chosen.similarity
    return Language(
        code=code,
        name=ranking.name,
        aliases=[alias for alias in aliases if alias not in taken],
        scripts=list(main_scripts(map(identifier_text, new.texts(code, "train")))),
        group=own.id,
        collective_similarity=similarity,
        counts={split: new.counts(split)[code] for split in ("train", "dev", "test")},
        assigned=Assigned(
            bundle=manifest.title,
            by=by,
            examples=ranking.examples,
            wins=ranking.wins(chosen),
            split_half=ranking.split_half,
            model=ways.chosen.way if ways else "group",
            estimate=[ways.chosen.score, *ways.chosen.interval] if ways else [],
            data_fingerprint=new.fingerprint(),
        ),
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
