"""Where services are started that are no developer's machine: read-only, without a home, as process 1, over IPv6."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import server_process
from real_server import SOURCES, free_port

pytestmark = pytest.mark.slow

GOOD = "Wannan fim yana da kyau sosai"
ISOLATE = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]


def can(*command: str) -> bool:
    """Say whether this machine lets us make namespaces."""
    return shutil.which(command[0]) is not None and subprocess.run([*command, "true"], check=False).returncode == 0


isolated = pytest.mark.skipif(not can(*ISOLATE), reason="namespaces cannot be made here")


def ask(port: int, host: str = "127.0.0.1") -> httpx.Response:
    return httpx.post(f"http://{host}:{port}/sentiment", json={"texts": [GOOD]}, timeout=30)


@contextmanager
def serving(command: list[str], port: int, environment: dict[str, str], host: str = "127.0.0.1"):
    """Start a server and wait until it is ready; what it wrote is told if it is not."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://{host}:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def serve(bundle: Path, port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "gradsim_serving", str(bundle), "--port", str(port), *options]


def test_over_ipv6(tiny):
    port = free_port()
    environment = os.environ | {"PYTHONPATH": SOURCES}
    with serving(serve(tiny, port, "--host", "::1"), port, environment, host="[::1]"):
        assert ask(port, "[::1]").json()["predictions"][0]["label"] == "positive"
    taken = socket.create_server(("::1", port), family=socket.AF_INET6)
    with taken:
        done = subprocess.run(
            serve(tiny, port, "--host", "::1"), env=environment, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot listen on [::1]:{port}: Address already in use" in done.stderr


@pytest.mark.parametrize("kind", server_process.SERVERS)
@pytest.mark.parametrize("name", ["two words", "ጥሩ fim ñ", "a'b\"c", "50%20"])
def test_bundle_paths_of_any_letters(kind, name, tiny, tmp_path):
    bundle = shutil.copytree(tiny, tmp_path / name)
    with server_process.started(kind, bundle, tmp_path / "log") as server:
        assert server.ask(GOOD).status_code == 200
        assert server.post("/admin/reload").status_code == 200
        assert "Traceback" not in server.said()


@isolated
def test_on_a_read_only_file_system_without_a_home_as_process_1(tiny, tmp_path):
    """As in a container with `--read-only`: SIGTERM must end process 1, which has no default for it."""
    port, root = free_port(), tmp_path / "root"
    root.mkdir()
    read_only = f"mount --rbind / {root} && mount -o remount,ro,bind {root} && exec chroot {root} "
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "GRADSIM_THREADS": "1"}
    tried = subprocess.run([*ISOLATE, "sh", "-c", f"{read_only} touch /x"], capture_output=True, text=True, check=False)
    assert "Read-only file system" in tried.stderr
    with serving([*ISOLATE, "sh", "-c", read_only + " ".join(serve(tiny, port))], port, environment) as process:
        assert ask(port).status_code == 200
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)  # process 1 in there
        assert process.wait(30) == 0


@isolated
def test_bentoml_as_process_1_ends_when_told(tiny, tmp_path):
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GRADSIM", "BENTOML"))}
    environment |= {"GRADSIM_BUNDLES": str(tiny), "BENTOML_HOME": str(tmp_path), "GRADSIM_THREADS": "1"}
    command = [sys.executable, "-m", "bentoml", "serve", "serving.entry:Gradsim", "--host", "127.0.0.1"]
    with serving([*ISOLATE, "--mount-proc", *command, "--port", str(port)], port, environment) as process:
        assert ask(port).status_code == 200
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(60) == 0
