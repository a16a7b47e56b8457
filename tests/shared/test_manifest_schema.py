"""The published JSON schema is that of the manifest."""

from __future__ import annotations

from pathlib import Path

from gradsim_shared.schema import manifest_schema


def test_the_published_schema_is_current():
    published = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
    regenerate = "python -m gradsim_shared.schema > docs/manifest.schema.json"
    assert published.read_text(encoding="utf-8") == manifest_schema(), f"run: {regenerate}"
