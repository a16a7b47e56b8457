"""Reading a bundle: what is whole is opened, what is not is refused with one clear message."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from gradsim_shared.bundle import file_entry, open_bundle, read_manifest
from gradsim_shared.errors import BundleError
from gradsim_shared.manifest import Manifest


def test_a_whole_bundle_is_opened(bundle):
    opened = open_bundle(bundle)
    assert opened.manifest.title == "small@1.0.0"
    assert opened.path("groups/g0/model.onnx").read_text(encoding="utf-8") == "groups/g0/model.onnx"


def test_a_file_entry_is_size_and_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    entry = file_entry(tmp_path / "f")
    assert (entry.size, entry.sha256) == (3, hashlib.sha256(b"abc").hexdigest())


def test_the_manifest_survives_a_round_trip(make_manifest):
    manifest = make_manifest()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_a_bundle_that_names_no_normalisation_reads_texts_as_they_are(bundle, edit):
    edit(lambda content: (content.pop("normalisation"), content["identifier"].pop("normalisation")))
    manifest = read_manifest(bundle)
    assert manifest.normalisation == manifest.identifier.normalisation == 0


@pytest.mark.parametrize("file", ["manifest.json", "groups/g0/model.onnx"])
def test_a_file_that_may_not_be_read_is_named(bundle, monkeypatch, file):
    really_open = Path.open

    def refusing(path, *arguments, **settings):
        if path == bundle / file:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(BundleError, match=f"{file} cannot be read: Permission denied; mend that and try again$"):
        open_bundle(bundle)


def test_no_manifest(tmp_path):
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_a_manifest_that_is_no_json(bundle, content):
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match="is not valid JSON"):
        read_manifest(bundle)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "1"}', '{"format": 3}', '{"format": 0}', "null"])
def test_another_format(bundle, content):
    (bundle / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=r"has format .*, this version reads formats 1 and 2"):
        open_bundle(bundle)


@pytest.mark.parametrize("bytes_", [b"groups/g0/model.onny", b"longer than before", b""])
def test_a_changed_file(bundle, bytes_):
    (bundle / "groups" / "g0" / "model.onnx").write_bytes(bytes_)
    with pytest.raises(BundleError, match=r"groups/g0/model\.onnx has changed since it was written"):
        open_bundle(bundle)


def test_a_missing_file(bundle):
    (bundle / "groups" / "g1" / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"groups/g1/tokenizer\.json is missing"):
        open_bundle(bundle)


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "g0/../../secret", "g0\\..\\..\\secret"])
def test_a_path_that_leads_outside(bundle, edit, path):
    (bundle.parent / "secret").write_text("x", encoding="utf-8")
    edit(lambda content: content["files"].update({path: {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(BundleError, match="lies outside the bundle"):
        open_bundle(bundle)


def test_a_link_that_leads_outside(bundle):
    shutil.move(bundle / "groups" / "g0" / "model.onnx", bundle.parent / "m.onnx")
    (bundle / "groups" / "g0" / "model.onnx").symlink_to(bundle.parent / "m.onnx")
    with pytest.raises(BundleError, match="lies outside the bundle"):
        open_bundle(bundle)


def test_a_link_to_a_bundle_is_followed_once(bundle):
    link = bundle.parent / "served"
    link.symlink_to(bundle, target_is_directory=True)
    opened = open_bundle(link)
    link.unlink()
    link.symlink_to(bundle.parent / "another", target_is_directory=True)
    assert opened.path("groups/g0/model.onnx").read_text(encoding="utf-8") == "groups/g0/model.onnx"
    with pytest.raises(BundleError, match="served is no bundle"):  # people know it by the name that they gave
        open_bundle(link)


def test_a_link_that_leads_to_itself(tmp_path):
    (tmp_path / "served").symlink_to(tmp_path / "served")
    with pytest.raises(BundleError, match="is no bundle"):
        open_bundle(tmp_path / "served")


def test_a_name_that_no_file_can_have(bundle, edit):
    edit(lambda content: content["files"].update({"a\0b": {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(BundleError):
        open_bundle(bundle)


FAULTS = {
    "group twice": (lambda m: m["groups"].append(m["groups"][0]), "stands twice"),
    "language twice": (lambda m: m["languages"].append(m["languages"][0]), "stands twice"),
    "unknown fallback": (lambda m: m["fallback"].update(group="g9"), "fallback names the group 'g9'"),
    "no member": (lambda m: m["languages"][0].update(group="g1"), "of which it is no member"),
    "unknown group": (lambda m: m["languages"][0].update(group="g9"), "of which it is no member"),
    "unknown label": (lambda m: m["identifier"]["labels"].update(x="xyz"), "no language of the bundle"),
    "file not listed": (lambda m: m["files"].pop("groups/g0/model.onnx"), "used but not listed"),
    "other field": (lambda m: m.update(pickle="model.pkl"), "pickle: Extra inputs"),
    "one label": (lambda m: m.update(labels=["positive"]), "labels: List should have at least 2"),
    "no languages": (lambda m: m.update(languages=[]), "languages: List should have at least 1"),
    "bad hash": (lambda m: m["files"]["groups/g0/model.onnx"].update(sha256="x"), "sha256"),
    "normalisation": (
        lambda m: m.update(normalisation=9),
        r"normalisation: .*unknown normalisation 9; this version knows 0 \(none\), 1",
    ),
    "negative normalisation": (lambda m: m["identifier"].update(normalisation=-1), r"identifier\.normalisation: .* -1"),
    "threshold": (lambda m: m["identifier"].update(threshold=1.5), r"identifier\.threshold"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_manifest_that_says_what_cannot_be(bundle, edit, fault, message):
    edit(fault)
    with pytest.raises(BundleError, match=message) as failure:
        open_bundle(bundle)
    assert "manifest.json is not a valid manifest" in str(failure.value)
    assert "\n" not in str(failure.value)
