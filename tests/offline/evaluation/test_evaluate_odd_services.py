"""``evaluate --url`` where a service is busy, slow, odd or not there: retries, and plain words.

A stub speaks the service's own forms, where a real one cannot be made to fail on demand.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gradsim_offline.experiments.evaluate import answers_over_http, http
from gradsim_offline.experiments.evaluate.evaluate import evaluate
from gradsim_offline.experiments.evaluate.http import service_at
from gradsim_shared.errors import RequestError, SettingsError

from ..program import gradsim

INDEX = {"bundles": [{"bundle": "b@1", "task": "text_classification", "endpoint": "/sentiment", "labels": ["n", "p"]}]}
LANGUAGES = {
    "endpoints": {"/sentiment": ["hau"]},
    "languages": [{"endpoint": "/sentiment", "code": "hau", "group": "g0", "aliases": ["ha"]}],
}
ROUTE = {"language": "hau", "confidence": 1.0, "group": "g0", "collective_similarity": None, "reason": "identified"}


def error_form(code, message="no", index=None):
    return {"error": {"code": code, "message": message, "index": index}}


def right(texts):
    return {"predictions": [{"label": text[0], "route": ROUTE | {"later": 1}} for text in texts], "bundle": "b@1"}


@contextmanager
def stub(answer, pages=None):
    """Serve ``answer(texts)``: a body, or status, headers and body; yield its URL and the texts of each request."""
    asked: list[list[str]] = []
    pages = {"/": INDEX, "/languages": LANGUAGES, "/readyz": {"status": "ready"}} | (pages or {})

    class Stub(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(pages[self.path])

        def do_POST(self):
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
            asked.append(texts)
            self._send(answer(texts))

        def _send(self, found):
            status, headers, body = found if isinstance(found, tuple) else (200, {}, found)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": len(content), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def few(tmp_path):
    """Five texts, each of which begins with its label."""
    (tmp_path / "few" / "hau").mkdir(parents=True)
    lines = [json.dumps({"text": f"{label} {i}", "label": label}) for i, label in enumerate("pnppn")]
    (tmp_path / "few" / "hau" / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(tmp_path / "few")


def refused(answer, *parts):
    code, out, error = answer
    assert (code, out) == (1, "")
    assert error.count("Error: ") == 1 and "Traceback" not in error and "●" not in error
    for part in parts:
        assert part in error, error


@pytest.mark.parametrize(
    "url", ["127.0.0.1:3000", "ftp://127.0.0.1", "http://", "http://a:b", "http://h?x=1", "nonsense"]
)
def test_what_is_no_url(few, url):
    refused(gradsim("evaluate", "--url", url, "--data", few), f"--url {url!r} must be as http://")


def test_nobody_answers(few):
    with stub(right) as (url, _):
        pass
    refused(gradsim("evaluate", "--url", url, "--data", few), f"--url {url}: no answer (", "gradsim-serve")


@pytest.mark.parametrize(("status", "code"), [(429, "overloaded"), (503, "not_ready")])
def test_a_busy_service_is_asked_again(few, quiet, monkeypatch, status, code):
    waits = []
    monkeypatch.setattr("gradsim_client.clients.time.sleep", waits.append)
    refusals = [(status, {"Retry-After": seconds}, error_form(code)) for seconds in ("3", "0", "soon", "99")]

    def answer(texts):
        return refusals.pop(0) if refusals else right(texts)

    with stub(answer) as (url, asked):
        found = evaluate(None, url, few, quiet, batch=5)
    assert waits == [3, http.SHORTEST_WAIT_SECONDS, 1, http.LONGEST_WAIT_SECONDS]
    assert len(asked) == 6, "the texts once with the language identified, once with it given; and four times again"
    assert found["languages"]["hau"]["given"]["accuracy"] == found["languages"]["hau"]["identified"]["accuracy"] == 1


def test_a_service_that_stays_busy_is_given_up(few, quiet, monkeypatch):
    waits = []
    monkeypatch.setattr("gradsim_client.clients.time.sleep", waits.append)
    busy = 429, {"Retry-After": "8"}, error_form("overloaded", "256 requests wait")
    with stub(lambda _: busy) as (url, _), pytest.raises(RequestError, match="answered 429: 256 requests wait"):
        evaluate(None, url, few, quiet)
    assert sum(waits) <= http.LONGEST_RETRY_SECONDS < sum(waits) + 8


def test_a_service_that_never_becomes_ready(few, monkeypatch):
    monkeypatch.setattr(http, "LONGEST_RETRY_SECONDS", 0.2)
    loading = 503, {"Retry-After": "0"}, error_form("not_ready", "the models could not be loaded")
    with stub(right, {"/readyz": loading}) as (url, _):
        refused(gradsim("evaluate", "--url", url, "--data", few), "answered 503: the models could not be loaded")


@pytest.mark.parametrize(
    "too_much",
    [
        (413, {"Connection": "close"}, error_form("body_too_large")),
        (413, {}, b"<html>too large</html>"),
        (504, {}, error_form("timeout")),
        (422, {}, error_form("too_many_texts")),
    ],
)
def test_what_is_too_much_is_sent_in_halves(few, quiet, too_much):
    with stub(lambda texts: too_much if len(texts) > 1 else right(texts)) as (url, asked):
        found = evaluate(None, url, few, quiet)["languages"]["hau"]
    assert found["identified"]["accuracy"] == 1 and found["refused"] == 0
    assert sorted(map(len, asked)) == sorted([5, 2, 3, 1, 1, 1, 2, 1, 1] * 2)


def test_a_text_that_alone_is_too_much_is_refused(few, quiet):
    slow = 504, {}, error_form("timeout", "it took too long")
    with stub(lambda texts: slow if any("3" in text for text in texts) else right(texts)) as (url, _):
        found = evaluate(None, url, few, quiet)["languages"]["hau"]
    assert (found["refused"], found["identified"]["accuracy"]) == (1, 0.8) and "it took too long" in found["refusal"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, {}, error_form("internal_error", "its log says where")), "answered 500: its log says where"),
        ((401, {}, b"who are you"), "answered 401: Unauthorized"),
        ({"predictions": [], "bundle": "b@1"}, "no GradSim service"),
        ({"predictions": [{"label": "p"}] * 5, "bundle": "b@1"}, "no GradSim service"),
        ((200, {}, b"<html>"), "no GradSim service"),
        ([], "no GradSim service"),
        (right("pnppn") | {"bundle": "b@2"}, "/sentiment answers from b@2 now, it was b@1 at first"),
    ],
)
def test_answers_that_cannot_be(few, answer, message):
    with stub(lambda _: answer) as (url, _):
        code, out, error = gradsim("evaluate", "--url", url, "--data", few)
    assert (code, out) == (1, "") and error.count("Error: ") == 1 and message in error


@pytest.mark.parametrize("index", [{}, [], {"bundles": [{"bundle": "b@1"}]}, (404, {}, b""), (200, {}, b"hello")])
def test_something_else_answers(few, index):
    with stub(right, {"/": index}) as (url, _):
        refused(gradsim("evaluate", "--url", url, "--data", few), "what answers there is no GradSim service")


def test_a_service_takes_no_more_texts_than_it_says(few):
    refused(gradsim("evaluate", "--url", "http://127.0.0.1:1", "--data", few, "--batch", 257), "takes 256 texts")


def test_the_limit_of_texts_is_that_of_the_service():
    options = pytest.importorskip("gradsim_serving.options")
    assert options.HttpOptions().max_texts == answers_over_http.MOST_TEXTS


def test_this_machine_is_asked_without_a_proxy(few, quiet, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with stub(right) as (url, _):
        assert evaluate(None, url, few, quiet)["languages"]["hau"]["identified"]["accuracy"] == 1
    with pytest.raises(SettingsError, match="no answer"):
        service_at("http://example.org").get("/")
