"""The Python client: typed answers, long lists, errors, and when it asks again."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_client import AsyncClient, Client, EntitiesPrediction, LabelPrediction, ServiceError, WordsPrediction
from gradsim_client.protocol import ServiceProtocol, split
from gradsim_client.retries import Backoff, retry_after
from gradsim_shared.errors import SettingsError

ROUTE = {"language": "hau", "confidence": 0.9, "group": "g0", "collective_similarity": None, "reason": "identified"}


class Async:
    """The asynchronous client, called like the synchronous one."""

    def __init__(self, url, *, transport=None, **settings):
        self._make = lambda: AsyncClient(url, transport=transport, **settings)

    def __getattr__(self, name):
        async def ask(*args, **kwargs):
            async with self._make() as client:
                return await getattr(client, name)(*args, **kwargs)

        return lambda *args, **kwargs: asyncio.run(ask(*args, **kwargs))


@pytest.fixture(params=[Client, Async], ids=["sync", "async"])
def kind(request):
    """Each of the two clients in turn."""
    made = []

    def make(*args, **kwargs):
        made.append(request.param(*args, **kwargs))
        return made[-1]

    yield make
    for client in made:
        if isinstance(client, Client):
            client.close()


@pytest.fixture
def pauses(monkeypatch):
    """Let no time pass in pauses, and note them."""
    noted = []

    async def asleep(seconds):
        noted.append(seconds)

    monkeypatch.setattr("gradsim_client.clients.time.sleep", noted.append)
    monkeypatch.setattr("gradsim_client.clients.asyncio.sleep", asleep)
    return noted


def echo(request):
    """Answer every text with itself as the label."""
    texts = json.loads(request.content)["texts"]
    return httpx.Response(200, json={"predictions": [sentiment(text) for text in texts], "bundle": "a@1"})


def sentiment(text):
    return {"label": text, "score": 1.0, "scores": {text: 1.0}, "route": ROUTE, "of_a_later_version": 1}


def failing(*answers):
    """Return a transport that gives these answers first, then echoes; and the requests that it got."""
    got, left = [], list(answers)

    def answer(request):
        got.append(request)
        if not left:
            return echo(request)
        if isinstance(left[0], Exception):
            raise left.pop(0)
        return httpx.Response(**left.pop(0))

    return httpx.MockTransport(answer), got


def error(status, code, index=None, **headers):
    """Return what makes an error answer."""
    content = {"error": {"code": code, "message": "no", "index": index}}
    return {"status_code": status, "json": content, "headers": headers}


@pytest.fixture(scope="module")
def url(direct):
    """Of a real server."""
    return str(direct.client.base_url)


def test_a_real_service_answers_in_types(kind, url):
    client = kind(url, texts_per_request=2)
    texts = ["Wannan fim yana da kyau sosai", "Filamu hii ni mbaya sana", "ይህ ፊልም በጣም ጥሩ ነው"]
    found = client.answer(texts, language=[None, "sw", None])
    assert [type(one) for one in found] == [LabelPrediction] * 3
    assert [one.route.language for one in found] == ["hau", "swa", "amh"]
    assert [one.route.reason for one in found] == ["identified", "given", "identified"]
    assert all(one.score == max(one.scores.values()) for one in found)
    assert client.answer([]) == []


def test_the_other_endpoints_of_a_real_service(kind, url):
    client = kind(url)
    text = "Juma anaishi Nairobi"
    (names,) = client.answer([text], "swa", endpoint="ner")
    assert isinstance(names, EntitiesPrediction)
    assert all(text[name.start : name.end] == name.text for name in names.entities)
    (parts_of_speech,) = client.answer(["Juma anaishi"], endpoint="pos")
    assert isinstance(parts_of_speech, WordsPrediction)
    assert [word.text for word in parts_of_speech.words] == ["Juma", "anaishi"]


def test_languages_groups_and_readiness_of_a_real_service(kind, url):
    client = kind(url)
    assert client.ready() is True
    assert {language.code for language in client.languages()} >= {"hau", "swa", "amh", "pcm"}
    assert {group.endpoint for group in client.groups()} == {"/sentiment", "/ner", "/pos"}
    assert kind("http://127.0.0.1:1").ready() is False


def test_a_refusal_of_a_real_service_counts_in_the_callers_list(kind, url):
    with pytest.raises(ServiceError) as caught:
        kind(url, texts_per_request=2).answer(["a", "b", "c", " "])
    assert (caught.value.code, caught.value.index, caught.value.status) == ("empty_text", 3, 422)
    assert str(caught.value).endswith("counted from text 2 (empty_text, status 422, index 3)")
    with pytest.raises(ServiceError) as caught:
        kind(url).answer(["a"], "xyz")
    assert (caught.value.code, caught.value.index) == ("unknown_language", None)


@given(st.lists(st.text(max_size=8).filter(lambda text: text.isprintable())), st.integers(1, 5), st.integers(1, 40))
@settings(deadline=None)
def test_lists_are_split_in_order_and_within_limits(texts, limit, limit_bytes):
    languages = [None if len(text) % 2 else f"l{number}" for number, text in enumerate(texts)]
    parts = split(texts, languages, "soft", limit, limit_bytes)
    bodies = [json.loads(part.body) for part in parts]
    assert [text for body in bodies for text in body["texts"]] == texts
    assert [code for body in bodies for code in body["language"]] == languages
    assert [part.offset for part in parts] == [sum(part.count for part in parts[:n]) for n in range(len(parts))]
    for part, body in zip(parts, bodies, strict=True):
        size = sum(len(json.dumps(text, ensure_ascii=False).encode()) for text in body["texts"])
        assert 1 <= part.count == len(body["texts"]) <= limit
        assert part.count == 1 or size <= limit_bytes
        assert body["policy"] == "soft"


def test_order_is_kept_and_unset_fields_are_not_sent(kind):
    transport, got = failing()
    texts = [str(number) for number in range(33)]
    found = kind("http://h/prefix", transport=transport, texts_per_request=4).answer(texts, "hau")
    assert [one.label for one in found] == texts
    assert {str(request.url) for request in got} == {"http://h/prefix/sentiment"}
    assert all(set(json.loads(request.content)) == {"texts", "language"} for request in got)
    assert all(0 < int(request.headers["X-Request-Timeout-Ms"]) <= 60_000 for request in got)


@pytest.mark.parametrize(
    "first",
    [
        error(429, "overloaded"),
        error(503, "not_ready"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("disconnected"),
    ],
)
def test_a_request_is_retried_where_that_may_help(kind, pauses, first):
    transport, got = failing(first, first)
    (found,) = kind("http://h", transport=transport).answer(["a"])
    assert (found.label, len(got), len(pauses)) == ("a", 3, 2)
    assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (error(422, "empty_text", 0), "empty_text", 422),
        (error(500, "internal_error"), "internal_error", 500),
        (error(504, "timeout"), "timeout", 504),
        ({"status_code": 502, "text": "<html>"}, "no_form", 502),
        ({"status_code": 200, "text": "<html>"}, "no_form", 200),
        ({"status_code": 200, "json": {"predictions": []}}, "no_form", None),
        ({"status_code": 200, "json": {"predictions": [{"label": 1}]}}, "no_form", None),
        ({"status_code": 200, "json": []}, "no_form", None),
        (httpx.ReadTimeout("slow"), "timeout", None),
    ],
)
def test_a_request_is_not_retried_where_that_would_not_help(kind, pauses, answer, code, status):
    transport, got = failing(answer)
    with pytest.raises(ServiceError) as caught:
        kind("http://h", transport=transport).answer(["a"])
    assert (caught.value.code, caught.value.status, len(got), pauses) == (code, status, 1, [])


@pytest.mark.parametrize("content", [{}, [], {"languages": 1, "groups": {}}, {"languages": [{}], "groups": [{}]}])
@pytest.mark.parametrize("what", ["languages", "groups"])
def test_what_no_service_of_ours_answers_is_one_error(kind, what, content):
    transport, _ = failing({"status_code": 200, "json": content})
    with pytest.raises(ServiceError) as caught:
        getattr(kind("http://h", transport=transport), what)()
    assert caught.value.code == "no_form"


def test_retries_are_limited(kind, pauses):
    transport, got = failing(*[error(429, "overloaded")] * 9)
    with pytest.raises(ServiceError, match="no \\(overloaded, status 429\\)"):
        kind("http://h", transport=transport, retries=3).answer(["a"])
    assert (len(got), len(pauses)) == (4, 3)


def test_retry_after_is_waited_for_unless_the_deadline_comes_first(kind, pauses):
    transport, _ = failing(error(429, "overloaded", **{"Retry-After": "7"}))
    kind("http://h", transport=transport).answer(["a"])
    assert 7 < pauses[0] <= 7.1
    transport, got = failing(error(429, "overloaded", **{"Retry-After": "7"}))
    begin = time.monotonic()
    with pytest.raises(ServiceError, match="overloaded"):
        kind("http://h", transport=transport, timeout_seconds=5).answer(["a"])
    assert len(got) == 1
    assert time.monotonic() - begin < 3


def test_nothing_is_sent_after_the_deadline():
    with pytest.raises(ServiceError) as caught:
        next(ServiceProtocol("http://h", 60.0, Backoff(3)).exchange(time.monotonic() - 1, "GET", "/"))
    assert caught.value.code == "timeout"


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("3", 3, 3),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 80_000, 86_401),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
        ("-3", 0, 0),
        (None, 0, 0),
    ],
    ids=["seconds", "tomorrow", "past", "no date", "negative", "none"],
)
def test_retry_after_is_a_number_or_a_date(value, low, high):
    response = httpx.Response(429, headers={} if value is None else {"Retry-After": value})
    assert low <= retry_after(response) <= high


def test_the_key_is_sent_and_not_shown():
    transport, got = failing()
    with Client("http://h", api_key="secret", transport=transport) as client:
        client.answer(["a"])
        assert "secret" not in repr(client)
    assert got[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("texts", "language", "code", "index"),
    [
        ("one string", None, "invalid_request", None),
        (["a", "b"], ["hau"], "language_count", None),
        (["a", "\ud800"], None, "invalid_text", 1),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_sent(kind, texts, language, code, index):
    transport, got = failing()
    with pytest.raises(ServiceError) as caught:
        kind("http://h", transport=transport).answer(texts, language)
    assert (caught.value.code, caught.value.index, got) == (code, index, [])


@pytest.mark.parametrize("seconds", [None, math.inf, 1e6, 1e12])
def test_without_a_limit_none_is_sent_or_set(kind, seconds):
    transport, got = failing()
    client = kind("http://h", transport=transport, timeout_seconds=seconds)
    assert [one.label for one in client.answer(["a"])] == ["a"]
    assert "X-Request-Timeout-Ms" not in got[0].headers
    assert set(got[0].extensions["timeout"].values()) == {None}


def test_a_real_service_takes_every_limit(kind, url):
    for seconds in (None, math.inf, 1e12, 1e6, 999_999.0, 60):
        client = kind(url, timeout_seconds=seconds)
        assert client.ready() is True
        assert len(client.answer(["Wannan fim yana da kyau"])) == 1


@pytest.mark.parametrize(
    "setting", [{"timeout_seconds": 0}, {"timeout_seconds": math.nan}, {"retries": -1}, {"texts_per_request": 0}]
)
def test_settings_that_cannot_be(setting):
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Client("http://h", **setting)


def test_an_address_without_a_scheme(kind):
    with pytest.raises(ServiceError, match="begin it with http://"):
        kind("127.0.0.1:3000").answer(["a"])


def test_when_one_request_of_a_list_fails_the_others_are_cancelled():
    running, ended = set(), []

    async def answer(request):
        first = json.loads(request.content)["texts"][0]
        if first == "1":
            return httpx.Response(**error(500, "internal_error"))
        running.add(first)
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(first)
        return echo(request)

    async def ask():
        async with AsyncClient("http://h", transport=httpx.MockTransport(answer), texts_per_request=1) as client:
            with pytest.raises(ServiceError, match="internal_error"):
                await client.answer(["0", "1", "2", "3", "4", "5"])

    begin = time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - begin < 5
    assert running == set(ended)


def test_no_model_library_is_needed():
    code = (
        "import sys, gradsim_client\n"
        "print([n for n in sys.modules if n in ('numpy', 'onnxruntime', 'tokenizers', 'fasttext', 'fastapi', 'click')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout in ("[]\n", "['click']\n")  # httpx loads click where it finds it


def test_a_task_that_this_client_does_not_know_is_answered_all_the_same(kind):
    answer = {"predictions": [{"answer": "Kano", "route": ROUTE, "truncated": False}], "bundle": "a@1"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    (one,) = kind("http://service", transport=transport).answer(["a"], endpoint="qa")
    assert (one.answer, one.route.language) == ("Kano", "hau")
