"""The model cache: its limit holds under concurrent loads; reloaded models are of the version that is served."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
import tiny_bundle
from engines import Gate, answers_of, living, watch

from gradsim_serving.bundles import model_cache as module
from gradsim_serving.bundles.model_cache import ModelCache
from gradsim_shared.bundle import file_entry
from gradsim_shared.errors import BundleError

GOOD, SWEET = "Wannan fim yana da kyau sosai", "sweet well well"


def keep(model_cache, path, load):
    """Return a model of four bytes."""
    path.write_bytes(path.name.encode().ljust(4))
    return model_cache.model(path, file_entry(path), load)


@pytest.fixture
def two(monkeypatch):
    """A model_cache for two of these models."""
    monkeypatch.setattr(module, "MEGABYTE", 4)
    return ModelCache(2)


def test_the_cap_holds_when_many_threads_load(two, tmp_path):
    loading, most, lock = [], [], threading.Lock()

    def load(path):
        with lock:
            loading.append(path)
            most.append(len(loading) + sum(model.in_memory for model in models))
        time.sleep(0.002)  # others come meanwhile
        with lock:
            loading.remove(path)
        return path

    models = [keep(two, tmp_path / f"m{number}", load) for number in range(4)]

    def ask(first):
        for number in range(40):
            models[(first + number * (first % 3 + 1)) % 4].session()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert max(most) == 2
    assert sum(model.in_memory for model in models) == 2


def test_memory_of_a_model_that_could_not_be_loaded_is_released(two, tmp_path):
    def fails(path):
        raise ValueError(path)

    broken = [keep(two, tmp_path / f"b{number}", fails) for number in range(2)]
    good = [keep(two, tmp_path / f"g{number}", lambda path: path) for number in range(2)]
    for model in (broken[0], good[0], broken[1], good[0], good[1]):
        if model in broken:
            with pytest.raises(ValueError, match="b"):
                model.session()
        else:
            model.session()
    assert [model.in_memory for model in good] == [True, True]


def test_a_model_larger_than_the_cap_is_loaded_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MEGABYTE", 1)
    model_cache = ModelCache(3)
    models = [keep(model_cache, tmp_path / f"m{number}", lambda path: path) for number in range(2)]
    for model in models:
        assert model.session() is not None
    assert [model.in_memory for model in models] == [False, True]


def in_memory(engine):
    return sorted(group for group, model in engine.served["/sentiment"].models.items() if model.in_memory)


@pytest.fixture
def one_fits(tiny, monkeypatch):
    """A cap of 1 MB holds one of the two models of the tiny bundle."""
    monkeypatch.setattr(module, "MEGABYTE", (tiny / "groups/g1/model.onnx").stat().st_size)


def test_canaries_do_not_say_which_group_is_needed(tiny):
    with living(tiny) as (lifecycle, engine):
        kept = engine.served["/sentiment"].models["g0"]._session
        before = kept.used
        lifecycle._watch()
        assert kept.used == before
        answers_of(engine, "/sentiment", [GOOD], "hau")
        assert kept.used > before


def test_a_canary_does_not_load_a_group_that_was_unloaded_while_it_waited(tiny, one_fits, monkeypatch):
    gate = Gate()
    watch(monkeypatch, gate)
    with living(tiny, memory_mb=1) as (lifecycle, engine):
        assert in_memory(engine) == ["g1"]
        gate.close()

        def begin(waiting, function, *arguments):
            thread = threading.Thread(target=function, args=arguments)
            thread.start()
            while engine._scheduler.texts < waiting:
                time.sleep(0.001)
            return thread

        threads = [begin(0, answers_of, engine, "/sentiment", [SWEET], "pcm")]
        assert gate.reached.wait(20)
        threads += [begin(1, answers_of, engine, "/sentiment", [GOOD], "hau"), begin(2, lifecycle._watch)]
        gate.opened.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        lifecycle.require_ready()
        assert in_memory(engine) == ["g0"]  # the last request's, not the canary's


def version(tiny, directory, *, broken=False):
    """Write another version of the bundle with the same files, or with one that is whole but no model."""
    shutil.copytree(tiny, directory)
    if broken:
        (directory / "groups/g1/model.onnx").write_bytes(b"no model")
    tiny_bundle.write_manifest(directory, name=directory.name, threshold=0.5)
    return directory


def titles(engine):
    """Ask both groups, of which one is out of memory each time, and return which bundle answered."""
    asked = [(GOOD, "hau"), (SWEET, "pcm"), (GOOD, "hau")]
    return {answers_of(engine, "/sentiment", [text], code)[0].bundle for text, code in asked}


def test_a_group_is_loaded_again_from_the_served_version_whatever_the_link_names(tiny, one_fits, tmp_path):
    link = tmp_path / "served"

    def point_at(target):
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)

    old = version(tiny, tmp_path / "old")
    point_at(old)
    with living(link, memory_mb=1) as (lifecycle, engine):
        refused = version(tiny, tmp_path / "refused", broken=True)
        point_at(refused)
        assert titles(engine) == {"old@1.0.0"}
        with pytest.raises(BundleError):
            lifecycle.reload_now()
        assert titles(engine) == {"old@1.0.0"}
        shutil.rmtree(refused)  # it shares a file with the old version, which must not be looked for here
        assert titles(engine) == {"old@1.0.0"}
        point_at(version(tiny, tmp_path / "new"))
        shutil.rmtree(old)  # all files of the old version are in the new one: whoever waits for them finds them
        lifecycle.reload_now()
        assert titles(engine) == {"new@1.0.0"}
