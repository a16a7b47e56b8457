"""Sentiment, named entities and parts of speech in one service: each with languages and an identifier of its own."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import server_process
import tiny_bundle
import tiny_tags
from engines import engine_of

from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.bundles.loading import Loaded, load_bundle
from gradsim_shared.bundle import open_bundle
from gradsim_shared.errors import BundleError

SWAHILI, AMHARIC = (tiny_tags.written(tiny_tags.NER[code][0]) for code in ("swa", "amh"))
ELSEWHERE = {  # endpoint, code, what follows the list of known languages
    ("/ner", "pcm"): " Known: amh, hau, swa, yor. /sentiment knows it, /ner does not.",
    ("/ner", "eng"): " /pos knows it, /ner does not.",
    ("/sentiment", "yo"): " Known: amh, hau, pcm, swa. /ner knows it, /sentiment does not.",
    ("/pos", "pg"): " Known: eng, hau. /sentiment knows it, /pos does not.",
    ("/pos", "swa-Latn-KE"): " Known: eng, hau. /sentiment and /ner know it, /pos does not.",
    ("/pos", "amh"): " Known: eng, hau. /sentiment and /ner know it, /pos does not.",
    ("/pos", "xyz"): " Known: eng, hau.",
}


def test_each_endpoint_answers_from_its_own_bundle(server):
    for endpoint, bundle in (("/sentiment", "tiny"), ("/ner", "tiny-ner"), ("/pos", "tiny-pos")):
        answer = server.ask("Musa yana zaune a Kano.", endpoint=endpoint, language="hau").json()
        assert answer["bundle"] == f"{bundle}@1.0.0"
        assert answer["predictions"][0]["route"]["language"] == "hau"


def test_a_text_of_a_language_that_one_bundle_lacks_goes_to_its_fallback(server):
    (known,) = server.ask(SWAHILI, endpoint="/ner").json()["predictions"]
    (lacking,) = server.ask(SWAHILI, endpoint="/pos").json()["predictions"]  # its identifier knows Swahili, it does not
    assert (known["route"]["language"], known["route"]["reason"]) == ("swa", "identified")
    assert (lacking["route"]["group"], lacking["route"]["reason"]) == ("g0", "fallback")
    assert lacking["route"]["confidence"] < 0.5
    assert "".join(word["text"] for word in lacking["words"]) == SWAHILI.replace(" ", "")


def test_a_text_in_a_script_that_one_bundle_lacks_is_unknown_there(server):
    (known,) = server.ask(AMHARIC, endpoint="/ner").json()["predictions"]
    (lacking,) = server.ask(AMHARIC, endpoint="/pos").json()["predictions"]
    assert (known["route"]["language"], known["route"]["reason"]) == ("amh", "identified")
    expected = {"language": None, "confidence": 0.0, "group": "g0", "collective_similarity": None, "reason": "unknown"}
    assert expected.items() <= lacking["route"].items()


@pytest.mark.parametrize(("asked", "message"), ELSEWHERE.items(), ids=map(str, ELSEWHERE))
def test_a_given_language_that_one_bundle_lacks_is_refused_and_others_are_named(server, asked, message):
    endpoint, code = asked
    for language, index in ((code, None), (["hau", code], 1)):
        response = server.ask("a b", "c d", language=language, endpoint=endpoint)
        assert response.status_code == 422
        error = response.json()["error"]
        assert (error["code"], error["index"]) == ("unknown_language", index)
        assert error["message"].startswith(f"unknown language {code!r}.")
        assert error["message"].endswith(message)


@pytest.mark.parametrize("endpoint", ["/sentiment", "/ner", "/pos"])
def test_every_endpoint_refuses_alike(server, endpoint):
    bad = {
        b'{"texts": []}': (422, "no_texts"),
        b'{"texts": ["a b"], "language": ["hau", null]}': (422, "language_count"),
        b'{"texts": ["a b"], "tags": true}': (422, "unknown_field"),
        b'{"texts": ["\xff"]}': (400, "invalid_encoding"),
        b"[": (400, "malformed_json"),
    }
    for body, expected in bad.items():
        response = server.send(body, endpoint=endpoint)
        assert (response.status_code, response.json()["error"]["code"]) == expected
    assert server.send(b"{}", "text/plain", endpoint=endpoint).status_code == 415
    assert server.client.get(endpoint).headers["allow"] == "OPTIONS, POST"


def test_endpoints_that_are_asked_at_the_same_time_answer_as_one_by_one(direct):
    texts = [tiny_tags.written(sentence) for found in tiny_tags.NER.values() for sentence in found] * 8
    asked = [(endpoint, texts[: number + 1]) for number in range(8) for endpoint in ("/ner", "/pos", "/sentiment")]

    def ask(question):
        endpoint, few = question
        return direct.ask(*few, endpoint=endpoint).json()

    alone = [ask(question) for question in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, asked * 4)) == alone * 4


def test_a_file_that_two_bundles_hold_is_in_memory_once(tiny, tiny_ner, tiny_pos, tmp_path):
    loaded = Loaded()
    bundles = [open_bundle(directory) for directory in (tiny, tiny_ner, tiny_pos)]
    for bundle in bundles:
        load_bundle(bundle, SessionSettings(), loaded)
    assert loaded.count("identifier") == 2  # entities and parts of speech have the same
    assert loaded.count("tokenizer") == 3  # and their four groups, too; those for sentiment have one each
    assert loaded.count("model") == 6
    load_bundle(open_bundle(tiny_tags.build_ner(tmp_path / "again")), SessionSettings(), loaded)
    assert [loaded.count(kind) for kind in ("identifier", "tokenizer", "model")] == [2, 3, 6]


def test_tasks_that_read_differently_share_no_tokenizer(tiny, tmp_path):
    bundle = tiny_bundle.build(tmp_path / "tags")
    tiny_bundle.write_manifest(bundle, threshold=0.5, task="token_classification", segmentation="words")
    loaded = Loaded()
    for directory in (tiny, bundle):
        load_bundle(open_bundle(directory), SessionSettings(), loaded)
    assert loaded.count("tokenizer") == 4
    with pytest.raises(BundleError, match="group g0 does not answer"), engine_of(bundle):
        pass  # its model does not tag words


def test_a_bundle_whose_words_this_version_cannot_find_is_refused(tiny_ner, tmp_path):
    shutil.copytree(tiny_ner, tmp_path / "copy")
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest | {"segmentation": "wodrs"}), encoding="utf-8")
    with pytest.raises(BundleError, match="unknown segmentation rule 'wodrs'"):
        open_bundle(tmp_path / "copy")


def test_two_text_classifiers_answer_in_one_service(tiny, tmp_path):
    topic = tiny_bundle.build(tmp_path / "topic", name="news")
    tiny_bundle.write_manifest(topic, name="news", endpoint="topic", threshold=0.5)
    with server_process.started("direct", tiny, tmp_path / "log", more=[topic]) as server:
        for endpoint, bundle in (("/sentiment", "tiny@1.0.0"), ("/topic", "news@1.0.0")):
            answer = server.post(endpoint, texts=["Wannan fim yana da kyau"], language="hau").json()
            assert (answer["bundle"], answer["predictions"][0]["label"]) == (bundle, "positive")
        with server.client() as client:
            assert client.get("/languages").json()["endpoints"].keys() == {"/sentiment", "/topic"}
            assert {"/sentiment", "/topic"} <= client.get("/openapi.json").json()["paths"].keys()
