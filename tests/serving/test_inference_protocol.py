"""The Open Inference Protocol v2, asked with Triton's client and by hand; on both servers."""

from __future__ import annotations

import json
import struct

import fake_engine
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from gradsim_serving.http.keys import keys_of

GOOD, BAD = "Wannan fim yana da kyau sosai", "Abincin nan ba shi da kyau"
NAMES = "Musa yana zaune a Kano."
KEY = "alice-0123456789"
BINARY = [True, False]


@pytest.fixture
def triton(server):
    url = server.client.base_url
    client = InferenceServerClient(f"{url.host}:{url.port}")
    yield client
    client.close()


def texts(*values: str, binary: bool = True, shape: tuple[int, ...] | None = None) -> list[InferInput]:
    tensor = InferInput("text", list(shape or (len(values),)), "BYTES")
    array = np.array([value.encode() for value in values], dtype=np.object_).reshape(shape or (len(values),))
    tensor.set_data_from_numpy(array, binary_data=binary)
    return [tensor]


def test_health_and_metadata(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("sentiment")
    assert triton.get_server_metadata()["name"] == "gradsim"
    metadata = triton.get_model_metadata("sentiment")
    assert (metadata["name"], metadata["versions"]) == ("sentiment", ["1.0.0"])
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [one["name"] for one in metadata["outputs"]] == ["label", "score", "route"]
    assert [one["name"] for one in triton.get_model_metadata("ner")["outputs"]] == ["entities", "route"]
    assert not triton.is_model_ready("nothing")


@pytest.mark.parametrize("sent", BINARY)
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_texts_are_answered(server, triton, sent, shape):
    result = triton.infer("sentiment", texts(GOOD, BAD, binary=sent, shape=shape), request_id="r7")
    ours = server.ask(GOOD, BAD).json()
    assert [label.decode() for label in result.as_numpy("label")] == [one["label"] for one in ours["predictions"]]
    assert result.as_numpy("score") == pytest.approx([one["score"] for one in ours["predictions"]])
    assert [json.loads(route) for route in result.as_numpy("route")] == [one["route"] for one in ours["predictions"]]
    answer = result.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r7", "sentiment", "1.0.0")


@pytest.mark.parametrize("wanted", BINARY)
def test_outputs_may_be_chosen(triton, wanted):
    outputs = [InferRequestedOutput("label", binary_data=wanted)]
    result = triton.infer("sentiment", texts(GOOD), outputs=outputs)
    (label,) = result.as_numpy("label")
    assert (label.decode() if wanted else label) == "positive"
    assert result.as_numpy("score") is None


def test_entities_and_words_are_json(server, triton):
    (entities,) = triton.infer("ner", texts(NAMES)).as_numpy("entities")
    assert json.loads(entities) == server.ask(NAMES, endpoint="/ner").json()["predictions"][0]["entities"]
    (words,) = triton.infer("pos", texts(NAMES)).as_numpy("words")
    assert [word["text"] for word in json.loads(words)][:2] == ["Musa", "yana"]


def test_a_language_and_a_policy_may_be_given_and_a_body_compressed(triton):
    given = triton.infer("sentiment", texts(GOOD), parameters={"language": "swa"}, request_compression_algorithm="gzip")
    assert json.loads(given.as_numpy("route")[0])["reason"] == "given"
    with pytest.raises(InferenceServerException, match="language"):
        triton.infer("sentiment", texts("?!"), parameters={"policy": "reject"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"parameters": {"languages": "hau"}}, "'parameters.languages'"),
        ({"parameters": {"language": "xyz"}}, "unknown language 'xyz'"),
        ({"outputs": [InferRequestedOutput("scores")]}, "no output 'scores'; this endpoint has label, score, route"),
        ({"priority": 3}, "'parameters.priority'"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(triton, settings, said):
    with pytest.raises(InferenceServerException, match=said):
        triton.infer("sentiment", texts(GOOD), **settings)


def body(**changes: object) -> dict[str, object]:
    return {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [GOOD], **changes}]}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (body(shape=[2]), "shape is [2], its data holds 1"),
        (body(shape=[1, 2], data=[[GOOD, GOOD]]), "it must be [texts], or [texts, 1]"),
        (body(datatype="FP32"), "inputs.0.datatype"),
        (body(name="texts"), "inputs.0.name"),
        (body(data=[5]), "text 0 must be a string"),
        (body(data=[" "]), "text 0 is empty"),
        ({"inputs": []}, "inputs"),
        ({"inputs": body()["inputs"] * 2}, "at most 1 item"),
        ({**body(), "outputs": [1] * 200_000}, "outputs.0"),
        (body(parameters={"binary_data_size": 5}), "0 bytes follow the JSON"),
        ([], "the body"),
    ],
)
def test_other_requests_are_refused_in_the_form_of_the_protocol(server, sent, said):
    response = server.client.post("/v2/models/sentiment/infer", json=sent)
    assert response.status_code == 422
    assert response.json().keys() == {"error"}
    assert said in response.json()["error"]


@pytest.mark.parametrize("binary", [b"", b"\x01", struct.pack("<I", 9) + b"ab", struct.pack("<I", 2**32 - 1)])
def test_binary_texts_that_end_too_early_are_refused(server, binary):
    head = json.dumps({"inputs": [{**body()["inputs"][0], "parameters": {"binary_data_size": max(len(binary), 1)}}]})
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = server.client.post("/v2/models/sentiment/infer", content=head.encode() + binary, headers=headers)
    assert response.status_code == 422
    assert "Traceback" not in server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("length", ["99999", "9" * 5000, "-1", ""])
def test_a_length_of_the_json_that_cannot_be_is_refused(server, length):
    headers = {"Inference-Header-Content-Length": length}
    wrong = server.client.post("/v2/models/sentiment/infer", json=body(), headers=headers)
    assert (wrong.status_code, wrong.json().keys()) == (400, {"error"})


@pytest.mark.parametrize(
    ("sizes", "said"),
    [([6], "7 bytes follow the JSON"), ([8], "7 bytes"), ([-1], "7 bytes"), ([None], "7 bytes"), ([7, 0], "at most 1")],
)
def test_binary_texts_are_all_that_follows_the_json(server, sizes, said):
    tensors = [{**body()["inputs"][0], "parameters": {"binary_data_size": size}} for size in sizes]
    head, binary = json.dumps({"inputs": tensors}), struct.pack("<I", 3) + b"a b"
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = server.client.post("/v2/models/sentiment/infer", content=head.encode() + binary, headers=headers)
    assert response.status_code == 422
    assert said in response.json()["error"]


def test_a_key_may_be_asked_for(tiny):
    with fake_engine.running(tiny, keys=keys_of([KEY])) as service:
        client = InferenceServerClient(f"127.0.0.1:{service.port}")
        assert client.is_server_live()
        with pytest.raises(InferenceServerException, match="send a key"):
            client.infer("sentiment", texts("a b"))
        found = client.infer("sentiment", texts("a b"), headers={"Authorization": f"Bearer {KEY}"})
        assert found.as_numpy("label")[0] == b"positive"
        client.close()
