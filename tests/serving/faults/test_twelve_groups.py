"""Twelve groups in one process: each answers its own language under load, and a reload loses nothing."""

from __future__ import annotations

import asyncio

import many_groups
import pytest
import server_process
from many_clients import Said, answered, keep_asking, request, statuses

GROUPS = 12
TEXT = "Wannan fim yana da kyau sosai"


@pytest.mark.slow
def test_twelve_groups_under_load(tmp_path):
    bundle = many_groups.build(tmp_path / "bundle", GROUPS)
    codes = [many_groups.language_code(number) for number in range(GROUPS)]
    with server_process.started("direct", bundle, tmp_path / "log", canary_seconds=0.2, threads=2) as server:
        reply = server.post("/sentiment", texts=[TEXT] * GROUPS, language=codes).json()["predictions"]
        assert [one["route"]["group"] for one in reply] == [f"g{number}" for number in range(GROUPS)]
        assert {one["label"] for one in reply} == {"positive"}

        async def run() -> list[list[Said]]:
            over = asyncio.Event()
            heard = [list[Said]() for _ in codes]
            asking = [
                asyncio.create_task(keep_asking(server.port, request([TEXT] * 3, code, keep=True), over, said))
                for code, said in zip(codes, heard, strict=True)
            ]
            for said in heard:
                await answered(said, 3)
            assert (await asyncio.to_thread(server.post, "/admin/reload")).status_code == 200
            for said in heard:  # none of the groups starves
                await answered(said, 3)
            over.set()
            await asyncio.gather(*asking)
            return heard

        for number, said in enumerate(asyncio.run(run())):
            assert statuses(said) == {200: len(said)}
            groups = {one["route"]["group"] for answer in said for one in answer.content["predictions"]}
            assert groups == {f"g{number}"}
        assert server.status("/readyz") == 200
