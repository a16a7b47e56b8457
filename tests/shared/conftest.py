"""A small manifest, made with the models that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gradsim_shared.bundle import file_entry
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
    Similarity,
)

MakeManifest = Callable[..., Manifest]


def _manifest(
    served_by: Mapping[str, str] | None = None,
    *,
    threshold: float = 0.5,
    fallback: str | None = None,
    script: str = "LATIN",
    files: Mapping[str, FileEntry] | None = None,
) -> Manifest:
    served_by = served_by or {"hau": "g0", "swa": "g0", "amh": "g1"}
    groups = sorted(set(served_by.values()))
    used = [
        "identifier.ftz",
        "similarity.json",
        *(f"{group}/{file}" for group in groups for file in ("t.json", "m.onnx")),
    ]
    parity = Parity(texts=1, max_difference=0.0, label_agreement=1.0)
    return Manifest(
        name="small",
        version="1.0.0",
        task="text_classification",
        labels=["negative", "positive"],
        metric="weighted_f1",
        maximum_length=32,
        languages=[
            Language(
                code=code,
                name=code.title(),
                aliases=[code[:2].upper()],
                scripts=[script],
                group=group,
                collective_similarity={group: 0.25},
                counts={"train": 1},
            )
            for code, group in served_by.items()
        ],
        groups=[
            Group(
                id=group,
                members=[code for code, other in served_by.items() if other == group],
                tokenizer=f"{group}/t.json",
                precisions={"fp32": Precision(file=f"{group}/m.onnx", parity=parity, latency_milliseconds=1.0)},
                inputs=["input_ids", "attention_mask"],
                pad_id=0,
            )
            for group in groups
        ],
        similarity=Similarity(measure="given"),
        grouping=Grouping(solver="exact", singleton_score="self", score=1.0, bound=1.0, proven=True),
        identifier=Identifier(labels={f"__label__{code}": code for code in served_by}, threshold=threshold),
        fallback=Fallback(group=fallback or groups[0]),
        provenance=Provenance(
            created="2025-01-01T00:00:00Z", data="d", data_fingerprint="0" * 64, model="m", seed=1, versions={}
        ),
        files=files or {file: FileEntry(sha256="0" * 64, size=0) for file in used},
    )


@pytest.fixture(scope="session")
def make_manifest() -> MakeManifest:
    """A function that makes a manifest: languages with the groups that serve them, threshold, ..."""
    return _manifest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose files hold their own names."""
    directory = tmp_path / "bundle"
    entries = {}
    for file in _manifest().files:
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file, encoding="utf-8")
        entries[file] = file_entry(path)
    manifest = _manifest(files=entries)
    (directory / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return directory


@pytest.fixture
def edit(bundle: Path) -> Callable[[Callable[[dict[str, object]], object]], None]:
    """A function that changes the bundle's manifest in place."""

    def change(how: Callable[[dict[str, object]], object]) -> None:
        path = bundle / "manifest.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        how(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return change
