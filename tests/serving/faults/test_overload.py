"""More requests than can be answered: each is answered, or told at once when to come again; none is lost."""

from __future__ import annotations

import asyncio
import time

from many_clients import ask, request, statuses

TEXT = "Wannan fim yana da kyau sosai"


def capacity(server) -> float:
    """Return the requests a second that one client after the other is answered."""
    begin = time.monotonic()
    with server.client() as client:
        for _ in range(20):
            client.post("/sentiment", json={"texts": [TEXT] * 8, "language": "hau"}).raise_for_status()
    return 20 / (time.monotonic() - begin)


def test_overload_at_five_times_the_capacity(strained):
    rate = 5 * capacity(strained)

    async def storm():
        begin, asking = time.monotonic(), []
        while time.monotonic() < begin + 2:
            while len(asking) < rate * (time.monotonic() - begin):
                asking.append(asyncio.create_task(ask(strained.port, request([TEXT] * 8))))
            await asyncio.sleep(0.002)
        return await asyncio.gather(*asking)

    said = asyncio.run(storm())
    found = statuses(said)
    assert set(found) == {200, 429}  # 503 is for those who come before the start or after the end
    for one in said:
        if one.status == 429:
            assert 1 <= int(one.headers["retry-after"]) <= 30
            assert one.code == "overloaded"
        else:
            assert len(one.content["predictions"]) == 8
    assert strained.ask(TEXT).status_code == 200  # and when it is over, it is over
    assert strained.status("/readyz") == 200
    assert strained.figure("gradsim_queue_texts") == 0
