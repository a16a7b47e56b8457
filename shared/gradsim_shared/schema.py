"""The manifest's JSON schema: ``python -m gradsim_shared.schema > docs/manifest.schema.json`` writes it."""

from __future__ import annotations

import json
import sys

from gradsim_shared.manifest import Manifest


def manifest_schema() -> str:
    """Return the JSON schema of ``manifest.json`` as text that ends with a newline."""
    return json.dumps(Manifest.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(manifest_schema())
