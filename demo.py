"""Build from the embedded sentences, start the service, ask it in three languages, stop it: what ``make demo`` runs."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

QUESTIONS = [
    "The food at the hotel was cold, and nobody apologised.",
    "यह फ़िल्म बहुत अच्छी है।",
    "Отель ужасен, и номер грязный.",
]
SECONDS_TO_START = 60


def main() -> None:
    """Run the demo; the run directory is kept, so that a second run only serves and asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="run directory")
    out: Path = parser.parse_args().out
    folder = Path(sys.executable).parent
    built = subprocess.run([folder / "gradsim-offline", "build", "--data", "demo", "--out", out], check=False)
    if built.returncode:
        sys.exit(built.returncode)  # it has said why
    port = free_port()
    server = subprocess.Popen([folder / "gradsim-serve", out / "bundle", "--port", str(port)])
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        ask(f"http://127.0.0.1:{port}/sentiment")
    finally:
        server.terminate()
        server.wait(timeout=30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the service has loaded its models and answered a first text with each."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("the service did not start")


def ask(url: str) -> None:
    """Send the questions in one request and print each answer with its route."""
    body = json.dumps({"texts": QUESTIONS}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answers = json.load(response)["predictions"]
    for text, answer in zip(QUESTIONS, answers, strict=True):
        route = answer["route"]
        print(f"\n{text}\n  {answer['label']} ({answer['score']:.2f})")
        print(f"  route: {route['language']} ({route['confidence']:.2f}) -> {route['group']}, {route['reason']}")
    print(flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
