"""Let the site's pages link to files beside docs/: two become pages, the others are named without a link."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401 - mkdocs' own
    """Add the pages that lie beside docs/."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Rewrite links that leave docs/."""
    if page.file.src_uri in PAGES:
        return markdown.replace("](docs/", "](")

    def rewritten(link: re.Match[str]) -> str:
        text, _up, target, anchor = link.groups()
        outside = (Path(page.file.src_uri).parent / link[2] / target).as_posix()
        if target in PAGES:
            return f"[{text}]({'../' * page.file.src_uri.count('/')}{target}{anchor or ''})"
        return text if (ROOT / "docs" / outside).resolve().is_relative_to(ROOT / "docs") is False else link[0]

    return _LINK.sub(rewritten, markdown)
