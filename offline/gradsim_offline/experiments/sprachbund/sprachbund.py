"""From unlabelled text to sprachbunds: represent, compare, cluster, and relate to families and typology."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from gradsim_offline.core.devices import resolve_device
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.run_directory import RunDirectory, write_json
from gradsim_offline.core.versions import library_versions
from gradsim_offline.experiments.analyse.results import plain
from gradsim_offline.experiments.sprachbund.clusters import (
    Relations,
    Sprachbund,
    check_count,
    find_sprachbunds,
    placed,
    relate,
    similarities,
)
from gradsim_offline.experiments.sprachbund.language_map import flatten, language_map
from gradsim_offline.experiments.sprachbund.representations import REPRESENTATIONS, represent
from gradsim_offline.experiments.text_source import TextSource
from gradsim_offline.report.dendrogram import dendrogram
from gradsim_offline.report.drawing import Drawing
from gradsim_offline.report.figures import write_figures
from gradsim_offline.report.numbers import MISSING
from gradsim_offline.report.table import Table, figure
from gradsim_offline.training.encoders import pretrained

RESULT = "sprachbunds.json"
_STAGE = "representations"


@dataclass(frozen=True)
class SprachbundResult:
    """The sprachbunds of an encoder and what they go with.

    Attributes:
        languages: Codes, sorted.
        similarity: Cosines of their representations, ``[N, N]``.
        clusters: The clusters.
        relations: Beside families and typology.
        figures: Files.
    """

    languages: tuple[str, ...]
    similarity: NDArray[np.float64]
    clusters: tuple[Sprachbund, ...]
    relations: Relations
    figures: tuple[Path, ...]


def sprachbunds(
    model: str,
    source: TextSource,
    out: Path,
    *,
    groups: int,
    pooling: str,
    centred: bool,
    way: str,
    maximum_length: int,
    batch_size: int,
    most_texts: int | None,
    seed: int,
    device: str,
    progress: Progress,
) -> SprachbundResult:
    """Gather languages into K sprachbunds; write sprachbunds.json and the figures to ``out``.

    Args:
        model: Directory or Hub name of the encoder.
        source: The texts; all of them are read, none is held out.
        out: The run directory; the representations in it are used again while texts and model are the same.
        groups: K.
        pooling: ``cls``, ``mean`` or ``pooler``.
        centred: Take the mean of all languages off the representations.
        way: Of the map: ``pca`` or ``tsne``.
        maximum_length: Tokens; longer texts are cut.
        batch_size: Texts at a time.
        most_texts: Of a language, at most; ``None``: all.
        seed: Draws texts, permutations and the t-SNE map.
        device: Where to compute.
        progress: Shows how far it is.

    Raises:
        GradsimError: Something is wrong with texts, model or K.
    """
    where = resolve_device(device)
    encoder = pretrained.find(model, progress)
    texts = source.read_all(progress.note)
    languages = tuple(texts)
    check_count(languages, groups)
    run = RunDirectory(out, progress)

    def work(directory: Path) -> None:
        represent(
            encoder.path,
            texts,
            directory,
            pooling=pooling,
            maximum_length=maximum_length,
            batch_size=batch_size,
            most_texts=most_texts,
            seed=seed,
            device=where,
            progress=progress,
        )

    inputs = {
        "model": encoder.digest,
        "texts": {code: each.fingerprint for code, each in texts.items()},
        "pooling": pooling,
        "maximum_length": maximum_length,
        "most_texts": most_texts,
        "seed": seed if most_texts else None,
        "versions": library_versions(),
    }
    with run.locked():
        done = run.stage(_STAGE, inputs, work, title=f"represent {len(languages)} languages")
        vectors = load_file(done.directory / REPRESENTATIONS)["vectors"]
        similarity = similarities(vectors, centred=centred)
        clusters = find_sprachbunds(similarity, languages, groups)
        relations = relate(similarity, languages, clusters, seed=seed)
        places, shares = flatten(placed(vectors, centred=centred), way, seed=seed)
        drawings = [language_map(places, shares, languages, clusters), _tree(similarity, languages, clusters)]
        figures = write_figures(out, [drawing for drawing in drawings if drawing])
        write_json(
            out / RESULT,
            {
                "model": model,
                "texts": source.name,
                "settings": {"pooling": pooling, "centred": centred, "most_texts": most_texts, "map": way},
                "counts": {code: len(each) for code, each in texts.items()},
                "languages": list(languages),
                "similarity": similarity.tolist(),
                "groups": [_plain(cluster) for cluster in clusters],
                "map": dict(zip(languages, places.tolist(), strict=True)),
                "relations": plain(relations),
            },
        )
    return SprachbundResult(languages, similarity, clusters, relations, tuple(figures))


def tables(result: SprachbundResult) -> list[Table]:
    """Lay out the sprachbunds and what they agree with."""
    rows = []
    for cluster in result.clusters:
        members = [result.languages.index(code) for code in cluster.members]
        block = result.similarity[np.ix_(members, members)]
        inside = block[~np.eye(len(members), dtype=bool)]
        mean = figure(float(inside.mean()) if len(inside) else None)
        rows.append((cluster.id, cluster.pivot, mean, " ".join(cluster.members)))
    shown = [Table("Sprachbunds", ("id", "pivot", "mean cosine", "languages"), rows, words=4)]
    relations = result.relations
    if relations.correlations:
        shown.append(
            Table(
                "Cosines beside families and typology, over pairs of languages",
                ("", "pairs", "Pearson", "Spearman", "p (Mantel)"),
                tuple(
                    (name, str(each.pairs), figure(each.pearson), figure(each.spearman), figure(each.mantel, ".4f"))
                    for name, each in relations.correlations.items()
                ),
                f"Adjusted Rand index of sprachbunds and families: {figure(relations.adjusted_rand)}",
            )
        )
    return shown


def notes(result: SprachbundResult) -> list[str]:
    """Return what a reader should know."""
    undefined = [
        f"{name}: {MISSING}, because {each.reason}"
        for name, each in result.relations.correlations.items()
        if each.reason
    ]
    return [*result.relations.notes, *undefined]


def _plain(cluster: Sprachbund) -> dict[str, Any]:
    return {"id": cluster.id, "members": list(cluster.members), "pivot": cluster.pivot, "summed_cosine": cluster.summed}


def _tree(
    similarity: NDArray[np.float64], languages: tuple[str, ...], clusters: tuple[Sprachbund, ...]
) -> Drawing | None:
    members = {cluster.id: [(languages.index(code), True) for code in cluster.members] for cluster in clusters}
    return dendrogram(
        similarity, languages, members, name="sprachbund-tree", title="Which languages are represented alike"
    )
