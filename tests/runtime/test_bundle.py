"""``Bundle.open(...).predict(...)``: the answers of the service, without a server and without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields

import numpy as np
import pytest
import tiny_bundle
import tiny_tags
from engines import unsure
from real_server import SOURCES, free_port, running

from gradsim_runtime import (
    Bundle,
    BundleError,
    EntitiesPrediction,
    LabelPrediction,
    RequestError,
    SettingsError,
    WordsPrediction,
)
from gradsim_runtime.predictions import TYPES, OtherPrediction, prediction_of
from gradsim_runtime.predictor import Answer
from gradsim_shared.bundle import file_entry
from gradsim_shared.decoding import Decoded, decoder_of
from gradsim_shared.routing import Route

SENTENCES = [text for code in tiny_bundle.SERVED_BY for text, _ in tiny_bundle.sentences(code)]
TAGGED = [tiny_tags.written(sentence) for sentences in tiny_tags.NER.values() for sentence in sentences]
CASES = {
    "sentiment": ("sentiment", SENTENCES, None, None),
    "sentiment, languages given": ("sentiment", SENTENCES[:3], ["ha", None, "pcm"], None),
    "sentiment, soft": ("sentiment", [*SENTENCES, "sweet fim nzuri", "Привет"], None, "soft"),
    "sentiment, fallback": ("sentiment", ["sweet fim nzuri", "Привет", "a b " * 60], None, "fallback"),
    "ner": ("ner", TAGGED, None, None),
    "ner, soft": ("ner", [f"{text} Musa zaune" for text in TAGGED], None, "soft"),
    "ner, long": ("ner", [text * 9 for text in TAGGED], "hau", None),
    "pos": ("pos", [tiny_tags.written(sentence) for sentence in tiny_tags.POS["eng"]], None, None),
}


def as_json(prediction):
    """Return a prediction in the form of the HTTP API."""
    content = asdict(prediction)
    mixture = [{"group": group, "weight": weight} for group, weight in content["route"]["mixture"]]
    content["route"] |= {"mixture": mixture, "candidates": list(content["route"]["candidates"])}
    return content


def leaves(value, path=()):
    """Return every value of nested dictionaries and lists by its place."""
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        return {place: leaf for key, part in inside for place, leaf in leaves(part, (*path, key)).items()}
    return {path: value}


@pytest.fixture(scope="module")
def bundle(tiny):
    return Bundle.open(tiny, threads=1)


@pytest.fixture(scope="module")
def unsure_bundles(tiny, tiny_ner, tmp_path_factory):
    """Bundles by endpoint that are sure of nothing: under the policy ``soft`` two groups answer every text."""
    root = tmp_path_factory.mktemp("unsure")
    return {"sentiment": unsure(tiny, root / "sentiment"), "ner": unsure(tiny_ner, root / "ner")}


@pytest.fixture(scope="module")
def service(unsure_bundles, tiny_pos, tmp_path_factory):
    """A client of a real server that serves them, and one for parts of speech."""
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", *map(str, unsure_bundles.values()), str(tiny_pos)]
    log = tmp_path_factory.mktemp("service") / "log"
    with running([*command, "--port", str(port), "--threads", "1"], port, log, {"PYTHONPATH": SOURCES}) as server:
        yield server.client


@pytest.mark.parametrize(("endpoint", "texts", "language", "policy"), CASES.values(), ids=CASES)
def test_the_answers_are_those_of_the_service(service, unsure_bundles, tiny_pos, endpoint, texts, language, policy):
    opened = Bundle.open({**unsure_bundles, "pos": tiny_pos}[endpoint], threads=1)
    body = {"texts": texts, "language": language, "policy": policy}
    served = service.post(f"/{endpoint}", json=body).json()["predictions"]
    here = [as_json(prediction) for prediction in opened.predict(texts, language, policy=policy)]
    assert len(here) == len(texts)
    if policy == "soft":
        assert sum(len(prediction["route"]["mixture"]) == 2 for prediction in here) >= len(texts) - 1
    for mine, theirs in zip(map(leaves, here), map(leaves, served), strict=True):
        assert mine.keys() == theirs.keys()
        assert mine == {place: pytest.approx(v, abs=1e-5) if isinstance(v, float) else v for place, v in theirs.items()}


def test_two_groups_answer_together_by_their_weights(tiny, unsure_bundles):
    soft = Bundle.open(unsure_bundles["sentiment"]).predict(["sweet fim nzuri"], policy="soft")[0]
    assert soft.route.reason == "soft" and len(soft.route.mixture) == 2
    alone = {
        group: Bundle.open(tiny).predict(["sweet fim nzuri"], language)[0]
        for group, language in (("g0", "hau"), ("g1", "pcm"))
    }
    for label, score in soft.scores.items():
        expected = sum(weight * alone[group].scores[label] for group, weight in soft.route.mixture)
        assert score == pytest.approx(expected, abs=1e-6)


def test_a_sentence_without_words_stands_beside_others(unsure_bundles):
    predictor = Bundle.open(unsure_bundles["ner"]).predictor
    sentences = [[], ["Musa", "yana", "Kano"]]
    routes = predictor.routes(["Musa yana Kano"] * 2, policy="soft")
    empty, tagged = (answer.decoded for answer in predictor.answers(sentences, routes))
    assert (empty.answer, empty.prediction.entities) == ((), [])
    assert len(tagged.answer) == 3 and tagged.prediction.entities
    alone = predictor.answers(sentences, predictor.routes(["", ""], "hau"))
    assert [len(answer.decoded.answer) for answer in alone] == [0, 3]


def test_predictions_are_typed_objects(bundle, tiny_ner, tiny_pos):
    (label,) = bundle.predict(["Wannan fim yana da kyau sosai"])
    assert isinstance(label, LabelPrediction)
    assert (label.label, label.route.language, label.truncated) == ("positive", "hau", False)
    assert label.score == label.scores["positive"] == max(label.scores.values())
    (entities,) = Bundle.open(tiny_ner).predict(["Musa yana zaune a Kano."])
    assert isinstance(entities, EntitiesPrediction)
    assert [(entity.type, entity.text) for entity in entities.entities] == [("PER", "Musa"), ("LOC", "Kano")]
    (words,) = Bundle.open(tiny_pos).predict(["They work at home."], "eng")
    assert isinstance(words, WordsPrediction)
    assert [word.tag for word in words.words] == ["PROPN", "VERB", "ADP", "PROPN", "PUNCT"]
    assert bundle.predict([]) == []


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("text_classification", ["bad", "good"]),
        ("token_classification", ["O", "B-LOC", "I-LOC"]),
        ("token_classification", ["NOUN", "VERB"]),
    ],
)
def test_every_task_has_a_type_of_predictions(task, labels):
    made = TYPES[decoder_of(task).prediction_type(labels)]
    assert {"route", "truncated"} <= {field.name for field in fields(made)}


def test_a_task_without_a_type_of_predictions_is_answered_with_what_its_decoder_makes():
    route = Route(None, None, "g0", None, "given")
    prediction = prediction_of(Answer(Decoded("yes", {"answer": "yes"}), route, False))
    assert prediction == OtherPrediction({"answer": "yes"}, False, route)


def test_a_bundle_says_what_it_holds(bundle, tiny):
    assert bundle.languages == ("amh", "hau", "pcm", "swa")
    assert [(group.id, group.members, group.served) for group in bundle.groups] == [
        ("g0", ("hau", "swa"), ("hau", "swa")),
        ("g1", ("amh", "hau", "pcm"), ("amh", "pcm")),
    ]
    assert (bundle.task, bundle.labels) == ("text_classification", tuple(tiny_bundle.LABELS))
    assert (bundle.manifest.title, bundle.directory) == ("tiny@1.0.0", tiny)


def test_the_similarity_matrix_has_language_names(tiny, tmp_path, bundle):
    copy = shutil.copytree(tiny, tmp_path / "copy")
    content = {"languages": ["amh", "hau"], "similarity": [[1.0, 0.25], [0.5, 1.0]]}
    (copy / "similarity.json").write_text(json.dumps(content), encoding="utf-8")
    tiny_bundle.write_manifest(copy, threshold=0.5)
    similarity = Bundle.open(copy).similarity
    assert similarity.languages == ("amh", "hau")
    np.testing.assert_array_equal(similarity.matrix, [[1.0, 0.25], [0.5, 1.0]])
    with pytest.raises(BundleError, match="holds no similarity matrix"):
        _ = bundle.similarity


OTHERS = {"torch", "transformers", "scipy", "fastapi", "bentoml", "gradsim_offline", "gradsim_serving"}
BAD = [
    (["Wannan fim", 3], None, None, "invalid_text", 1),
    (["Wannan fim", "\ud800"], None, None, "invalid_text", 1),
    (["\u200b \n", "Wannan fim"], None, None, "empty_text", 0),
    (["Wannan fim"], "xyz", None, "unknown_language", 0),
    (["Wannan fim", "Dis film"], [None, "xyz"], None, "unknown_language", 1),
    (["Wannan fim", "Dis film"], ["hau", float("nan")], None, "invalid_language", 1),
    (["Wannan fim yana da kyau sosai", "Привет"], None, "reject", "unsupported_language", 1),
]


@pytest.mark.parametrize(("texts", "language", "policy", "code", "index"), BAD)
def test_the_first_error_is_raised_or_each_is_returned_in_its_place(bundle, texts, language, policy, code, index):
    with pytest.raises(RequestError) as raised:
        bundle.predict(texts, language, policy=policy)
    assert (raised.value.code, raised.value.index) == (code, index)
    outcomes = bundle.predict(texts, language, policy=policy, errors="return")
    assert [isinstance(outcome, RequestError) for outcome in outcomes] == [row == index for row in range(len(texts))]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("Wannan fim",), "invalid_text"),
        ((["a", "b"], ["hau"]), "language_count"),
        ((["a"], None, "bset"), "invalid_policy"),
    ],
)
def test_what_is_wrong_with_the_whole_call_is_raised_always(bundle, arguments, code):
    texts, *rest = arguments
    language, policy = (*rest, None, None)[:2]
    for errors in ("raise", "return"):
        with pytest.raises(RequestError) as raised:
            bundle.predict(texts, language, policy=policy, errors=errors)
        assert (raised.value.code, raised.value.index) == (code, None)


def test_a_text_that_a_model_fails_on_spoils_no_other(tiny, monkeypatch):
    opened = Bundle.open(tiny).load()
    read = opened.predictor._model("g0").read

    def failing(texts):
        if any("nzuri" in text for text in texts):
            raise ValueError("no\nfigures")
        return read(texts)

    monkeypatch.setattr(opened.predictor._model("g0"), "read", failing)
    texts = ["Wannan fim", "Filamu hii ni nzuri", "Dis film", "Filamu hii", "Chakula hiki ni nzuri"]
    outcomes = opened.predict(texts, errors="return")
    assert [isinstance(outcome, RequestError) for outcome in outcomes] == [False, True, False, False, True]
    assert (outcomes[1].code, outcomes[1].index) == ("internal_error", 1)
    assert str(outcomes[1]) == "the model failed on the text: no figures"
    with pytest.raises(RequestError, match="the model failed on the text"):
        opened.predict(texts)


def test_no_bundle_a_changed_file_and_a_model_that_is_none(tiny, tmp_path):
    with pytest.raises(BundleError, match="is no bundle"):
        Bundle.open(tmp_path)
    copy = shutil.copytree(tiny, tmp_path / "copy")
    model = copy / "groups" / "g1" / "model.onnx"
    model.write_bytes(b"no graph")
    with pytest.raises(BundleError, match="has changed since it was written"):
        Bundle.open(copy)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["groups/g1/model.onnx"] = file_entry(model).model_dump()
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    opened = Bundle.open(copy)
    assert opened.predict(["Wannan fim"], "hau")[0].route.group == "g0", "models are loaded when they are needed"
    for ask in (lambda: opened.predict(["Dis film"], "pcm", errors="return"), opened.load):
        with pytest.raises(BundleError, match=r"copy cannot be opened: group g1 cannot be loaded: ") as raised:
            ask()
        assert "\n" not in str(raised.value)


def test_a_provider_that_is_not_there_is_refused(tiny, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SettingsError, match="cuda cannot run the models"):
        Bundle.open(tiny, provider="cuda")
    with pytest.raises(SettingsError, match=r"unknown provider 'cdua'\. Did you mean cuda"):
        Bundle.open(tiny, provider="cdua")
    with pytest.raises(SettingsError, match="threads = 0: it is at least 1"):
        Bundle.open(tiny, threads=0)


def test_a_library_that_is_not_installed_is_named_with_its_extra(tiny, monkeypatch):
    monkeypatch.setattr("gradsim_runtime.bundle.find_spec", lambda name: None if name == "tokenizers" else name)
    with pytest.raises(SettingsError, match=r"tokenizers is not installed; .*gradsim-router\[runtime\]"):
        Bundle.open(tiny)


def test_several_threads_get_the_answers_of_one(tiny):
    expected = Bundle.open(tiny, threads=1).predict(SENTENCES)
    opened = Bundle.open(tiny, threads=2)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: opened.predict(SENTENCES), range(16)):
            assert [prediction.label for prediction in found] == [prediction.label for prediction in expected]


def test_neither_torch_nor_the_service_nor_the_toolkit_is_imported(tiny):
    program = (
        "import os, sys; from gradsim_runtime import Bundle\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "assert 'onnxruntime' not in sys.modules, 'opened lazily'\n"
        f"print(Bundle.open({str(tiny)!r}).predict(['Wannan fim yana da kyau sosai'])[0].label)\n"
        f"print(sorted({OTHERS!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    )
    others = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", program], env=others, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["positive", "[]"]
