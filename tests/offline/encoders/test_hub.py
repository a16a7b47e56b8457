"""Models by their name on the Hub: fetched where it can be reached; where it cannot, one line says so at once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gradsim_offline.models.named_encoders import NAMED

LOADING = """
from gradsim_offline.models.loading import is_there, load_tokenizer
from gradsim_offline.tasks import text_classification
is_there("some/model")
pad_id = load_tokenizer("some/model", maximum_length=8)[1]
print(pad_id, text_classification.load_model("some/model", ("a", "b")).num_labels)
"""
LOCATING = """
from gradsim_offline.models.named_encoders import locate
print(locate("e5-small", lambda line: None).path)
"""
E5 = NAMED["e5-small"]
BUILDING = "from gradsim_offline.cli import main; main()"


@pytest.fixture
def run(tmp_path):
    """A function that runs Python with a Hub at an address: exit code, standard output, standard error."""

    def call(hub, program, *words, home="home"):
        asked = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        unset = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        environment = {name: value for name, value in os.environ.items() if name not in unset} | asked
        words = [sys.executable, "-c", program, *words]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def hub(tiny_xlmr):
    """The address of a Hub that has a model, ``some/model``, and the pinned e5-small."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, *, with_body):
            name = self.path.removeprefix(f"/{E5.hub}/resolve/{E5.revision}/").removeprefix("/some/model/resolve/main/")
            file = tiny_xlmr / name
            there = self.path != name and "/" not in name and file.is_file()
            content = file.read_bytes() if there else b"{}"
            self.send_response(200 if there else 404)
            if there:
                self.send_header("X-Repo-Commit", E5.revision if E5.revision in self.path else "0" * 40)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_a_model_is_fetched_and_found_again_without_the_hub(run, hub, tiny_xlmr):
    code, shown, said = run(hub, LOADING)
    assert code == 0 and shown.split() == ["1", "2"], said
    code, shown, said = run("http://127.0.0.1:9", LOADING)  # nobody answers there
    assert (code, shown.split()) == (0, ["1", "2"]), said
    assert "Retrying" not in said


@pytest.mark.slow
def test_e5_small_is_fetched_from_the_hub_and_found_again_without_it(run, hub, tiny_xlmr):
    for address in (hub, "http://127.0.0.1:9"):
        code, shown, said = run(address, LOCATING)
        assert (code, Path(shown.strip()).name) == (0, E5.revision), said
        saved = Path(shown.strip(), "model.safetensors").read_bytes()
        assert saved == (tiny_xlmr / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_model_that_is_nowhere_is_one_line(run, tmp_path):
    for split in ("train", "dev"):
        (tmp_path / "data" / "eng").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "eng" / f"{split}.tsv").write_text("text\tlabel\ngood\tyes\nbad\tno\n", encoding="utf-8")
    words = ["encoder", "-q", "--data", "files", "--data-dir", tmp_path / "data", "--out", tmp_path / "run"]
    code, shown, said = run(
        "http://127.0.0.1:9", BUILDING, *map(str, words), "--groups", "1", "--model", "no-such/model"
    )
    assert (code, shown) == (1, "") and said.count("\n") == 1, said
    assert said.startswith(
        "Error: the model 'no-such/model' is neither a directory nor, from here, on the Hugging Face Hub"
    )
