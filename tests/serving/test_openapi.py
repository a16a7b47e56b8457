"""The OpenAPI document is complete and true: schemathesis makes requests of it, and compares answers with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import fake_engine
import pytest

from gradsim_serving.http.errors import CODES, codes_of
from gradsim_serving.http.keys import keys_of
from gradsim_serving.http.texts import texts_model
from gradsim_serving.options import HttpOptions

UNMET = "positive_data_acceptance,negative_data_rejection"
"""Not asked for: a schema cannot say that a text must be visible or which codes there are, and that other headers are
ignored."""


STATUSES = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""
"""A client that gives the service a millisecond is told so."""


def check(url: str, examples: int, directory: Path, phases: str = "examples,coverage,fuzzing") -> None:
    """Let schemathesis check a service."""
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
    command += [f"{url}/openapi.json", "--max-examples", str(examples), "--seed", "1", "--no-color"]
    command += ["--phases", phases, "--exclude-checks", UNMET]
    (directory / "schemathesis.toml").write_text(STATUSES, encoding="utf-8")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "HYPOTHESIS_STORAGE_DIRECTORY": str(directory)}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=3000, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_responses_conform_to_the_openapi_document(direct, tmp_path):
    check(str(direct.client.base_url).rstrip("/"), 3, tmp_path, "examples,fuzzing")
    log = direct.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "internal error" not in log


def test_the_document_says_where_a_key_is_needed(tiny):
    keys = {"keys": keys_of(["alice-0123456789"]), "admin_keys": keys_of(["admin-0123456789"])}
    with fake_engine.running(tiny, **keys) as service:
        document = service.client.get("/openapi.json", headers={"X-Api-Key": "alice-0123456789"}).json()
        for path, methods in document["paths"].items():
            for method, said in methods.items():
                status = service.client.request(method, path).status_code
                assert (said.get("security") == [{"bearer": []}, {"header": []}]) is (status == 401), path
                assert ("401" in said["responses"]) is (status == 401), path


@pytest.mark.slow
def test_both_servers_conform_to_the_openapi_document(server, tmp_path):
    check(str(server.client.base_url).rstrip("/"), 500, tmp_path)
    log = server.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "internal error" not in log


FORMS = defaultdict(lambda: "ErrorAnswer", models="TaskError", predict="TaskError", v2="ProtocolError")


def test_every_error_stands_in_the_document_with_an_example(tiny):
    key = "alice-0123456789"
    with fake_engine.running(tiny, keys=keys_of([key])) as service:
        document = service.client.get("/openapi.json", headers={"X-Api-Key": key}).json()
    seen = {}
    for path, methods in document["paths"].items():
        for method in methods.values():
            for status, answer in method["responses"].items():
                if status != "200":
                    content = answer["content"]["application/json"]
                    assert content["schema"] == {"$ref": f"#/components/schemas/{FORMS[path.split('/')[1]]}"}
                    assert set(content["examples"]) == set(codes_of(int(status)))
                    seen |= dict.fromkeys(content["examples"])
                    assert "X-Request-Id" in answer["headers"]
    assert set(seen) == set(CODES) - {"not_found"}


def test_the_document_names_the_limits_of_this_service(tiny):
    texts = texts_model(HttpOptions(max_texts=7, max_characters=9)).model_json_schema()["properties"]["texts"]
    assert (texts["maxItems"], texts["items"]["maxLength"]) == (7, 9)
    cut = texts_model(HttpOptions(max_characters=9, cut_texts=True)).model_json_schema()["properties"]["texts"]
    assert "maxLength" not in cut["items"]
    assert "beyond 9 characters is cut off" in cut["items"]["description"]
    with fake_engine.running(tiny, max_texts=7) as service:
        document = service.client.get("/openapi.json").json()
    assert document["components"]["schemas"]["Texts"]["properties"]["texts"]["maxItems"] == 7


def test_the_documents_page_shows_every_error_and_header():
    page = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    for code, (status, _) in CODES.items():
        assert f"| {status} | `{code}` |" in page
    for header in ("X-Request-Id", "X-Request-Timeout-Ms", "X-Api-Key", "Authorization", "Retry-After", "Allow"):
        assert f"`{header}" in page
