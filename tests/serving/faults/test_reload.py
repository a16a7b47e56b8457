"""Reloads in a row, under load, while canaries run: no request fails, and the service is ready all the time."""

from __future__ import annotations

import asyncio
import signal

import pytest
import server_process
from many_clients import Said, answered, request, statuses, under_load
from versions import release

BENTOML = pytest.param("bentoml", marks=pytest.mark.slow)
DATA = request(["Wannan fim yana da kyau sosai", "Abincin nan ya burge ni"], keep=True)
RELOADS = 10


@pytest.mark.parametrize("kind", ["direct", BENTOML])
def test_ten_reloads_under_load_while_canaries_run(kind, tiny, tmp_path):
    link = tmp_path / "served"
    titles = [release(tiny, link, "version0")]
    with server_process.started(kind, link, tmp_path / "log", canary_seconds=0.05, threads=2) as server:
        ready: list[int] = []

        async def during(said: list[Said]) -> None:
            for number in range(1, RELOADS + 1):
                titles.append(await asyncio.to_thread(release, tiny, link, f"version{number}"))
                reply = await asyncio.to_thread(server.post, "/admin/reload")
                assert reply.json()["bundles"]["/sentiment"] == {"before": titles[-2], "after": titles[-1]}
                await answered(said, 8)
                ready.append(await asyncio.to_thread(server.status, "/readyz"))

        said = under_load(server.port, 4, DATA, during)
        assert statuses(said) == {200: len(said)}
        assert set(ready) == {200}
        assert list(dict.fromkeys(str(one.content["bundle"]) for one in said)) == titles
        assert "does not answer" not in server.said()
        for title in titles[1:]:  # operators see each, with no option at all
            assert server.said().count(f"reloaded: {title}\n") == 1


def test_signals_faster_than_reloads(tiny, tmp_path):
    link = tmp_path / "served"
    release(tiny, link, "old")
    with server_process.started("direct", link, tmp_path / "log") as server:
        title = release(tiny, link, "new")

        async def during(said: list[Said]) -> None:
            for _ in range(RELOADS):
                server.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.01)
            async with asyncio.timeout(20):
                while said[-1].content["bundle"] != title:
                    await answered(said, 4)

        said = under_load(server.port, 4, DATA, during)
        assert statuses(said) == {200: len(said)}
        assert server.status("/readyz") == 200
        assert f"reloaded: {title}\n" in server.said()


@pytest.mark.slow
def test_unloaded_groups_are_loaded_again_while_the_link_names_another_version(slow, tmp_path):
    """Two models of a little more than 1 MiB, of which one may be in memory."""
    link = tmp_path / "served"
    old = release(slow, link, "old")
    with server_process.started("direct", link, tmp_path / "log", memory_mb=1, canary_seconds=0.1) as server:

        def titles() -> set[str]:
            asked = [("Wannan fim yana da kyau sosai", "hau"), ("Dis food sweet well well", "pcm")] * 2
            return {server.ask(text, language=code).json().get("bundle") for text, code in asked}

        release(slow, link, "broken")
        spoilt = tmp_path / "broken" / "groups" / "g1" / "model.onnx"
        spoilt.write_bytes(b"\x00" * spoilt.stat().st_size)
        assert titles() == {old}
        assert server.post("/admin/reload").status_code == 409
        assert titles() == {old}
        new = release(slow, link, "new")
        assert titles() == {old}
        assert server.post("/admin/reload").status_code == 200
        assert titles() == {new}
        assert server.status("/readyz") == 200
