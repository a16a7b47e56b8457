"""Build from the embedded sentences, start the service, ask it for sentiment and names, stop it: ``make demo``."""

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
from typing import Any

SENTIMENT = [
    "The food at the hotel was cold, and nobody apologised.",
    "यह फ़िल्म बहुत अच्छी है।",
    "Отель ужасен, и номер грязный.",
]
NAMES = [
    "Juma alisema chakula cha Mombasa ni kizuri sana.",
    "Ankara'daki otel çok güzeldi, Ayşe de beğendi!",
]
SECONDS_TO_START = 60


def main() -> None:
    """Run the demo; the run directories are kept, so that a second run only serves and asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="run directory; names go beside it")
    out: Path = parser.parse_args().out
    bundles = [build("demo", out), build("demo-entities", out.with_name(f"{out.name}-entities"))]
    port = free_port()
    server = subprocess.Popen([command("gradsim-serve"), *bundles, "--port", str(port)])
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        for text, answer in ask(f"http://127.0.0.1:{port}/sentiment", SENTIMENT):
            show(text, f"{answer['label']} ({answer['score']:.2f})", answer["route"])
        for text, answer in ask(f"http://127.0.0.1:{port}/ner", NAMES):
            found = [f"{entity['text']} {entity['type']} ({entity['score']:.2f})" for entity in answer["entities"]]
            show(text, ", ".join(found) or "no names", answer["route"])
    finally:
        server.terminate()
        server.wait(timeout=30)
    print("\nNext, with texts of your own: gradsim-offline plan --data reviews.csv, then build (docs/own-data.md)")


def command(name: str) -> Path:
    """Return where one of the project's commands lies."""
    return Path(sys.executable).parent / name


def build(data: str, out: Path) -> Path:
    """Build a bundle, or find that it is up to date; return where it lies."""
    built = subprocess.run([command("gradsim-offline"), "build", "--data", data, "--out", out], check=False)
    if built.returncode:
        sys.exit(built.returncode)  # it has said why
    return out / "bundle"


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


def ask(url: str, texts: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Send texts in one request; return each with its answer."""
    body = json.dumps({"texts": texts}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return list(zip(texts, json.load(response)["predictions"], strict=True))


def show(text: str, answer: str, route: dict[str, Any]) -> None:
    """Print a text, its answer and its route."""
    taken = f"{route['language']} ({route['confidence']:.2f})"
    print(f"\n{text}\n  {answer}\n  route: {taken} -> {route['group']}, {route['reason']}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
