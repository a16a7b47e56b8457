"""A bundle goes to the Hub and to BentoML's store and comes back whole, with a card that its manifest has written."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tiny_bundle
import yaml

from gradsim_offline.report.model_card import model_card
from gradsim_shared.bundle import open_bundle, read_manifest

from .program import gradsim

PROGRAM = "from gradsim_offline.cli import main; main()"
COMMIT = hashlib.sha1(b"first").hexdigest()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle.build(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def run(tmp_path):
    """A function that runs the program in a process of its own: exit code, standard output, standard error."""

    def call(*words, **environment):
        kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
        kept |= {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
        words = [sys.executable, "-c", PROGRAM, *map(str, words)]
        done = subprocess.run(
            words, env=kept | environment, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
        )
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def hub():  # noqa: C901 - one small server
    """The address of a Hub that takes commits of small files, and what it has: name of the file -> bytes."""
    files: dict[str, bytes] = {}

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.endswith("/preupload/main"):
                paths = [file["path"] for file in json.loads(body)["files"]]
                self.answer(
                    {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
                )
            elif "/commit/main" in self.path:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                self.answer({"commitOid": COMMIT, "commitUrl": f"{address}/me/tiny/commit/{COMMIT}"})
            else:
                self.answer({"url": f"{address}/me/tiny", "name": "me/tiny", "errors": [], "warnings": []})

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            if self.path.startswith("/api/models/me/tiny"):
                siblings = [{"rfilename": name} for name in files]
                self.answer({"id": "me/tiny", "modelId": "me/tiny", "sha": COMMIT, "siblings": siblings, "tags": []})
                return
            content = files.get(self.path.removeprefix(f"/me/tiny/resolve/{COMMIT}/"))
            self.send(200 if content is not None else 404, content or b"", "application/octet-stream")

        def answer(self, content):
            self.send(200, json.dumps(content).encode(), "application/json")

        def send(self, status, content, kind):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address, files
    server.shutdown()
    server.server_close()


def same(there, bundle):
    assert open_bundle(there).manifest == open_bundle(bundle).manifest


def test_to_the_hub_and_back(run, hub, bundle, tmp_path):
    address, files = hub
    code, out, error = run("push", bundle, "me/tiny", HF_ENDPOINT=address, HF_TOKEN="hf_x")
    assert code == 0, error
    assert out.strip().endswith(COMMIT) and "README.md" in files
    code, out, error = run("pull", "me/tiny", "--out", tmp_path / "back", HF_ENDPOINT=address)
    assert code == 0 and COMMIT in out, error
    same(tmp_path / "back", bundle)
    files["manifest.json"] = files["manifest.json"].replace(b"tiny", b"TINY", 1)
    files[next(name for name in files if name.endswith(".onnx"))] += b"x"
    code, out, error = run(
        "pull", "me/tiny", "--out", tmp_path / "spoilt", HF_ENDPOINT=address, HF_HOME=str(tmp_path / "2")
    )
    assert (code, out) == (1, "") and "has changed since it was written" in error and not (tmp_path / "spoilt").exists()


def test_to_the_store_of_bentoml_and_back(run, bundle, tmp_path):
    store = {"BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    code, out, error = run("push", bundle, "tiny:1", "--to", "bentoml", **store)
    assert (code, out.strip()) == (0, "tiny:1"), error
    code, out, error = run("pull", "tiny:1", "--from", "bentoml", "--out", tmp_path / "back", **store)
    assert code == 0 and out.splitlines()[1] == "tiny:1", error
    same(tmp_path / "back", bundle)
    code, out, error = run("pull", "other", "--from", "bentoml", **store)
    assert (code, out, error.count("\n")) == (1, "", 1) and "there is no such bundle" in error


def test_without_a_network_one_line_says_so(run, bundle):
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for words in (("push", bundle, "me/tiny"), ("pull", "me/tiny")):
        code, out, error = run(*words, **nowhere)
        assert (code, out, error.count("\n")) == (1, "", 1), error
        assert "HF_ENDPOINT" in error and "Traceback" not in error


def test_what_would_be_published_can_be_looked_at(bundle, tmp_path):
    code, out, error = gradsim("push", bundle, tmp_path / "look", "--to", "directory")
    assert (code, out.strip()) == (0, str(tmp_path / "look")), error
    same(tmp_path / "look", bundle)
    card = (tmp_path / "look" / "README.md").read_text(encoding="utf-8")
    manifest = read_manifest(bundle)
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["language"] == [language.code for language in manifest.languages]
    for heading in ("## Scores", "## How the languages are grouped", "## Data and licences", "## Limits"):
        assert heading in card
    assert all(language.name in card for language in manifest.languages)
    assert gradsim("push", bundle, tmp_path / "look", "--to", "directory")[0] == 1
    assert gradsim("push", tmp_path, "me/none")[0] == 1
    assert gradsim("push", bundle, "tiny", "--to", "bentoml", "--private")[0] == 2


def test_a_card_says_that_weights_were_rounded(bundle):
    manifest = read_manifest(bundle)
    assert "rounded" not in model_card(manifest)
    versions = {**manifest.provenance.versions, "e5-small weights": "rounded to 4 bits"}
    provenance = manifest.provenance.model_copy(update={"versions": versions})
    assert "Its e5-small weights: rounded to 4 bits." in model_card(
        manifest.model_copy(update={"provenance": provenance})
    )


def test_a_bundle_is_shown_as_json_and_a_run_directory_names_its_bundle(bundle, tmp_path):
    code, out, error = gradsim("inspect", bundle, "--json")
    assert code == 0 and json.loads(out) == json.loads((bundle / "manifest.json").read_text(encoding="utf-8")), error
    (tmp_path / "bundle").symlink_to(bundle)
    code, out, error = gradsim("inspect", tmp_path)
    assert (code, out) == (1, "") and error.endswith(f"It is a run directory, whose bundle is {tmp_path / 'bundle'}\n")
