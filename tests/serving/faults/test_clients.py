"""Clients that hang up, send slowly or never read: their neighbours are answered, and their work is not done."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time

import pytest
import server_process
from many_clients import ask, read, request, statuses

TEXT = "Wannan fim yana da kyau sosai"
BAD_CLIENTS = 10
GONE_WHILE_WAITING = 5


def hang_up(connection: socket.socket) -> None:
    """End a connection as a process that is killed does: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("politely", [True, False])
def test_disconnects_in_the_middle_of_a_body(strained, politely):
    before = strained.figure("gradsim_requests_total", 'code="client_gone"')
    data = request([TEXT] * 8)
    for _ in range(BAD_CLIENTS):
        connection = socket.create_connection(("127.0.0.1", strained.port), timeout=10)
        connection.sendall(data[:-40])
        if politely:
            connection.close()
        else:
            hang_up(connection)
        assert strained.ask(TEXT).status_code == 200
    strained.wait_for("gradsim_requests_total", before + BAD_CLIENTS, 'code="client_gone"')


def test_work_is_dropped_when_its_client_disconnects(strained):
    """A request of eight batches fills the queue; each client who goes makes room, and what has not run never is."""
    ran = strained.figure("gradsim_batch_texts_sum")
    data = request([TEXT] * 60)
    for number in range(1, GONE_WHILE_WAITING + 1):
        with socket.create_connection(("127.0.0.1", strained.port), timeout=10) as connection:
            connection.sendall(data)
            time.sleep(0.06)  # the service begins to watch after 50 ms
        strained.wait_for("gradsim_dropped_requests_total", number, 'why="disconnected"')
    assert strained.ask(TEXT).status_code == 200
    assert strained.figure("gradsim_batch_texts_sum") - ran < 60 * GONE_WHILE_WAITING


def test_slow_bodies_time_out_and_delay_no_other_request(strained):
    data = request([TEXT])

    async def trickle():
        reader, writer = await asyncio.open_connection("127.0.0.1", strained.port)
        writer.write(data[:-30])
        answer = asyncio.create_task(read(reader))
        for place in range(len(data) - 30, len(data)):  # 3 seconds in all; the service waits for 1
            await asyncio.wait([answer], timeout=0.1)
            if answer.done():
                break
            writer.write(data[place : place + 1])
        said = await answer
        rest = await reader.read()
        writer.close()
        return said, rest

    async def run():
        slow = [asyncio.create_task(trickle()) for _ in range(BAD_CLIENTS)]
        quick = [await ask(strained.port, data) for _ in range(5)]
        return quick, await asyncio.gather(*slow)

    quick, slow = asyncio.run(run())
    assert statuses(quick) == {200: 5}
    assert statuses(said for said, _ in slow) == {408: BAD_CLIENTS}
    assert {(said.code, rest) for said, rest in slow} == {("body_timeout", b"")}


@pytest.mark.parametrize("kind", server_process.SERVERS)
def test_a_request_past_its_timeout_is_refused_in_the_form_of_all_errors(kind, slow, tmp_path):
    """A body may take longer than an answer: BentoML's own time was over before it, with an error of its own."""
    with (
        server_process.started(kind, slow, tmp_path / "log", timeout_seconds=0.2, body_seconds=2) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
    ):
        connection.sendall(request([TEXT])[:-30])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_timeout"


def test_clients_that_never_read_delay_no_other_request(strained):
    """A hundred requests on a connection, answers of which nobody takes one: the service waits with the rest."""
    data = request([TEXT], keep=True) * 100
    connections = [socket.create_connection(("127.0.0.1", strained.port), timeout=10) for _ in range(5)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(data)
    assert statuses(asyncio.run(ask(strained.port, request([TEXT]))) for _ in range(5)) == {200: 5}
    for connection in connections:
        hang_up(connection)
    assert strained.ask(TEXT).status_code == 200
