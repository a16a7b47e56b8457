"""A caller that writes a code as old systems do, asked over HTTP."""

from __future__ import annotations

import json
import shutil
import sys

from real_server import SOURCES, free_port, running


def test_a_withdrawn_code_with_a_region_names_its_language(tiny, tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny, bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    next(one for one in manifest["languages"] if one["code"] == "swa")["aliases"] = ["heb"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    port = free_port()
    command = [sys.executable, "-m", "gradsim_serving", str(bundle), "--port", str(port), "--threads", "1"]
    with running(command, port, tmp_path / "log", {"PYTHONPATH": SOURCES}) as server:
        (prediction,) = server.ask("Filamu hii", language="iw-IL").json()["predictions"]
        assert (prediction["route"]["language"], prediction["route"]["reason"]) == ("swa", "given")
        refused = server.ask("Filamu hii", language="ji")
        assert refused.status_code == 422 and "unknown language 'ji'" in refused.text
