"""The manifest of a small bundle, made with the models that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradsim_shared.manifest import (
    Fallback,
    FileEntry,
    Group,
    Grouping,
    Identifier,
    Language,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Scores,
    Similarity,
)

SERVED_BY = {"hau": "g0", "swa": "g0", "amh": "g1"}


def make_manifest(
    served_by: Mapping[str, str] | None = None,
    *,
    name: str = "small",
    task: str = "text_classification",
    endpoint: str | None = None,
    labels: Sequence[str] = ("negative", "positive"),
    thresholds: Sequence[float] = (),
    metric: str = "weighted_f1",
    segmentation: str = "none",
    normalisation: int = 0,
    maximum_length: int = 32,
    long_texts: str = "cut",
    members: Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, str] | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    scripts: Mapping[str, str] | None = None,
    script: str = "LATIN",
    collective_similarity: float = 0.25,
    pad_multiple: int = 1,
    threshold: float = 0.5,
    fallback: str | None = None,
    files: Mapping[str, FileEntry] | None = None,
) -> Manifest:
    """Return a manifest.

    Args as of `Manifest`, but: ``served_by`` is language to group (``None``: `SERVED_BY`), ``members`` group to codes
    (``None``: those that it serves), ``names``, ``aliases`` and ``scripts`` are by language (``None``: made from the
    code, and ``script``), and ``files`` are empty entries where none are given.
    """
    served_by = served_by or SERVED_BY
    if members is None:
        groups = sorted(set(served_by.values()))
        members = {group: [code for code, other in served_by.items() if other == group] for group in groups}
    scores = {metric: 0.9}
    return Manifest(
        name=name,
        version="1.0.0",
        task=task,
        endpoint=endpoint,
        labels=list(labels),
        thresholds=list(thresholds),
        metric=metric,
        segmentation=segmentation,
        normalisation=normalisation,
        maximum_length=maximum_length,
        long_texts=long_texts,
        languages=[
            Language(
                code=code,
                name=code.title() if names is None else names[code],
                aliases=[code[:2].upper()] if aliases is None else aliases[code],
                scripts=[(scripts or {}).get(code, script)],
                group=group,
                collective_similarity={other: collective_similarity for other in members if code in members[other]},
                counts={"train": 28, "test": 28},
                scores={"test": Scores(multilingual=scores, group=scores, service=scores)},
            )
            for code, group in served_by.items()
        ],
        groups=[
            Group(
                id=group,
                members=list(codes),
                tokenizer=f"groups/{group}/tokenizer.json",
                precisions={
                    "fp32": Precision(
                        file=f"groups/{group}/model.onnx",
                        parity=Parity(texts=1, max_difference=0.0, label_agreement=1.0),
                        latency_milliseconds=0.1,
                    )
                },
                inputs=["input_ids", "attention_mask"],
                pad_id=0,
                pad_multiple=pad_multiple,
            )
            for group, codes in members.items()
        ],
        similarity=Similarity(measure="given"),
        grouping=Grouping(solver="exact", singleton_score="self", score=1.6, bound=1.6, proven=True),
        identifier=Identifier(
            labels={f"__label__{code}": code for code in served_by}, threshold=threshold, normalisation=normalisation
        ),
        fallback=Fallback(group=fallback or next(iter(members))),
        provenance=Provenance(
            created="2025-01-01T00:00:00Z", data="tiny", data_fingerprint="0" * 64, model="bag", seed=1, versions={}
        ),
        files=files or {file: FileEntry(sha256="0" * 64, size=0) for file in files_of(members)},
    )


def files_of(groups: Mapping[str, object]) -> list[str]:
    """Return the files that a bundle with these groups needs, beside its manifest."""
    of_groups = [f"groups/{group}/{file}" for group in groups for file in ("tokenizer.json", "model.onnx")]
    return ["identifier.ftz", "similarity.json", *of_groups]
