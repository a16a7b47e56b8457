"""The explorer and the pages of the API, in a real browser."""

from __future__ import annotations

import json

import explained_bundle
import fake_engine
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_shows_similarities_groups_and_scores(open_page, address, violations, screenshot, scheme):
    page = open_page(f"{address}explore", color_scheme=scheme)
    page.get_by_text("3.38 points more than one model").wait_for()
    page.get_by_role("cell", name="0.62").first.hover()
    page.get_by_text("Swahili for Hausa: 0.62").wait_for()
    cards = page.locator(".card")
    assert cards.nth(1).locator(".served").all_inner_texts() == ["Amharic", "Nigerian Pidgin"]
    assert cards.nth(1).locator(".source").all_inner_texts() == ["Hausa source"]
    names = page.locator(".scores tbody th").all_inner_texts()
    gains = dict(zip(names, page.locator(".better, .worse").all_inner_texts(), strict=True))
    assert gains == {"Hausa": "+7.0", "Nigerian Pidgin": "+3.0", "Amharic": "+5.0", "Swahili": "−1.5"}
    assert "mean gain +3.4 points" in page.locator("main").inner_text()
    assert violations(page) == []
    if scheme == "light":
        screenshot(page, "explorer")
    with page.expect_popup() as report:
        page.get_by_role("link", name="Read the report of its build").click()
    assert report.value.title() == "Report"
    page.get_by_text("ner", exact=True).click()
    page.get_by_text("tiny-ner@1.0.0").wait_for()
    page.get_by_text("This bundle holds no similarities.").wait_for()


@pytest.mark.parametrize(
    ("measure", "said", "shown", "sides"),
    [
        ("gradient", "a row's language is helped by the column's where it is above 0", ["0.62", "0.08"], "helps helps"),
        ("embedding", "the higher, the more a row's language is like the column's", ["0.62", "0.08"], "helps harms"),
        ("gains", "what a row's language gains by sharing a group", ["−0.38", "−0.92"], "harms harms"),
    ],
)
def test_the_matrix_says_what_its_measure_means(open_page, tmp_path, measure, said, shown, sides):
    with fake_engine.running(explained_bundle.build(tmp_path / "bundle", measure)) as service:
        page = open_page(f"http://127.0.0.1:{service.port}/explore")
        page.get_by_text(f"Similarity by {measure}: {said}").wait_for()
        rows = page.locator(".heat tbody tr")
        cells = [rows.nth(0).locator("td").nth(1), rows.nth(2).locator("td").nth(3)]
    assert [cell.inner_text() for cell in cells] == shown
    for cell, side in zip(cells, sides.split(), strict=True):
        assert f"--{side}" in cell.get_attribute("style")


def test_the_matrix_is_walked_with_arrow_keys_and_a_phone_scrolls_it_alone(open_page, address):
    page = open_page(f"{address}explore", viewport={"width": 360, "height": 740})
    page.locator(".heat td[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    told = page.locator(".pair").inner_text()
    pair = page.evaluate("document.activeElement.textContent")
    assert told.endswith(f": {pair}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_api_is_read_and_tried_offline(open_page, address, violations):
    page = open_page(f"{address}docs")
    page.locator("#post-sentiment summary").click()
    inside = page.locator("#post-sentiment")
    inside.get_by_text("of all texts, or of each; null: identify it").wait_for()
    inside.get_by_role("button", name="Send").click()
    inside.locator("pre:not([hidden])", has_text="predictions").wait_for()
    answer = json.loads(inside.locator("pre").inner_text())
    assert answer["predictions"][0]["route"]["language"] == "hau"
    inside.get_by_role("textbox").fill("{")
    inside.get_by_role("button", name="Send").click()
    inside.locator("pre", has_text="malformed_json").wait_for()
    assert violations(page) == []
    paths = set(page.locator(".path").all_inner_texts())
    assert {"/sentiment", "/groups", "/models/ner", "/v2/models/pos/infer", "/admin/reload"} <= paths
