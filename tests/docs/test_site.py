"""The documentation as a site: every page has its place, every link its target, every message of the FAQ is one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gradsim_offline.datasets.sources import files

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def places(entries):
    for entry in entries:
        for where in entry.values():
            yield from [where] if isinstance(where, str) else places(where)


def test_every_page_stands_in_the_navigation():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = list(places(settings["nav"]))
    assert sorted(named) == sorted(["CHANGELOG.md", "CONTRIBUTING.md", *(str(p.relative_to(DOCS)) for p in PAGES)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_of_a_page_has_its_target(page):
    targets = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_messages_that_are_explained_are_those_of_the_code():
    page = (DOCS / "faq.md").read_text(encoding="utf-8")
    toolkit, service = page.split("## Messages of the toolkit")[1].split("## Messages of the service")
    folders = ("offline", "serving", "shared")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))
    messages = re.findall(r"^\| `(.+?)` \|", toolkit, flags=re.MULTILINE)
    codes = re.findall(r"^\| `(\w+)` \(\d+\) \|", service, flags=re.MULTILINE)
    assert len(messages) > 10 and len(codes) == 5
    assert [message for message in messages if message not in code] == []
    assert [name for name in codes if f'"{name}"' not in code] == []


@pytest.mark.parametrize("page", ["README.md", "docs/own-data.md"])
def test_the_table_of_a_first_build_is_read(page, tmp_path):
    (table,) = re.findall(r"^```csv\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "reviews.csv").write_text(table, encoding="utf-8")
    found = files.load(tmp_path / "reviews.csv")
    assert found.languages == ("hau", "swa") and found.labels == ("negative", "positive")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed; `make site` installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "own-data" / "index.html").is_file()
