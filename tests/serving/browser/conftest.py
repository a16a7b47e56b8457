"""A real headless Chromium before a real service of five tiny bundles, under a prefix as behind a proxy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import explained_bundle
import pytest
import tiny_bundle
from real_server import ROOT, SOURCES, free_port, running

INSTALL = "playwright and axe are not installed: pip install 'gradsim-router[browser]'"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def address(
    tiny_ner: Path, tiny_pos: Path, tiny_pairs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the service is."""
    directory, port = tmp_path_factory.mktemp("browser"), free_port()
    bundles = [explained_bundle.build(directory / "bundle"), tiny_ner, tiny_pos, tiny_pairs]
    several = {"task": "multi_label_classification", "thresholds": [0.53] * 3}
    bundles.append(tiny_bundle.build(directory / "labels", **several))
    command = [sys.executable, "-m", "gradsim_serving", *map(str, bundles), "--port", str(port), "--threads", "1"]
    with running([*command, "--root-path", "/gradsim"], port, directory / "log", {"PYTHONPATH": SOURCES}):
        yield f"http://127.0.0.1:{port}/gradsim/"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; a module's, since while it runs no other test can start an event loop."""
    playwright = pytest.importorskip("playwright.sync_api", reason=INSTALL)
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or as your system has it")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; in the end, no request went elsewhere, and no script failed."""
    contexts, elsewhere, faults = [], [], []

    def opened(url: str, **settings: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1100, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        here = "/".join(url.split("/")[:3])
        page.on("request", lambda asked: asked.url.startswith((here, "blob:")) or elsewhere.append(asked.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda said: said.type == "error" and "Failed to load" not in said.text and faults.append(said.text),
        )
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert (elsewhere, faults) == ([], [])


@pytest.fixture
def screenshot() -> Callable[[Any, str], None]:
    """Keep what the documentation shows, where ``GRADSIM_SCREENSHOTS=1`` asks for it."""

    def keep(page: Any, name: str) -> None:
        if os.environ.get("GRADSIM_SCREENSHOTS") == "1":
            page.screenshot(path=ROOT / "docs" / "figures" / f"{name}.png", full_page=True, animations="disabled")

    return keep


@pytest.fixture
def violations() -> Callable[[Any], list[str]]:
    """Axe's rules that a page breaks, and where."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=INSTALL)

    def found(page: Any) -> list[str]:
        broken = axe.Axe().run(page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:120]} {node['failureSummary']}" for one in broken for node in one["nodes"]
        ]

    return found
