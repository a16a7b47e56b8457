"""The pages for browsers over HTTP: who gets them, under which policy, how large they are, and how to do without."""

from __future__ import annotations

import json
import re

import fake_engine
import pytest

from gradsim_serving.http.keys import keys_of
from gradsim_serving.http.pages import FOLDER

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ALICE = "alice-0123456789"


def html(client, path="/", **headers):
    return client.get(path, headers={"Accept": BROWSER, **headers})


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/html;q=0.9, application/json;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/html;q=many", False),
        ("TEXT/HTML ; Q=0.5", True),
    ],
)
def test_browsers_get_a_page_and_all_others_json(server, accept, is_page):
    for path in ("/", "/gradsim/"):
        response = server.client.get(path, headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"] == ("text/html; charset=utf-8" if is_page else "application/json")
        assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("page", ["/", "/explore", "/docs"])
def test_a_page_and_all_that_it_loads_are_small_and_from_here(server, page):
    whole = html(server.client, page)
    total, found = len(whole.content), set(re.findall(r'(?:src|href)="(pages/[^"]+)"', whole.text))
    while found:
        asset = server.client.get(f"/gradsim/{found.pop()}")
        assert asset.status_code == 200
        total += len(asset.content)
        found |= {f"pages/{name}" for name in re.findall(r'from "\./([^"]+)"', asset.text)}
        assert "http" not in re.sub(r"http://www\.w3\.org/|Content-Type|over plain HTTP", "", asset.text)
    assert total < 150_000
    policy = whole.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in whole.text
    assert "style=" not in whole.text


def test_a_browser_that_has_a_file_is_sent_none(server):
    for path in ("/", "/pages/style.css"):
        first = html(server.client, path)
        assert first.headers["cache-control"] == "no-cache"
        again = html(server.client, path, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert html(server.client, path, **{"If-None-Match": '"other"'}).status_code == 200


def test_links_are_relative_so_that_a_slash_at_the_end_is_taken_away(server):
    response = html(server.client, "/gradsim/explore/")
    assert (response.status_code, response.headers["location"]) == (308, "../explore")
    for page in FOLDER.glob("*.html"):
        assert not re.search(r'(src|href)="/', page.read_text(encoding="utf-8"))


def test_without_the_playground_there_is_json_alone(tiny):
    with fake_engine.running(tiny, playground=False) as service:
        assert html(service.client).json()["service"] == "gradsim"
        for path in ("/explore", "/docs", "/pages/style.css", "/explore/report/sentiment"):
            assert html(service.client, path).status_code == 404
        assert "/explore" not in service.client.get("/").json()["endpoints"]


def test_pages_need_no_key_and_what_bundles_hold_needs_one(tiny):
    with fake_engine.running(tiny, keys=keys_of([ALICE])) as service:
        for path in ("/", "/explore", "/docs", "/pages/playground.js"):
            assert html(service.client, path).status_code == 200
        for path in ("/", "/languages", "/groups", "/openapi.json", "/explore/report/sentiment"):
            assert service.client.get(path).status_code == 401
        assert html(service.client, "/groups").status_code == 401
        assert service.client.get("/", headers={"X-Api-Key": ALICE}).json()["service"] == "gradsim"


def test_a_report_is_shown_without_scripts(tiny, with_report):
    with fake_engine.running(with_report) as service:
        assert service.client.get("/groups").json()["bundles"][0]["report"] == "/explore/report/sentiment"
        response = html(service.client, "/explore/report/sentiment")
        assert response.text == "<!doctype html><title>Report</title>"
        assert "sandbox" in response.headers["content-security-policy"]
        (with_report / "report" / "index.html").unlink()
        assert html(service.client, "/explore/report/sentiment").status_code == 404
    with fake_engine.running(tiny) as service:
        assert service.client.get("/groups").json()["bundles"][0]["report"] is None
        assert html(service.client, "/explore/report/sentiment").status_code == 404


def test_a_report_with_texts_is_shown_only_to_those_who_have_a_key(with_report):
    manifest = with_report / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["provenance"]["settings"] = {"report": {"examples": 3}}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    path = "/explore/report/sentiment"
    with fake_engine.running(with_report) as service:
        assert service.client.get("/groups").json()["bundles"][0]["report"] is None
        refused = html(service.client, path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        assert "shows texts of the data" in refused.text
    with fake_engine.running(with_report, keys=keys_of([ALICE])) as service:
        service.client.headers["X-Api-Key"] = ALICE
        assert service.client.get("/groups").json()["bundles"][0]["report"] == path
        assert html(service.client, path).status_code == 200


@pytest.fixture
def with_report(tmp_path):
    """A bundle that holds a report and similarities."""
    import explained_bundle

    return explained_bundle.build(tmp_path / "bundle")


def test_groups_tell_how_they_came_about(tiny, with_report, trunk_pooled):
    with fake_engine.running(with_report) as service:
        (bundle,) = service.client.get("/groups").json()["bundles"]
        similarity = bundle["similarity"]
        assert similarity["languages"] == ["amh", "hau", "pcm", "swa"]
        assert similarity["similarity"][1][3] == 0.62
        assert (bundle["trunk"], bundle["metric"]) == (None, "weighted_f1")
        assert "points more than one model" in bundle["verdict"][1]
        first = service.client.get("/languages").json()["languages"][0]
        assert first["multilingual"]["test"] == {"weighted_f1": 0.61}
    with fake_engine.running(trunk_pooled) as service:
        groups = service.client.get("/groups").json()
        trunk = groups["bundles"][0]["trunk"]
        assert trunk["precision"] == "fp32"
        assert trunk["size"] == next((trunk_pooled / "trunk").glob("*.onnx")).stat().st_size
        assert {group["on_trunk"] for group in groups["groups"]} == {True, False}
    with fake_engine.running(tiny) as service:
        groups = service.client.get("/groups").json()
        assert groups["bundles"][0]["similarity"] is None
        assert groups["groups"][0]["size"] == (tiny / "groups" / "g0" / "model.onnx").stat().st_size
