"""What the disk does while the service runs: full under the log, and other bytes where the bundle was."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
import server_process
from many_clients import Said, answered, request, statuses, under_load

BENTOML = pytest.param("bentoml", marks=pytest.mark.slow)
GOOD, SWEET = "Wannan fim yana da kyau sosai", "Dis food sweet well well"
DATA = request([GOOD], keep=True)


@pytest.mark.parametrize("kind", ["direct", BENTOML])
def test_a_full_disk_under_every_output(kind, tiny, tmp_path):
    """Log file, stdout and stderr cannot be written from the start on; requests and canaries go on."""
    full, home = Path("/dev/full"), {"BENTOML_HOME": str(tmp_path)}
    options = {"log_requests": "1", "log_file": full, "canary_seconds": 0.1}
    with server_process.started(kind, tiny, full, environment=home, **options) as server:

        async def during(said: list[Said]) -> None:
            await answered(said, 200)

        said = under_load(server.port, 4, DATA, during)
        assert statuses(said) == {200: len(said)}
        server.wait_for("gradsim_log_lines_total", len(said), 'fate="dropped"')
        assert server.figure("gradsim_log_lines_total", 'fate="written"') == 0
        server.wait_for("gradsim_batch_texts_count", server.figure("gradsim_batch_texts_count") + 2)  # canaries
        assert server.status("/readyz") == 200


def spoil(path: Path) -> None:
    """Write other bytes over a file, where it lies."""
    path.write_bytes(b"\x00" * path.stat().st_size)


@pytest.mark.parametrize("how", ["overwritten", pytest.param("removed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["direct", BENTOML])
def test_a_bundle_that_is_spoiled_while_it_is_served(kind, how, slow, tmp_path):
    bundle = shutil.copytree(slow, tmp_path / "bundle")
    with server_process.started(kind, bundle, tmp_path / "log", canary_seconds=0.1) as server:

        async def during(said: list[Said]) -> None:
            await answered(said, 5)
            if how == "removed":
                shutil.rmtree(bundle)
            else:
                for path in [path for path in bundle.rglob("*") if path.is_file()]:
                    spoil(path)
            await answered(said, 5)
            reply = await asyncio.to_thread(server.post, "/admin/reload")
            assert (reply.status_code, reply.json()["error"]["code"]) == (409, "reload_refused")
            await answered(said, 5)

        said = under_load(server.port, 2, DATA, during)
        assert statuses(said) == {200: len(said)}
        assert server.ask(SWEET, language="pcm").status_code == 200
        assert server.status("/readyz") == 200
        assert "Traceback" not in server.said()
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.copytree(slow, bundle)  # put right: a reload is taken
        assert server.post("/admin/reload").status_code == 200


@pytest.mark.parametrize("kind", ["direct", BENTOML])
def test_a_manifest_that_the_disk_does_not_give_is_a_refused_reload(kind, tiny, tmp_path):
    bundle = shutil.copytree(tiny, tmp_path / "bundle")
    manifest = bundle / "manifest.json"
    with server_process.started(kind, bundle, tmp_path / "log") as server:
        manifest.unlink()
        manifest.symlink_to("/proc/self/mem")  # a file whose first byte is an error, for root as well
        reply = server.post("/admin/reload")
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "reload_refused")
        assert "cannot be read" in reply.json()["error"]["message"]
        assert server.ask(GOOD).status_code == 200
        assert "Traceback" not in server.said()


@pytest.mark.slow
def test_a_group_whose_file_is_spoiled_while_it_is_out_of_memory(slow, tmp_path):
    """Two models of a little more than 1 MiB, of which one may be in memory."""
    bundle = shutil.copytree(slow, tmp_path / "bundle")
    model = bundle / "groups" / "g0" / "model.onnx"
    content = model.read_bytes()
    with server_process.started("direct", bundle, tmp_path / "log", memory_mb=1, canary_seconds=0.1) as server:
        assert server.ask(GOOD).status_code == 200
        assert server.ask(SWEET, language="pcm").status_code == 200  # g0 makes room
        spoil(model)

        async def during(said: list[Said]) -> None:
            for _ in range(5):
                reply = await asyncio.to_thread(server.ask, GOOD)
                assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
            body = {"texts": [SWEET, GOOD], "language": ["pcm", "hau"]}
            reply = await asyncio.to_thread(lambda: server.post("/sentiment", **body))
            assert (reply.status_code, reply.json()["error"]["index"]) == (500, 1)
            await answered(said, 5)

        said = under_load(server.port, 2, request([SWEET], "pcm", keep=True), during)
        assert statuses(said) == {200: len(said)}
        assert server.status("/readyz") == 200
        assert server.post("/admin/reload").status_code == 409
        assert "Traceback" not in server.said()
        model.write_bytes(content)
        assert server.ask(GOOD).json()["predictions"][0]["label"] == "positive"
        assert server.post("/admin/reload").status_code == 200
