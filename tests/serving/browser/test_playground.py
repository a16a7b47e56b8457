"""The playground as people use it: type, click, drop a file, with the keyboard alone, on a phone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import explained_bundle
import fake_engine
import pytest
from real_server import SOURCES

from gradsim_serving.http.keys import keys_of

HAUSA, AMHARIC = "Wannan fim yana da kyau sosai", "ይህ ምግብ በጣም መጥፎ ነው"
ARABIC = "هذا الفيلم 😀 جميل (جدا)"
DROP = """([target, name, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content], name));
    document.querySelector(target).dispatchEvent(
        new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def page(open_page, address):
    page = open_page(address)
    page.get_by_role("button", name="Hausa").wait_for()
    return page


def ask(page, *texts, label="Texts, one a line"):
    """Type texts, answer, and return the articles."""
    page.get_by_label(label).fill("\n".join(texts))
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("answered in").wait_for()
    return page.get_by_role("article")


def test_typed_texts_are_answered_with_language_group_and_bars(page, screenshot, violations):
    answers = ask(page, HAUSA, AMHARIC)
    first = answers.first
    assert first.locator(".text").inner_text() == HAUSA
    assert first.locator(".bars .first .name").inner_text() == "positive"
    assert first.locator(".bars li").all_inner_texts()[0].startswith("negative")
    assert first.locator(".badge").inner_text().startswith("Hausa ")
    told = first.locator(".route p").inner_text()
    assert told.startswith("Taken for Hausa (")
    assert told.endswith("answered by group 0, which also learned from Swahili, because that group suits Hausa best.")
    assert "which also learned from Hausa and Nigerian Pidgin" in answers.nth(1).locator(".route p").inner_text()
    assert "in the service" in page.get_by_role("status").first.inner_text()
    assert violations(page) == []
    screenshot(page, "playground")


@pytest.mark.slow
def test_an_example_is_answered_at_a_click_and_what_was_typed_stays(page):
    page.get_by_label("Texts, one a line").fill("mine")
    page.get_by_role("button", name="Hausa").click()
    page.get_by_role("article").nth(1).wait_for()
    assert page.get_by_label("Texts, one a line").input_value() == "mine\nIna son wannan fim"
    page.get_by_label("Texts, one a line").fill("")
    for name in ("Hausa", "Swahili"):
        page.get_by_role("button", name=name).click()
    page.get_by_text("One text answered").wait_for()
    assert page.locator("article .text").all_inner_texts() == ["Ninapenda filamu hii"]


def test_of_several_labels_those_that_a_text_has_are_marked(page, violations):
    page.get_by_text("labels", exact=True).click()
    both, none = ask(page, f"{HAUSA} bata min rai", "xyz").all()
    assert both.locator(".bars .first .name").all_inner_texts() == ["negative", "positive"]
    assert none.locator(".bars .first").count() == 0
    none.get_by_text("No label.").wait_for()
    assert violations(page) == []


def test_pairs_are_asked_as_two_texts_a_line_or_as_a_file_names_them(page, violations):
    page.get_by_text("nli", exact=True).click()
    page.get_by_role("button", name="Hausa").click()
    page.get_by_text("One pair answered").wait_for()
    assert page.locator("article .text").all_inner_texts() == ["Musa yana zaune a Kano.", "Ina son wannan fim"]
    field = page.get_by_label("Pairs of texts, one a line")
    field.fill(f"{HAUSA}\t{HAUSA}\n{HAUSA} | {AMHARIC}")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("2 pairs answered").wait_for()
    same, two = page.get_by_role("article").all()
    assert same.locator(".bars .first .name").inner_text() == "entailment"
    assert two.locator(".badge").inner_text().startswith("Hausa and Amharic ")
    told = "Taken for Hausa and Amharic; group 0 (50 %) and group 1 (50 %) answered together."
    assert two.locator(".route p").inner_text() == told
    assert f'"pairs":[["{HAUSA}","{HAUSA}"],["{HAUSA}","{AMHARIC}"]]' in page.get_by_role("tabpanel").inner_text()
    assert violations(page) == []
    field.fill(f"{HAUSA} | {HAUSA}\n{HAUSA}")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("Line 2 is no pair").wait_for()
    page.evaluate(DROP, ["#texts", "pairs.csv", f"label,hypothesis,premise,lang\n0,{AMHARIC},{HAUSA},amh\n"])
    page.get_by_text("One pair answered").wait_for()
    assert page.locator("article .text").all_inner_texts() == [HAUSA, AMHARIC]
    assert page.locator(".route p").inner_text().startswith("You said Amharic; answered by group 1")


def test_names_are_marked_at_code_points_behind_an_emoji(page, screenshot, violations):
    page.get_by_text("ner", exact=True).click()
    answers = ask(page, "😀👩‍👧 Musa yana zaune a Kano.", "Juma Omari anaishi Nairobi.", "አበበ በአዲስ አበባ ይኖራል።")
    marks = answers.first.locator("mark")
    assert marks.locator("bdi").all_inner_texts()[-2:] == ["Musa", "Kano"]
    assert marks.locator(".kind").all_inner_texts()[-2:] == ["PER", "LOC"]
    assert answers.nth(1).locator("bdi").all_inner_texts() == ["Juma Omari", "Nairobi"]
    assert violations(page) == []
    ask(page, "Juma Omari anaishi Nairobi.", "አበበ በአዲስ አበባ ይኖራል።")
    screenshot(page, "playground-names")
    page.get_by_text("pos", exact=True).click()
    assert ask(page, "Ada lived in London.").first.locator(".kind").all_inner_texts() == [
        "PROPN",
        "VERB",
        "ADP",
        "PROPN",
        "PUNCT",
    ]


def test_text_from_right_to_left_is_shown_from_the_right(page):
    text = ask(page, ARABIC, HAUSA).first.locator(".text")
    assert text.inner_text() == ARABIC
    directions = page.evaluate(
        "() => [...document.querySelectorAll('article .text')].map(e => getComputedStyle(e).direction)"
    )
    assert directions == ["rtl", "ltr"]
    assert "looks like none of the languages" in page.locator(".route p").first.inner_text()


CSV = 'id,text,lang\n1,"Wannan fim, yana ""da"" kyau\nsosai",ha\n2,Filamu hii ni nzuri sana,\n3,Dis film sweet,xx\n'


@pytest.mark.slow
def test_a_dropped_table_is_answered_in_the_languages_that_it_names(page):
    page.evaluate(DROP, ["#texts", "reviews.csv", CSV])
    page.get_by_text("3 texts answered").wait_for()
    assert page.locator("article .text").all_inner_texts()[0] == 'Wannan fim, yana "da" kyau sosai'
    told = page.locator(".route p").all_inner_texts()
    assert told[0].startswith("You said Hausa; answered by group 0")
    assert told[1].startswith("Taken for Swahili")
    page.evaluate(DROP, ["#texts", "more.txt", "\ufeffa\n\n  \n" + "dis film sweet\n" * 130])
    page.get_by_text("131 texts answered in").wait_for()
    page.evaluate(DROP, ["#texts", "broken.jsonl", '{"text": "a"}\n{"texts": 1}\n'])
    page.get_by_text("Line 2 is no JSON object with a text.").wait_for()
    with page.expect_file_chooser() as chosen:
        page.get_by_label("or a file").click()
    chosen.value.set_files({"name": "one.tsv", "mimeType": "text/plain", "buffer": b"text\tlanguage\nDis film\tpcm\n"})
    page.get_by_text("One text answered").wait_for()


@pytest.mark.slow
def test_a_language_by_hand_and_a_refusal_in_words(page):
    page.get_by_label("Language", exact=False).and_(page.locator("select")).select_option("amh")
    assert ask(page, HAUSA).first.locator(".route p").inner_text().startswith("You said Amharic;")
    page.get_by_label("Language", exact=False).and_(page.locator("select")).select_option("")
    page.get_by_label("When unsure").select_option("reject")
    page.get_by_label("Texts, one a line").fill(f"{HAUSA}\n{ARABIC}")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("Text 2 is not surely in one of the languages here").wait_for()
    page.get_by_label("Texts, one a line").fill(" ")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("Type a text first").wait_for()


def test_the_keyboard_alone_is_enough(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the texts
    page.keyboard.type(HAUSA)
    page.keyboard.press("Control+Enter")
    page.get_by_role("article").wait_for()
    for name in ("Answer", "curl"):
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == name:
                break
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert (page.evaluate("document.activeElement.textContent"), outline) == (name, "solid")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == "Python"
    assert "from gradsim_client import Client" in page.get_by_role("tabpanel").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, address, violations, scheme):
    page = open_page(address, viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True)
    page.get_by_role("button", name="Hausa").tap()
    page.get_by_role("article").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert violations(page) == []


@pytest.mark.slow
def test_the_calls_on_the_page_answer_as_the_page_does(page):
    check_calls(page, ask(page, 'Dis film\'s "food" don vex me 😀', HAUSA))
    page.get_by_text("nli", exact=True).click()
    check_calls(page, ask(page, f"{HAUSA} | {HAUSA}", f"{AMHARIC} | {AMHARIC}", label="Pairs of texts"))


def check_calls(page, answers):
    """Run the calls that stand on the page, and compare what they say with the page."""
    labels = answers.locator(".bars .first .name").all_inner_texts()
    said = {}
    for name in ("curl", "Python", "Hugging Face"):
        page.get_by_role("tab", name=name).click()
        call = page.get_by_role("tabpanel").inner_text()
        command = ["bash", "-c", call] if name == "curl" else [sys.executable, "-c", call]
        environment = os.environ | {"PYTHONPATH": SOURCES}
        said[name] = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    assert [one["label"] for one in json.loads(said["curl"])["predictions"]] == labels
    for name in ("Python", "Hugging Face"):
        lines = said[name].splitlines()
        assert len(lines) == 2
        assert all(f"label='{label}'" in line for line, label in zip(lines, labels, strict=True))


@pytest.mark.slow
def test_with_keys_the_page_asks_for_one_and_keeps_it_for_the_tab(open_page, violations, tmp_path):
    key = "alice-0123456789"
    with fake_engine.running(explained_bundle.build(tmp_path / "bundle"), keys=keys_of([key])) as service:
        page = open_page(f"http://127.0.0.1:{service.port}/")
        page.get_by_text("This service answers only with a key.").wait_for()
        assert violations(page) == []
        for typed, said in (
            ("wrong-0123456789", "This key is not one of the service's."),
            (key, "answers in 4 languages"),
        ):
            page.get_by_label("Key").fill(typed)
            page.get_by_role("button", name="Use").click()
            page.get_by_text(said).wait_for()
        ask(page, HAUSA)
        assert key not in page.content()
        assert "$GRADSIM_KEY" in page.get_by_role("tabpanel").inner_text()
        page.get_by_role("link", name="Explore").click()
        with page.expect_download() as report:
            page.get_by_role("link", name="Read the report of its build").click()
        assert report.value.suggested_filename == "tiny@1.0.0.html"
        assert page.context.cookies() == []


@pytest.mark.slow
def test_errors_are_told_as_people_would(open_page, tiny):
    with fake_engine.running(tiny) as service:
        page = open_page(f"http://127.0.0.1:{service.port}/")
        page.get_by_role("button", name="Hausa").wait_for()
        for text, said in (
            ("error overloaded", "The service is busy. Try again in 3 seconds."),
            ("error not_ready", "The models are still being loaded."),
            ("fail", "Something went wrong inside the service"),
        ):
            page.get_by_label("Texts, one a line").fill(text)
            page.get_by_role("button", name="Answer", exact=True).click()
            page.get_by_text(said).wait_for()
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("The service does not answer. Is it still running").wait_for()
