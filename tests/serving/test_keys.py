"""API keys: who may ask, who may reload, and what is open to all."""

from __future__ import annotations

import asyncio

import fake_engine
import pytest

from gradsim_serving.http.keys import KeyMiddleware, Keys, keys_of, read_keys
from gradsim_serving.http.record import Record
from gradsim_serving.options import HttpOptions
from gradsim_shared.errors import SettingsError

ALICE, BOB, ADMIN = "alice-0123456789", "bob-0123456789ab", "admin-0123456789"


@pytest.fixture(scope="module")
def service(tiny):
    with fake_engine.running(
        tiny, keys=keys_of([ALICE, BOB]), admin_keys=keys_of([ADMIN]), open_metrics=False
    ) as running:
        yield running


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("key", [ALICE, BOB, ADMIN])
@pytest.mark.parametrize("form", ["Bearer", "bearer", "x-api-key"])
def test_each_key_opens(service, key, form):
    headers = {"X-Api-Key": key} if form == "x-api-key" else {"Authorization": f"{form} {key}"}
    assert service.client.post("/sentiment", json={"texts": ["a b"]}, headers=headers).status_code == 200
    for path in ("/", "/languages", "/groups", "/metrics", "/openapi.json"):
        assert service.client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        bearer(ALICE[:-1]),
        bearer(ALICE + "x"),
        bearer(ALICE.upper()),
        {"Authorization": ALICE},
        {"Authorization": f"Basic {ALICE}"},
        {"X-Api-Key": ""},
        {"X-Api-Key": f"{ALICE},{BOB}"},
        {"X-Api-Key": "ጥሩ".encode()},
    ],
)
def test_nothing_else_opens(service, headers):
    responses = [
        service.client.post("/sentiment", json={"texts": ["a b"]}, headers=headers),
        service.client.post("/sentiment", content=b"no json, of no type", headers=headers),
        service.client.post("/admin/reload", headers=headers),
        *(service.client.get(path, headers=headers) for path in ("/", "/languages", "/metrics", "/nothing")),
    ]
    for response in responses:
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]["code"] == "unauthorized"
        assert ALICE not in response.text


def test_health_is_open(service):
    assert service.client.get("/livez").status_code == service.client.get("/readyz").status_code == 200


def test_only_an_admin_reloads(service):
    refused = service.client.post("/admin/reload", headers=bearer(ALICE))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    done = service.client.post("/admin/reload", headers=bearer(ADMIN))
    assert done.status_code == 200
    assert set(done.json()["bundles"]["/sentiment"]) == {"before", "after"}


def test_a_reload_that_is_refused_says_why_and_the_pages_follow_a_reload(tiny):
    with fake_engine.running(tiny) as service:
        assert service.client.get("/").json()["bundles"][0]["bundle"] == "tiny@1.0.0"
        service.lifecycle.refuses = "bundle runs/x: its manifest cannot be read"
        refused = service.client.post("/admin/reload")
        assert refused.status_code == 409
        assert refused.json()["error"] == {
            "code": "reload_refused",
            "message": service.lifecycle.refuses,
            "index": None,
        }
        service.lifecycle.refuses = PermissionError(13, "Permission denied", "runs/x/manifest.json")
        refused = service.client.post("/admin/reload")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "reload_refused")
        assert "runs/x/manifest.json cannot be read: Permission denied" in refused.json()["error"]["message"]
        service.lifecycle.refuses = None
        assert service.client.post("/admin/reload").status_code == 200
        assert service.client.get("/").json()["bundles"][0]["bundle"] == "tiny@1.0.1"
        assert service.client.get("/groups").json()["groups"][0]["bundle"] == "tiny@1.0.1"


@pytest.mark.parametrize("header", ["Origin", "X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_without_keys_web_pages_and_proxies_do_not_reload(tiny, header):
    with fake_engine.running(tiny) as service:
        refused = service.client.post("/admin/reload", headers={header: "http://evil.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("client", "local"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("no address", False), (None, False)],
)
def test_without_keys_only_this_machine_reloads(client, local):
    def passes(options):
        passed = []

        async def app(*_):
            passed.append(True)

        async def sent(_):
            pass

        record = Record("r1", "POST", "/admin/reload", {}, 0.0)
        scope = {"type": "http", "path": "/admin/reload", "headers": [], "client": client and (client, 1)}
        middleware = KeyMiddleware(app, options=options, access={"/admin/reload": "admin"})
        asyncio.run(middleware({**scope, "state": {"record": record}}, None, sent))
        assert record.code == (None if passed else "forbidden")
        return bool(passed)

    assert passes(HttpOptions()) is local
    assert not passes(HttpOptions(keys=keys_of([ALICE])))


def test_metrics_are_open_where_the_service_says_so(tiny):
    with fake_engine.running(tiny, keys=keys_of([ALICE]), open_metrics=True) as service:
        assert service.client.get("/metrics").status_code == 200
        assert service.client.get("/languages").status_code == 401


def test_keys_are_kept_as_digests_and_none_holds_nothing():
    keys = keys_of([ALICE, ALICE])
    assert len(keys.digests) == 1
    assert ALICE not in repr(keys)
    assert keys.hold(ALICE.encode())
    assert not Keys().hold(b"")
    assert not Keys()


def test_keys_come_from_a_file_and_the_environment(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# for Alice\n{ALICE}\n\n  {BOB}  \n", encoding="utf-8")
    assert read_keys(file, f"{ADMIN}, ") == (ADMIN, ALICE, BOB)
    assert read_keys(None) == ()


@pytest.mark.parametrize("value", ["", " ", ",", " , #nobody,"])
def test_a_variable_that_is_set_holds_a_key(tmp_path, value):
    file = tmp_path / "keys"
    file.write_text(ALICE, encoding="utf-8")
    for given in (None, file):
        with pytest.raises(SettingsError, match="ADMIN_KEYS is set but holds no key: unset it"):
            read_keys(given, value, "GRADSIM_ADMIN_KEYS")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no key: write one into each line"),
        (b"# nobody\n", "holds no key"),
        (b"short\n", "key 1: a key has 16 or more characters"),
        (b"two words in a line\n", "key 1"),
        ("ጥሩጥሩጥሩጥሩጥሩጥሩጥሩጥሩጥሩ".encode(), "key 1"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_files_that_are_no_keys_are_refused_without_showing_them(tmp_path, content, said):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as failure:
        read_keys(file)
    assert said in str(failure.value)
    assert "short" not in str(failure.value)
