"""Publish a bundle and fetch it again: the Hugging Face Hub, and the BentoML model store of this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradsim_offline.core.disk import full_disk_said
from gradsim_offline.report.model_card import model_card
from gradsim_shared.bundle import open_bundle, read_manifest
from gradsim_shared.errors import BundleError, GradsimError, SettingsError
from gradsim_shared.excerpts import cut
from gradsim_shared.manifest import MANIFEST_FILE

CARD_FILE = "README.md"
_LOG_IN = "log in with `huggingface-cli login`, or set HF_TOKEN"
_NONE = "there is no such bundle, or it is private: look at the name, log in with `huggingface-cli login`"
_WAYS = {"401": _LOG_IN, "403": _LOG_IN, "404": _NONE, "not found": _NONE, "notfound:": _NONE}
_LONGEST = 300  # of what a library says
_OTHER_WAY = "look at the network (HF_ENDPOINT)"


def lay_out(bundle: Path, directory: Path) -> None:
    """Write what is published to an empty directory: the files that the manifest lists, manifest and model card.

    Raises:
        BundleError: It is no bundle, or not whole.
    """
    verified = open_bundle(bundle)
    for file in [*verified.manifest.files, MANIFEST_FILE]:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(verified.path(file), directory / file)
    (directory / CARD_FILE).write_text(model_card(verified.manifest), encoding="utf-8")


def push_to_hub(bundle: Path, name: str, *, revision: str | None, private: bool) -> str:
    """Publish a bundle as a model repository; return the address of the commit.

    Args:
        bundle: Its directory.
        name: ``user/name``; the repository is made where it is not there.
        revision: Branch, made where it is not there; ``None``: main.
        private: Whether a new repository is private.

    Raises:
        GradsimError: The bundle is not whole, or the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    title = read_manifest(bundle).title
    with _laid_out(bundle) as draft, _said(f"push to {name}"):
        api = HfApi()
        api.create_repo(name, repo_type="model", private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(name, branch=revision, exist_ok=True)
        done = api.upload_folder(
            repo_id=name, folder_path=draft, revision=revision, commit_message=f"GradSim bundle {title}"
        )
    return str(done.commit_url)


def pull_from_hub(name: str, out: Path, *, revision: str | None) -> str:
    """Fetch a bundle into a new directory; return the commit.

    Raises:
        GradsimError: There is none, or the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    with _said(f"pull {name}"):
        there = Path(snapshot_download(name, revision=revision))
    _take(there, out)
    return there.name


def push_to_bentoml(bundle: Path, name: str) -> str:
    """Put a bundle into the BentoML model store of this machine; return its tag.

    Args:
        bundle: Its directory.
        name: ``name`` or ``name:version``; without a version BentoML makes one.
    """
    bentoml = _bentoml()
    manifest = read_manifest(bundle)
    about = {"title": manifest.title, "task": manifest.task, "languages": [each.code for each in manifest.languages]}
    labels = {"bundle": manifest.name}
    with (
        _laid_out(bundle) as draft,
        _said(f"push to {name}"),
        bentoml.models.create(name, labels=labels, metadata=about) as model,
    ):
        shutil.copytree(draft, model.path, dirs_exist_ok=True)
    return str(model.tag)


def pull_from_bentoml(name: str, out: Path) -> str:
    """Copy a bundle out of the BentoML model store into a new directory; return its tag."""
    with _said(f"pull {name}"):
        model = _bentoml().models.get(name)
    _take(Path(model.path), out)
    return str(model.tag)


def _bentoml() -> Any:  # noqa: ANN401 - a module
    try:
        import bentoml
    except ImportError as error:
        raise SettingsError("bentoml is not installed; run: pip install 'gradsim-router[serving]'") from error
    return bentoml


def _take(there: Path, out: Path) -> None:
    """Copy a bundle from a cache or store to its place, whole or not at all.

    Raises:
        SettingsError: Something is in that place.
        BundleError: What was fetched is no bundle, or not whole.
    """
    if out.exists():
        raise SettingsError(f"--out {out} is there already; choose another directory, or remove it")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with full_disk_said(out), tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".draft-") as draft:
        whole = Path(draft) / "bundle"
        shutil.copytree(there, whole, ignore=shutil.ignore_patterns("model.yaml", ".git*", ".cache"))
        try:
            open_bundle(whole)
        except BundleError as error:
            raise BundleError(str(error).replace(str(whole), str(out))) from error
        whole.replace(out)


@contextmanager
def _laid_out(bundle: Path) -> Iterator[Path]:
    """Yield a temporary directory that holds what is published."""
    with tempfile.TemporaryDirectory(prefix="gradsim-push-") as draft:
        lay_out(bundle, Path(draft))
        yield Path(draft)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Turn what the libraries of a store raise into one line with the ways on."""
    try:
        yield
    except GradsimError:
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "no reason is given")
        said = f"{type(error).__name__}: {cut(first, _LONGEST)}"
        way = next((way for part, way in _WAYS.items() if part in f"{said} {error}".lower()), _OTHER_WAY)
        raise GradsimError(f"{what}: {said}; {way}") from error
