"""A process that is killed under load: clients see closed connections, and the next process serves at once."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import server_process
from many_clients import LOST, REFUSED, Said, answered, request, statuses, under_load

DATA = request(["Wannan fim yana da kyau sosai"] * 4, keep=True)


@pytest.mark.slow
def test_a_killed_service_starts_again_at_once(slow, tmp_path):
    with server_process.started("direct", slow, tmp_path / "log") as server:

        async def during(_: list[Said]) -> None:
            server.process.kill()
            await asyncio.to_thread(server.process.wait, 20)

        said = under_load(server.port, 8, DATA, during)
    found = statuses(said)
    assert set(found) <= {200, LOST, REFUSED}
    assert found[LOST] >= 1  # those that were in flight
    with server_process.started("direct", slow, tmp_path / "log", port=server.port) as server:  # the port is free again
        assert server.ask("Wannan fim yana da kyau sosai").json()["predictions"][0]["label"] == "positive"


@pytest.mark.slow
def test_a_killed_worker_of_bentoml_comes_back_and_the_other_goes_on(slow, tmp_path):
    two = {"BENTOML_CONFIG_OPTIONS": "services.gradsim.workers=2"}
    with server_process.started("bentoml", slow, tmp_path / "log", environment=two) as server:
        workers = server_process.children(server.process)
        print("workers", workers)
        assert len(workers) == 2

        async def during(said: list[Said]) -> None:
            os.kill(workers[0], signal.SIGKILL)
            await answered(said, 60)
            async with asyncio.timeout(60):
                while len(server_process.children(server.process)) < 2 or workers[0] in server_process.children(
                    server.process
                ):
                    await asyncio.sleep(0.05)

        said = under_load(server.port, 8, DATA, during)
        found = statuses(said)
        print(found, server_process.children(server.process))
        print(server.said()[-3000:])
        assert found[LOST] <= 8
        assert set(found) <= {200, LOST, 503}
        server.wait()
