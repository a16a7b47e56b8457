"""Trims a pre-trained encoder's vocabulary to the training texts; refuses where a language would lose its script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import AnyExample, Dataset, TaggedSentence
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.versions import library_versions
from gradsim_offline.models.loading import is_there
from gradsim_offline.models.mini import MiniConfig
from gradsim_offline.models.trimming import Judged, Text, trim
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.text_folders import folder_texts
from gradsim_offline.training.text_stream import Texts
from gradsim_shared.errors import ModelError, SettingsError
from gradsim_shared.normalisation import normalise
from gradsim_shared.segments import segments

RESULT = "trimming.json"  # written last
_TOLERATED = 0.01  # share of a language's dev texts that may hold characters which are no longer known: strays


def trimmed_encoder(
    encoder: Encoder, dataset: Dataset, run: RunDirectory, *, common: int, extra_texts: Path | None
) -> Encoder:
    """Return an encoder that knows the pieces of the training texts only: a stage; one that cannot be trimmed as it is.

    Args:
        encoder: A pre-trained one; a ``mini``, whose pieces come from training texts, is returned as it is.
        dataset: The examples.
        run: The run directory.
        common: So many of the most frequent pieces are kept, too, where they are of the texts' scripts.
        extra_texts: Directory of texts whose pieces are kept, too.

    Raises:
        GradsimError: Dev texts of a language hold a script that would be lost, or the extra texts cannot be read.
    """
    if is_there(encoder.path).model_type.startswith(MiniConfig.model_type):
        return encoder
    extra = {} if extra_texts is None else folder_texts(extra_texts, option="--extra-texts")
    inputs = {
        "data": dataset.fingerprint(),
        "versions": library_versions(),
        "encoder": encoder.digest,
        "common": common,
        "extra": {code: texts.fingerprint for code, texts in extra.items()},
    }
    done = run.stage(
        "trim",
        inputs,
        lambda directory: trim_vocabulary(encoder.path, dataset, extra, common, directory),
        title="trim the vocabulary",
    )
    result = json.loads((done.directory / RESULT).read_text(encoding="utf-8"))
    run.progress.note(f"  {describe(result)}")
    return encoder if "not_trimmed" in result else Encoder(str(done.directory), done.digest)


def trim_vocabulary(encoder: str, dataset: Dataset, extra: Mapping[str, Texts], common: int, directory: Path) -> None:
    """Write the trimmed encoder and trimming.json to a stage's directory; or the latter only, which says why not.

    Args:
        encoder: Directory or Hub name.
        dataset: The pieces of its train texts are kept; dev and test texts are counted on.
        extra: Further texts whose pieces are kept, by language.
        common: As for ``trimmed_encoder``.
        directory: Where to write.

    Raises:
        SettingsError: Dev texts of a language hold a script that would be lost.
    """
    kept = chain.from_iterable(_texts(dataset.split(code, "train")) for code in dataset.languages)
    further = (of_language[i] for of_language in extra.values() for i in range(len(of_language)))
    judged = {
        f"{split} {code}": [*_texts(dataset.split(code, split))]
        for split in ("dev", "test")
        for code in dataset.languages
        if dataset.split(code, split)
    }
    try:
        trimmed = trim(encoder, chain(kept, further), directory, common=common, judged=judged)
    except ModelError as error:
        write_json(directory / RESULT, {"not_trimmed": str(error)})
        return
    for code in dataset.languages:
        _require_known(code, trimmed.judged.get(f"dev {code}"))
    write_json(directory / RESULT, asdict(trimmed))


def _texts(examples: Iterable[AnyExample]) -> Iterator[Text]:
    """Yield what a tokenizer gets of each example, as the task's reader has it."""
    for example in examples:
        if isinstance(example, TaggedSentence):
            yield [normalise(word) or word for word in example.words]
        else:
            yield from map(normalise, segments(example.text))


def _require_known(code: str, dev: Judged | None) -> None:
    """Raise ``SettingsError`` if a language's dev texts hold characters that no piece stands for any more."""
    if dev is None or dev.lost <= _TOLERATED * dev.texts:
        return
    scripts = ", ".join(script.capitalize() for script in dev.lost_scripts) or "no letters"
    raise SettingsError(
        f"{dev.lost} of {dev.texts} dev texts of {code} hold characters ({scripts}) that the training texts do not, "
        "and that a vocabulary trimmed to them would not know; give texts that hold them (--extra-texts DIR), or keep "
        "all pieces (--set trim_vocabulary=false)"
    )


def describe(content: Mapping[str, Any]) -> str:
    """Describe in one line what trimming.json says: what was kept, and what it changes."""
    if "not_trimmed" in content:
        return f"all pieces are kept: {content['not_trimmed']}"
    parts = []
    for split in ("dev", "test"):
        judged = {name.split()[1]: each for name, each in content["judged"].items() if name.startswith(f"{split} ")}
        if not judged:
            continue
        texts, changed = (sum(each[key] for each in judged.values()) for key in ("texts", "changed"))
        share = {code: each["changed"] / each["texts"] for code, each in judged.items()}
        most = max(share, key=share.__getitem__)
        parts.append(f"{changed / texts:.1%} of the {split} texts (most in {most}: {share[most]:.0%})")
    changes = f"; cut into other pieces than before: {', '.join(parts)}; --extra-texts DIR keeps more" if parts else ""
    kept = f"{content['kept']} of {content['of']} pieces kept, those of the training texts and common ones"
    return f"vocabulary: {kept}{changes}"
