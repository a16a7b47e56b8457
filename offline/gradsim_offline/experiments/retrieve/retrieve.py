"""Retrieve translations by the vectors of encoders: accuracy per pair of languages, encoder beside encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.core.versions import library_versions
from gradsim_offline.experiments.retrieve.nearest import NEIGHBOURS, Accuracy, accuracies
from gradsim_offline.experiments.retrieve.parallel_texts import read_pairs
from gradsim_offline.models.loading import is_there
from gradsim_offline.models.mini import is_mini
from gradsim_offline.report.table import Table, figure
from gradsim_offline.similarity.embedding_vectors import embed
from gradsim_offline.training.encoders import pretrained
from gradsim_shared.errors import DataError, SettingsError

RESULT = "retrieval.json"
_MIDDLE = 7 / 12  # of the blocks: the 7th of 12, as Fan et al. 2021


@dataclass(frozen=True)
class Retrieval:
    """What encoders retrieve.

    Attributes:
        pairs: First and second language, and how many texts.
        layers: The block of each encoder whose outputs are read; 0: what it says at its end.
        found: By encoder, in the order of the pairs.
    """

    pairs: Sequence[tuple[str, str, int]]
    layers: Mapping[str, int]
    found: Mapping[str, Sequence[Accuracy]]


def retrieve(
    models: Sequence[str],
    data: str,
    out: Path,
    *,
    data_dir: Path | None,
    languages: Sequence[str] | None,
    pivot: str | None,
    layer: int | None,
    prefix: str,
    most_texts: int | None,
    maximum_length: int,
    batch_size: int,
    device: str,
    progress: Progress,
) -> Retrieval:
    """Embed both sides of every pair with each encoder, and judge them; write retrieval.json to ``out``.

    Args:
        models: Directories or Hub names; an encoder and what was adapted from it, for instance.
        data: As for ``read_pairs``.
        out: A directory.
        data_dir: As for ``read_pairs``.
        languages: As for ``read_pairs``.
        pivot: As for ``read_pairs``.
        layer: Block whose outputs are read, from 1; ``None``: the 7th of 12; 0: what the encoder says at its end.
        prefix: Put before every text, such as ``query: ``.
        most_texts: Of a pair, at most.
        maximum_length: Tokens; longer texts are cut.
        batch_size: Texts at a time.
        device: Where to compute.
        progress: Shows how far it is.

    Raises:
        GradsimError: Something is wrong with texts or models.
    """
    pairs, where = read_pairs(data, data_dir, languages, pivot, most_texts), resolve_device(device)
    if not pairs:
        raise DataError(f"--data {data}: no pair of these languages; --pivot all takes any, not English only")
    encoders = {model: pretrained.find(model, progress).path for model in dict.fromkeys(models)}
    layers = {model: _layer(path, layer) for model, path in encoders.items()}
    texts = list(dict.fromkeys(text for pair in pairs for side in pair.texts for text in side))
    row = {text: i for i, text in enumerate(texts)}
    found: dict[str, list[Accuracy]] = {}
    for model, path in encoders.items():
        progress.note(
            f"{model}: {len(texts)} texts, {f'block {layers[model]}' if layers[model] else 'its last outputs'}"
        )
        vectors = embed(
            path,
            [prefix + text for text in texts],
            pooling="mean",
            block=layers[model] or None,
            maximum_length=maximum_length,
            batch_size=batch_size,
            device=where,
            progress=progress,
        ).numpy()
        sides = ([vectors[[row[text] for text in side]] for side in pair.texts] for pair in pairs)
        found[model] = [accuracies(one, other) for one, other in sides]
    result = Retrieval([(*pair.languages, len(pair.texts[0])) for pair in pairs], layers, found)
    how = {"prefix": prefix, "maximum_length": maximum_length, "most_texts": most_texts, "neighbours": NEIGHBOURS}
    content = {"data": data, "settings": how, "versions": library_versions(), **asdict(result)}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RESULT, content)
    return result


def _layer(path: str, layer: int | None) -> int:
    """Return the block to read.

    Raises:
        SettingsError: There is no such block.
    """
    if is_mini(path):
        if layer:
            raise SettingsError(f"--layer {layer}: a mini ({path}) shows what it says at its end only; --layer 0")
        return 0
    blocks = int(is_there(path).num_hidden_layers)
    if layer is not None and not 0 <= layer <= blocks:
        raise SettingsError(f"--layer {layer}: {path} has the blocks 1 to {blocks}; 0 is what it says at its end")
    return max(1, round(_MIDDLE * blocks)) if layer is None else layer


def table(result: Retrieval, data: str) -> Table:
    """Lay out the accuracies in percent: a row for each pair, their mean at the end; four columns for each encoder."""
    ways = ("cosine", "margin")
    names = {model: f"{Path(model).name}: " if len(result.found) > 1 else "" for model in result.found}
    columns = [f"{names[model]}{way} {side}" for model in result.found for way in ways for side in ("to", "from")]
    each: list[list[float]] = [
        [100 * share for found in result.found.values() for way in ways for share in getattr(found[i], way)]
        for i in range(len(result.pairs))
    ]
    rows = [
        (f"{one}-{other}", str(many), *(figure(share, ".2f") for share in shares))
        for (one, other, many), shares in zip(result.pairs, each, strict=True)
    ]
    means = ("mean", "", *(figure(fmean(column), ".2f") for column in zip(*each, strict=True)))
    layers = ", ".join(f"{Path(model).name} {layer or 'last'}" for model, layer in result.layers.items())
    title = f"Translations found among those of all texts of a pair, in percent: {data}"
    remark = f"to: from the first language to the second; margin: ratio, k = {NEIGHBOURS}. Blocks: {layers}"
    return Table(title, ("pair", "texts", *columns), [*rows, means], remark, sections=(len(rows),))
