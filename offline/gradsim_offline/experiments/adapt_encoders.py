"""One adapted encoder for all languages, or one for each group of them: stages of a run directory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gradsim_offline.core.arithmetic import choose_arithmetic
from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.training_settings import Adapting
from gradsim_offline.core.versions import library_versions
from gradsim_offline.experiments.text_source import TextSource
from gradsim_offline.models.mini import is_mini
from gradsim_offline.report.table import Table, figure
from gradsim_offline.training.adapt import Perplexity, adapt, mean, read_perplexities
from gradsim_offline.training.context import PretrainingContext
from gradsim_offline.training.encoders import pretrained
from gradsim_offline.training.text_folders import Unlabelled
from gradsim_shared.errors import DataError, SettingsError

RESULT = "adapt.json"
ALL = "encoder"  # folder of the one encoder for all languages
_ID = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Adapted:
    """An adapted encoder.

    Attributes:
        directory: What ``--model`` takes.
        languages: Whose texts it has read.
        perplexity: Of each language that has held-out texts.
    """

    directory: Path
    languages: tuple[str, ...]
    perplexity: Mapping[str, Perplexity]


def adapt_encoders(
    model: str,
    source: TextSource,
    out: Path,
    *,
    settings: Adapting,
    maximum_length: int,
    seed: int,
    device: str,
    progress: Progress,
    groups: Path | None = None,
) -> dict[str, Adapted]:
    """Adapt an encoder to unlabelled texts, as stages that are skipped when they are up to date.

    Args:
        model: Directory or Hub name.
        source: The texts.
        out: The run directory: gets ``encoder/``, or a folder for each group, and adapt.json.
        settings: The schedule.
        maximum_length: Tokens; longer texts are cut.
        seed: All randomness comes from it.
        device: Where to train.
        progress: Shows how far it is.
        groups: File of groups, as ``sprachbund`` or ``group`` wrote it; ``None``: one encoder for all languages.

    Returns:
        Folder to encoder.

    Raises:
        GradsimError: Something is wrong with texts, groups or model; what was computed before is kept.
    """
    where = resolve_device(device)
    start = pretrained.find(model, progress)
    precision = choose_arithmetic("auto", where, mini=is_mini(start.path)).precision
    members = {} if groups is None else read_members(groups)
    if Path(model).resolve() in [(out / name).resolve() for name in members or [ALL]]:
        raise SettingsError(f"--out {out} would overwrite the encoder that it starts from, {model}; choose another")
    texts = _texts(source, members, settings.held_out, seed, groups, progress.note)
    run = RunDirectory(out, progress)
    adapted = {}
    with run.locked():
        for name, languages in (members or {ALL: tuple(texts.train)}).items():
            chosen = texts.of(languages)

            def work(directory: Path, name: str = name, chosen: Unlabelled = chosen) -> None:
                context = PretrainingContext(
                    maximum_length=maximum_length,
                    seed=seed,
                    device=where,
                    progress=progress,
                    log=lambda **figures: run.log(stage=name, **figures),
                    precision=precision,
                )
                adapt(chosen, start.path, directory, settings=settings, context=context)

            inputs = {
                "model": start.digest,
                "train": {code: each.fingerprint for code, each in chosen.train.items()},
                "held_out": {code: each.fingerprint for code, each in chosen.held_out.items()},
                "adapting": settings.model_dump(exclude={"mode"}),
                "maximum_length": maximum_length,
                "seed": seed,
                "device": where.type,
                "precision": precision,
                "versions": library_versions(),
            }
            done = run.stage(name, inputs, work, title=f"adapt {name}: {' '.join(languages)}")
            adapted[name] = Adapted(done.directory, tuple(languages), read_perplexities(done.directory))
        write_json(out / RESULT, _plain(model, source, adapted, settings))
    return adapted


def read_members(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the members of each group in a file that ``sprachbund`` or ``group`` wrote.

    Raises:
        DataError: It cannot be read, or is not of that form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        members = {str(group["id"]): tuple(map(str, group["members"])) for group in content["groups"]}
    except OSError as error:
        raise DataError(f"--groups {path}: {error.strerror}; `gradsim-offline sprachbund` writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'--groups {path} holds no groups; it is JSON as in {{"groups": [{{"id": "g1", "members": ["hau"]}}]}}'
        ) from error
    strange = [name for name in members if not _ID.fullmatch(name)]
    if not members or strange or len(members) < len(content["groups"]) or not all(members.values()):
        raise DataError(f"--groups {path}: each group needs an id of its own, of letters and digits, and members")
    return members


def table(adapted: Mapping[str, Adapted]) -> Table:
    """Lay out the perplexities for people."""
    rows = []
    for name, encoder in adapted.items():
        for code in encoder.languages:
            perplexity = encoder.perplexity.get(code)
            numbers = (None, None) if perplexity is None else (perplexity.before, perplexity.after)
            texts = "0" if perplexity is None else str(perplexity.texts)
            rows.append((name, code, texts, *(figure(number, ".2f") for number in numbers)))
        if encoder.perplexity:
            means = (mean({code: getattr(p, when) for code, p in encoder.perplexity.items()}) for when in _TIMES)
            rows.append((name, "mean", "", *(figure(number, ".2f") for number in means)))
    return Table(
        "Perplexity of hidden pieces, on held-out texts",
        ("encoder", "language", "texts", "before", "after"),
        rows,
        "Lower is better; the mean is the geometric one. Perplexities of different tokenizers cannot be compared.",
        words=2,
    )


_TIMES = ("before", "after")


def _texts(
    source: TextSource,
    members: Mapping[str, Sequence[str]],
    held_out: int,
    seed: int,
    groups: Path | None,
    say: Callable[[str], None],
) -> Unlabelled:
    """Read the texts that are needed: with groups, those of their members.

    Raises:
        DataError: A member of a group has no texts, or some are not as they should be.
    """
    needed = sorted({code for languages in members.values() for code in languages})
    if not needed:
        return source.read(held_out, seed, say)
    try:
        return replace(source, languages=needed).read(held_out, seed, say)
    except DataError as error:
        raise DataError(f"{error} (read were the languages of --groups {groups})") from error


def _plain(model: str, source: TextSource, adapted: Mapping[str, Adapted], settings: Adapting) -> dict[str, Any]:
    return {
        "model": model,
        "texts": source.name,
        "settings": settings.model_dump(mode="json", exclude={"mode"}),
        "encoders": [
            {
                "id": name,
                "directory": str(encoder.directory),
                "languages": list(encoder.languages),
                "perplexity": {code: asdict(perplexity) for code, perplexity in encoder.perplexity.items()},
            }
            for name, encoder in adapted.items()
        ],
    }
