"""The pages that come from the code are as the code is; the README's commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The pages, from a process of its own: click remembers the names of a help option from whoever asked first."""
    directory = tmp_path_factory.mktemp("pages")
    subprocess.run([sys.executable, ROOT / "docs" / "generate.py", directory], check=True)
    return directory


@pytest.mark.parametrize("page", ["commands.md", "settings.md"])
def test_a_generated_page_is_up_to_date(page, generated):
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == (generated / page).read_text(encoding="utf-8"), "run `make docs`"


def test_every_make_target_that_the_readme_names_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)", readme))
    assert named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


def test_every_file_that_the_readme_links_to_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://)([^)#]+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_path_on_the_map_exists():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    toolkit = ROOT / "offline/gradsim_offline"
    paths = [path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", page) if "<" not in path]
    assert len(paths) > 15
    folders = (ROOT, toolkit, ROOT / "shared/gradsim_runtime", ROOT / "serving/gradsim_serving")
    assert [path for path in paths if not any((folder / path).exists() for folder in folders)] == []


def test_no_page_has_a_gap_left_to_fill():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert [page.name for page in pages if "@@" in page.read_text(encoding="utf-8")] == []
