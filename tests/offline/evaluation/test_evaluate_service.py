"""``evaluate --url``: the same figures from a real service, and plain words where a service is odd."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny_bundle
import tiny_tags
from real_server import SOURCES, free_port, running

from gradsim_offline.experiments.evaluate.evaluate import evaluate

from ..program import gradsim


def write_texts(root, examples):
    for code, rows in examples.items():
        (root / code).mkdir(parents=True)
        lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        (root / code / "test.jsonl").write_text(lines, encoding="utf-8")
    return root


def write_tags(root, sentences):
    for code, mine in sentences.items():
        (root / code).mkdir(parents=True)
        rows = [(*tiny_tags.tagged(sentence), tiny_tags.written(sentence)) for sentence in mine]
        lines = "".join(json.dumps(dict(zip(("words", "tags", "text"), row, strict=True))) + "\n" for row in rows)
        (root / code / "test.jsonl").write_text(lines, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """Per task a bundle and data for it; each has a language more than its bundle."""
    root = tmp_path_factory.mktemp("service")
    texts = {code: tiny_bundle.sentences(code) for code in tiny_bundle.SERVED_BY}
    pos = tiny_tags.POS | {"swa": ["Juma/PROPN anaishi/VERB Nairobi/PROPN ./PUNCT"]}
    return {
        "/sentiment": (
            tiny_bundle.build(root / "sentiment"),
            write_texts(root / "texts", texts | {"yor": [("Ó dára púpọ̀", "positive"), ("Kò dára", "negative")]}),
        ),
        "/ner": (
            tiny_tags.build_ner(root / "ner"),
            write_tags(root / "names", tiny_tags.NER | {"eng": ["Ada/B-PER lived/O in/O London/B-LOC ./O"]}),
        ),
        "/pos": (tiny_tags.build_pos(root / "pos"), write_tags(root / "words", pos)),
    }


@pytest.fixture(scope="module")
def url(sets, tmp_path_factory):
    """A real service of all three bundles."""
    port, log = free_port(), tmp_path_factory.mktemp("service") / "log"
    bundles = [str(bundle) for bundle, _ in sets.values()]
    command = [sys.executable, "-m", "gradsim_serving", *bundles, "--port", str(port), "--threads", "1"]
    with running(command, port, log, {"PYTHONPATH": SOURCES}):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("endpoint", ["/sentiment", "/ner", "/pos"])
def test_a_service_gives_the_figures_of_its_bundle(sets, url, quiet, endpoint):
    bundle, data = sets[endpoint]
    here, there = evaluate(bundle, None, str(data), quiet), evaluate(None, url, str(data), quiet, batch=3)
    assert (there["bundle"], there["url"], there["metric"]) == (here["bundle"], url, here["metric"])
    for code, mine in here["languages"].items():
        assert mine["identified"] is not None
        without = {"given": None, "identified": None} if endpoint != "/sentiment" else {}  # a service takes no words
        assert there["languages"][code] == mine | without
    assert set(there["languages"]) > {"hau"} and any(not mine["group"] for mine in there["languages"].values())
    column = "identified" if endpoint == "/sentiment" else "raw"
    assert there["averages"][column] == here["averages"][column]
    assert there["averages"]["identifier"]["plain"] > 0.9


def test_the_table_names_service_and_bundle(sets, url, tmp_path):
    bundle, data = sets["/ner"]
    code, shown, said = gradsim("evaluate", "--url", f"{url}/", "--bundle", bundle, "--data", data)
    assert code == 0, said
    assert f"tiny-ner@1.0.0 at {url}" in shown and "eng English (not served)" in shown and "raw text" in shown
    assert "language given" not in shown
    hausa = next(line for line in shown.splitlines() if "hau Hausa" in line)
    assert "100.00" in hausa


def test_texts_that_a_service_refuses_are_counted_as_wrong(sets, url, tmp_path, quiet):
    (text, label), *others = tiny_bundle.sentences("hau")[:4]
    odd = [(text, label), (f"{text}! " * 2000, label), (f"{text} " * 2000, label), *others]  # two are too long
    data = write_texts(tmp_path / "data", {"hau": odd})
    found = evaluate(None, url, str(data), quiet)["languages"]["hau"]
    assert found["refused"] == 2 and "answered 422: text" in found["refusal"]
    assert found["identified"]["accuracy"] == found["given"]["accuracy"] == 4 / 6
    assert found["identifier"] == found["routed"] == 4 / 6
    code, shown, _ = gradsim("evaluate", "--url", url, "--data", data)
    assert code == 0 and "Refused, and counted as wrong: hau 2; the first: " in shown
    nothing = write_texts(tmp_path / "nothing", {"hau": odd[1:3]})
    assert evaluate(None, url, str(nothing), quiet)["languages"]["hau"]["identified"]["weighted_f1"] == 0


def refused(answer, *parts):
    code, out, error = answer
    assert (code, out) == (1, "")
    assert error.count("Error: ") == 1 and "Traceback" not in error and "●" not in error
    for part in parts:
        assert part in error, error


def test_a_service_of_another_task_or_bundle(sets, url, tmp_path):
    command = [sys.executable, "-m", "gradsim_serving", str(sets["/ner"][0]), "--threads", "1"]
    port = free_port()
    with running([*command, "--port", str(port)], port, tmp_path / "log", {"PYTHONPATH": SOURCES}):
        other = f"http://127.0.0.1:{port}"
        bundle, data = sets["/sentiment"]
        refused(
            gradsim("evaluate", "--url", other, "--data", data),
            "serves nothing for text_classification",
            "it serves tiny-ner@1.0.0 for token_classification at /ner",
        )
        refused(gradsim("evaluate", "--url", other, "--bundle", bundle, "--data", data), "serves no tiny@1.0.0")
        refused(
            gradsim("evaluate", "--url", other, "--data", sets["/pos"][1]),
            "test of eng has the label 'PROPN' (4 x), which tiny-ner@1.0.0 does not know",
        )
