"""Write the bundle: collect every stage's results under one manifest, atomically."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradsim_offline.bundle.parts import Entries
from gradsim_offline.bundle.reference_gradients import ReferenceGradients
from gradsim_offline.core import languages as codes
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.versions import library_versions
from gradsim_offline.grouping.result import Groups
from gradsim_offline.identifier.training import identifier_entry, identifier_files, load_identifier
from gradsim_offline.models.named_encoders import weights_of
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.figures import write_figures
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured
from gradsim_runtime.loading import load_group_model
from gradsim_runtime.predictor import Predictor
from gradsim_shared.bundle import file_entry, open_bundle
from gradsim_shared.decoding import decoder_of
from gradsim_shared.endpoints import default_endpoint
from gradsim_shared.errors import SettingsError
from gradsim_shared.identifier_text import identifier_text
from gradsim_shared.manifest import (
    MANIFEST_FILE,
    Baseline,
    Fallback,
    FileEntry,
    Grouping,
    Language,
    LongTexts,
    Manifest,
    Provenance,
    Reliability,
    Scores,
    Similarity,
)
from gradsim_shared.normalisation import NEWEST
from gradsim_shared.scripts import main_scripts

REPORT_FILE = "report/index.html"
NOT_YET = FileEntry(sha256="0" * 64, size=0)
"""Of a file that is not written yet."""


def draft_manifest(
    settings: Settings,
    dataset: Dataset,
    groups: Groups,
    models: Entries,
    identifier: Path,
    metric: str,
    segmentation: str = "none",
    long_texts: LongTexts = "cut",
    longer: Mapping[str, Mapping[str, int]] | None = None,
) -> Manifest:
    """Return a manifest that can route: languages, groups, identifier, fallback; scores and hashes come later.

    ``long_texts`` says how texts that are too long are read, ``longer`` how many are, by split and language.
    """
    identified = identifier_entry(
        identifier, threshold=settings.identifying.threshold, policy=settings.identifying.policy
    )
    counts = {split: dataset.counts(split) for split in ("train", "dev", "test")}
    files = [*identifier_files(identified), SIMILARITY_FILE, REPORT_FILE, *models.files]
    of_task = decoder_of(dataset.task).route_name(dataset.labels)
    server = {code: group for group in groups.groups for code in group.served}
    return Manifest(
        format=1 if models.trunk is None else 2,
        name=settings.name or dataset.name,
        version=settings.version,
        task=dataset.task,
        endpoint=settings.endpoint or default_endpoint(of_task, dataset.labels, dataset.name),
        labels=list(dataset.labels),
        metric=metric,
        segmentation=segmentation,
        normalisation=NEWEST,
        maximum_length=settings.maximum_length,
        long_texts=long_texts,
        languages=[
            Language(
                code=code,
                name=codes.name(code),
                aliases=_aliases(dataset, code),
                scripts=list(main_scripts(map(identifier_text, dataset.texts(code, "train")))),
                group=server[code].id,
                collective_similarity={
                    group.id: group.collective_similarity[code]
                    for group in groups.groups
                    if code in group.collective_similarity
                },
                counts={split: counts[split][code] for split in counts},
                longer={split: found[code] for split, found in (longer or {}).items() if code in found},
            )
            for code in dataset.languages
        ],
        trunk=models.trunk,
        groups=models.groups,
        similarity=Similarity(measure=settings.measure),
        grouping=Grouping(
            solver=groups.solver,
            singleton_score=groups.singleton_score,
            score=groups.score,
            bound=groups.bound,
            proven=groups.proven,
            reason=groups.reason,
        ),
        identifier=identified,
        fallback=Fallback(group=_fallback(groups, counts["train"])),
        provenance=Provenance(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            data=dataset.name,
            data_fingerprint=dataset.fingerprint(),
            model=_public(settings.model),
            seed=settings.seed,
            versions={**library_versions(), **weights_of(settings.model)},
        ),
        files=dict.fromkeys(files, NOT_YET),
    )


def complete_manifest(
    draft: Manifest, settings: Settings, dataset: Dataset, measured: Measured, evaluated: Mapping[str, Any]
) -> Manifest:
    """Add how S was measured and what everything scores."""
    languages = [
        language.model_copy(
            update={
                "scores": {
                    split: Scores.model_validate(found[language.code])
                    for split, found in evaluated["scores"].items()
                    if language.code in found
                }
            }
        )
        for language in draft.languages
    ]
    accuracy = {
        split: sum(found[code] * dataset.counts(split)[code] for code in found)
        / sum(dataset.counts(split)[code] for code in found)
        for split, found in evaluated["identifier"].items()
    }
    return draft.model_copy(
        update={
            "languages": languages,
            "similarity": Similarity(
                measure=measured.measure,
                settings=dict(measured.settings),
                reliability=measured.reliability and Reliability(**vars(measured.reliability)),
            ),
            "identifier": draft.identifier.model_copy(update={"accuracy": accuracy}),
            "baseline": Baseline.model_validate(evaluated["baseline"]) if evaluated.get("baseline") else None,
            "provenance": draft.provenance.model_copy(update={"settings": _settings(settings)}),
        }
    )


def open_predictor(manifest: Manifest, sources: Mapping[str, Path], identifier: Path) -> Predictor:
    """Return what answers as the bundle will: identifier and models are opened where the stages left them."""
    opened: dict[str, Any] = {}
    models = {
        group.id: load_group_model(sources.__getitem__, group, manifest, opened=opened) for group in manifest.groups
    }
    return Predictor(manifest, load_identifier(identifier).identify, models.__getitem__)


def write_bundle(
    target: Path,
    manifest: Manifest,
    sources: Mapping[str, Path],
    identifier: Path,
    measured: Measured,
    page: str,
    figures: Sequence[Drawing] = (),
    reference: ReferenceGradients | None = None,
) -> None:
    """Write the bundle beside its place, verify it, and put it there in one step; an older one stays until then.

    Args:
        target: Its place.
        manifest: Everything but the files' hashes.
        sources: Where each file of the models lies.
        identifier: Directory of the identifier.
        measured: The similarity matrix.
        page: The report.
        figures: Those of the report, written beside it as SVG and PNG.
        reference: What assigning a new language needs; ``None``: the bundle cannot do it.

    Raises:
        SettingsError: What stands in its place is not a bundle.
    """
    with drafted(target) as draft:
        for file in manifest.model_files:
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sources[file], draft / file)
        for file in identifier_files(manifest.identifier):
            shutil.copyfile(identifier / file, draft / file)
        replace(measured, answers=None).save(draft / SIMILARITY_FILE)  # which are of dev texts, and large
        (draft / REPORT_FILE).parent.mkdir()
        (draft / REPORT_FILE).write_text(page, encoding="utf-8")
        drawn = write_figures((draft / REPORT_FILE).parent, figures)
        entry, files = reference.copy_to(draft) if reference else (None, [])
        files = [*files, *(path.relative_to(draft).as_posix() for path in drawn)]
        write_manifest(draft, manifest.model_copy(update={"assignment": entry}), [*manifest.files, *files])


def write_manifest(directory: Path, manifest: Manifest, files: Iterable[str]) -> None:
    """Write the manifest of what lies in a directory: with size and SHA-256 of each of its files."""
    whole = manifest.model_copy(update={"files": {file: file_entry(directory / file) for file in files}})
    write_json(directory / MANIFEST_FILE, whole.model_dump(mode="json"))


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Yield an empty directory to write a bundle to; then verify it and put it in its place in one step.

    Raises:
        SettingsError: What stands in its place is not a bundle.
    """
    if target.exists() and not (target / MANIFEST_FILE).is_file():
        raise SettingsError(f"{target} is in the way: it is no bundle; move it, or choose another --out")
    draft, old = (target.with_name(f".{target.name}.{kind}") for kind in ("draft", "old"))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        open_bundle(draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _aliases(dataset: Dataset, code: str) -> list[str]:
    """Return a language's other codes; one that the data set uses for another language is left to that one."""
    taken = {alias for other, aliases in dataset.aliases.items() if other != code for alias in aliases}
    own = dict.fromkeys((*dataset.aliases.get(code, ()), *codes.other_codes(code)))
    return [alias for alias in own if alias not in taken and alias not in dataset.languages]


def _fallback(groups: Groups, texts: Mapping[str, int]) -> str:
    """Return the group that was trained on the most texts: the best guess where nothing is known."""
    return max(groups.groups, key=lambda group: sum(texts[code] for code in group.members)).id


def _public(path: str) -> str:
    """Return a model's name; of a local directory only the last part, which says enough."""
    return Path(path).name if Path(path).is_dir() else path


def _settings(settings: Settings) -> dict[str, Any]:
    """Return the settings without the paths of the machine that built it."""
    content = settings.model_dump(mode="json")
    here = settings.data_dir
    return {**content, "model": _public(settings.model), "data_dir": None if here is None else here.name}
