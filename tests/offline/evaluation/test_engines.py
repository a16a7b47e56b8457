"""Engines: order, notes, threads, failures and lost workers; comparisons are the same whichever runs them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import engine_jobs
import pytest

from gradsim_offline.core import plugins
from gradsim_offline.core.engine import Job, open_engine
from gradsim_offline.training.task import load_task
from gradsim_shared.errors import GradsimError

from ..program import gradsim
from .conftest import METHODS
from .test_compare import result_of, without_seconds

PROGRAM = [sys.executable, "-c", "from gradsim_offline.cli import main; main()"]


def gone(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come so far"
        time.sleep(0.02)


def answers(run):
    """Return what every model of a run answered, by its folder."""
    return {
        str(path.relative_to(run)): json.loads(path.read_text(encoding="utf-8"))["answers"]
        for path in sorted(run.rglob("predictions.json"))
    }


def same(run, other):
    assert answers(run) == answers(other)
    assert without_seconds(result_of(run)) == without_seconds(result_of(other))


def test_processes_give_results_in_order_survive_a_lost_worker_and_name_what_fails(counting, tmp_path):
    progress = counting()
    with open_engine(jobs=2, job_cpus=1) as engine:
        jobs = [Job(f"job {i}", partial(engine_jobs.say, progress, i)) for i in range(3)]
        jobs.insert(1, Job("dies", partial(engine_jobs.die_once, tmp_path / "flag")))
        found = list(engine.run(jobs, progress))
        assert [found[0][0], found[1], found[2][0], found[3][0]] == [0, "alive", 1, 2]
        assert progress.notes == ["number 0", "number 1", "number 2"]
        workers = {pid for _, pid, threads in (found[0], *found[2:]) if threads == "1"}
        assert workers and os.getpid() not in workers
        failing = [jobs[0], Job("group g2", partial(engine_jobs.fail, 0)), jobs[2]]
        with pytest.raises(GradsimError, match="group g2: unexpected ZeroDivisionError: cannot divide by 0"):
            list(engine.run(failing, progress))
    wait_for(lambda: all(map(gone, workers)))


@pytest.mark.parametrize("name", plugins.names("tasks"))
def test_every_task_travels_to_a_worker(name):
    task = load_task(name)
    travelled = pickle.loads(pickle.dumps(task))
    assert travelled.decoder is task.decoder and travelled.collate is task.collate


@pytest.mark.slow
def test_a_job_that_always_kills_its_process_ends_in_one_line(counting):
    with open_engine(jobs=2) as engine, pytest.raises(GradsimError, match=r"dies: .* killed 4 times.* fewer --jobs"):
        list(engine.run([Job("dies", engine_jobs.die)], counting()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "ray", "--jobs", "2"], "--jobs is for the local engine"),
        (["--job-gpus", "1"], "--job-gpus is for --engine ray"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, tmp_path, options, message):
    code, _, said = gradsim(*words("compare", tmp_path / "run", METHODS), *options)
    assert code == 1 and message in said and said.count("\n") == 1


@pytest.mark.slow
def test_a_comparison_in_processes_equals_one_in_this_process(compared, words, tmp_path):
    code, _, said = gradsim(
        *words("compare", tmp_path / "run", METHODS, permutations=300), "--jobs", 2, "--job-cpus", 1
    )
    assert code == 0, said
    same(tmp_path / "run", compared[0])
    heads = [line.split(", about")[0] for line in said.splitlines() if ", model " in line]
    assert heads == [line.split(", about")[0] for line in compared[2].splitlines() if ", model " in line]


@pytest.mark.slow
def test_heads_over_a_frozen_encoder_that_workers_share_answer_the_same(words, tiny_xlmr, tmp_path):
    given = {"model": tiny_xlmr, "seeds": 1, "epochs": None}
    over = ["--set", "training.trained_blocks=0", "--no-test"]
    for name, jobs in (("one", 1), ("two", 2)):
        command = words("compare", tmp_path / name, METHODS, **given)
        code, _, said = gradsim(*command, *over, "--jobs", jobs, "--job-cpus", 1)
        assert code == 0, said
    same(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_comparison_that_is_ended_leaves_no_worker_and_goes_on_to_the_same_end(compared, words, tmp_path, how):
    given = [*map(str, words("compare", tmp_path / "run", METHODS, permutations=300)), "--jobs", "2", "--job-cpus", "1"]
    process = subprocess.Popen([*PROGRAM, *given], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: list(tmp_path.glob("run/seed-*/measuring/*/stage.json")) or process.poll() is not None)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    wait_for(lambda: all(map(gone, children)), seconds=10)
    if how == signal.SIGINT:
        assert process.returncode == 130 and said.strip().endswith("The same command resumes where it stopped.")
    code, _, said = gradsim(*given)
    assert code == 0, said
    same(tmp_path / "run", compared[0])


def test_a_cluster_that_is_not_there_is_one_line(words, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    code, shown, said = gradsim(*words("compare", tmp_path / "run", METHODS), "--engine", "ray")
    assert (code, shown, said.count("\n")) == (1, "", 1) and list(tmp_path.iterdir()) == []
    assert said.startswith("Error: --engine ray: no cluster at RAY_ADDRESS=127.0.0.1:1: ")


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_worker_and_a_node_ends_at_the_same(compared, words, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    def workers():
        found = subprocess.run(["pgrep", "-f", "^ray::run_job"], stdout=subprocess.PIPE, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        given = [*map(str, words("compare", tmp_path / "run", METHODS, permutations=300)), "--engine", "ray"]
        process = subprocess.Popen(
            [*PROGRAM, *given],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAY_ADDRESS": cluster.address},
        )
        wait_for(lambda: workers() or process.poll() is not None)
        wait_for(lambda: list(tmp_path.glob("run/seed-*/measuring/*/stage.json")) or process.poll() is not None)
        os.kill(workers()[0], signal.SIGKILL)
        wait_for(lambda: list(tmp_path.glob("run/seed-*/predictions/*/stage.json")) or process.poll() is not None, 300)
        cluster.remove_node(node)
        _, said = process.communicate(timeout=400)
        assert process.returncode == 0, said
    finally:
        cluster.shutdown()
    same(tmp_path / "run", compared[0])
