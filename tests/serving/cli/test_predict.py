"""``gradsim-serve predict``: what goes in, what comes out, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import onnxruntime
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from real_server import SOURCES

from gradsim_serving.cli import main
from gradsim_serving.cli._json_lines import BATCH_BYTES, LINE_BYTES, Line, answered_lines, read_lines
from gradsim_serving.cli._progress import Progress
from gradsim_shared.errors import RequestError


def predict(bundle, *arguments, lines=b""):
    """Run the command to its end, and return its result and the objects that it wrote."""
    given_lines = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    result = CliRunner().invoke(main, ["predict", str(bundle), "--threads", "1", *arguments], input=given_lines)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def command(bundle, *arguments):
    """Return the command line of a process of its own."""
    return [sys.executable, "-m", "gradsim_serving", "predict", str(bundle), "--threads", "1", *arguments]


def words(texts, languages):
    """Stand in for a bundle: refuse the language xyz, answer with the text."""
    refusal = RequestError("unknown language 'xyz'", code="unknown_language")
    return [
        refusal if language == "xyz" else {"label": text, "route": language}
        for text, language in zip(texts, languages, strict=True)
    ]


def test_fields_are_kept_and_answers_are_those_of_the_service(tiny, direct):
    lines = [
        {"id": 7, "text": "Wannan fim yana da kyau sosai", "label": "gold"},
        {"text": "Filamu hii ni mbaya sana", "language": "sw", "nested": {"a": [1]}},
        {"text": "ይህ ፊልም በጣም ጥሩ ነው", "language": None, "id": "x"},
    ]
    result, found = predict(tiny, lines=lines)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [{name: value for name, value in line.items() if name != "prediction"} for line in found] == lines
    served = direct.ask(*(line["text"] for line in lines), language=[None, "sw", None]).json()["predictions"]
    for one, other in zip(found, served, strict=True):
        assert one["prediction"]["label"] == other["label"]
        assert one["prediction"]["score"] == pytest.approx(other["score"], abs=1e-5)
        assert one["prediction"]["route"]["language"] == other["route"]["language"]
        assert one["prediction"]["route"]["reason"] == other["route"]["reason"]


def test_a_task_without_a_type_of_predictions_is_written_as_the_others_are(tiny, monkeypatch):
    lines = [{"text": "Wannan fim yana da kyau sosai"}]
    _, (typed,) = predict(tiny, lines=lines)
    monkeypatch.setattr("gradsim_runtime.predictions.TYPES", {})
    _, (untyped,) = predict(tiny, lines=lines)
    assert untyped == typed
    assert list(typed["prediction"]) == ["label", "score", "scores", "truncated", "route"]


@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_provider_can_be_named(tiny, monkeypatch, by):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("GRADSIM_PROVIDER", "cuda" if by == "environment" else "cpu")
    named = ["--provider", "cuda"] if by == "option" else []
    result, _ = predict(tiny, *named, lines=[{"text": "a b"}])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: cuda cannot run the models: the installed onnxruntime ")


def test_bad_lines_become_errors_in_place(tiny):
    good = b'{"text": "Wannan fim yana da kyau"}'
    bad = [
        (b"{", "malformed_json"),
        (b"[1]", "invalid_request"),
        (b'{"id": 1}', "invalid_request"),
        (b'{"text": 3}', "invalid_text"),
        (b'{"text": " "}', "empty_text"),
        (b'{"text": "\\ud800"}', "invalid_text"),
        (b'{"text": "a", "language": 3}', "invalid_language"),
        (b'{"text": "a", "language": "xyz"}', "unknown_language"),
        (b'{"text": "\xff"}', "invalid_encoding"),
        (b"x" * (LINE_BYTES + 1), "line_too_long"),
        (b"[" * 100_000, "malformed_json"),
        (b'{"text": "a", "views": NaN}', "invalid_number"),
        (b'{"text": "a", "views": [-Infinity]}', "invalid_number"),
        (b'{"text": "a", "views": 1e400}', "invalid_number"),
        (b'{"text": "a", "text": "b"}', "repeated_key"),
        (b'{"text": "a", "of": {"id": 1, "id": 1}}', "repeated_key"),
    ]
    lines = b"\n".join(part for line, _ in bad for part in (line, good)) + b"\n\n"
    result, found = predict(tiny, lines=lines)
    assert result.exit_code == 1
    assert result.stderr == "Error: 16 of 32 lines could not be answered; their error says why\n"
    assert [line["error"]["code"] for line in found[::2]] == [code for _, code in bad]
    assert [line["error"]["line"] for line in found[::2]] == list(range(1, 33, 2))
    assert all("prediction" in line for line in found[1::2])
    assert found[4]["id"] == 1
    assert found[26]["error"]["message"].startswith("the line holds 1e400, which cannot be written as JSON again")
    assert predict(tiny, "--keep-going", lines=lines)[0].exit_code == 0


def test_plain_lines_and_a_language_for_all(tiny):
    result, found = predict(tiny, "--plain", "--language", "ha", lines="\ufeffWannan fim\r\n\n{}\nend".encode())
    assert [line.get("text") for line in found] == ["Wannan fim", "", "{}", "end"]
    assert found[1]["error"]["code"] == "empty_text"
    assert {line["prediction"]["route"]["language"] for line in found if "prediction" in line} == {"hau"}
    assert result.exit_code == 1


def test_a_file_to_a_file(tiny, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "Wannan fim"}\n' * 5, encoding="utf-8")
    result, _ = predict(tiny, "--input", str(source), "--output", str(target), "--batch", "2")
    assert (result.exit_code, result.output) == (0, "")
    assert len(target.read_text(encoding="utf-8").splitlines()) == 5
    result, _ = predict(tiny, "--input", str(source), "--output", str(source))
    assert result.stderr == f"Error: --output {source} is the input; give it another name\n"
    assert source.stat().st_size == 115


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nothing.jsonl"], "Error: cannot open nothing.jsonl: No such file or directory; give another"),
        (["--output", "/nothing/here"], "Error: cannot open /nothing/here: No such file or directory; give another"),
        (["--output", "/dev/full"], "Error: cannot write the output: No space left on device"),
        (["--language", "xyz"], "Error: unknown language 'xyz'"),
    ],
)
def test_what_cannot_be_is_one_line(tiny, arguments, message):
    result, _ = predict(tiny, *arguments, lines=[{"text": "Wannan fim"}])
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("lines", [[{"text": "Wannan fim"}], [{"text": "a", "language": "xyz"}]])
def test_no_thread_is_left_behind(tiny, lines):
    before = set(threading.enumerate())
    predict(tiny, lines=lines)
    assert set(threading.enumerate()) <= before


def test_threads_bound_the_tokenizers_too(tiny):
    program = (
        "import os, sys\n"
        "from gradsim_serving.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print(len(os.listdir('/proc/self/task')), file=sys.stderr)"  # Linux: of all libraries, not of Python alone
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "predict", str(tiny), "--threads", "1"],
        input=b'{"text": "Wannan fim"}\n' * 9,
        capture_output=True,
        check=True,
        env={
            name: value
            for name, value in os.environ.items()
            if name not in ("RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM")
        }
        | {"PYTHONPATH": SOURCES, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert int(done.stderr) <= 2  # the main one, and one of the tokenizers


def test_no_bundle_and_no_lines(tiny, tmp_path):
    result, _ = predict(tmp_path)
    assert result.stderr.startswith(f"Error: {tmp_path} is no bundle")
    result, found = predict(tiny)
    assert (result.exit_code, found) == (0, [])


def test_a_reader_that_goes_away_ends_it_quietly(tiny, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "Wannan fim"}\n' * 4000, encoding="utf-8")
    process = subprocess.Popen(
        command(tiny, "--input", str(source), "--batch", "16"),
        env=os.environ | {"PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(30), process.stderr.read()) == (128 + signal.SIGPIPE, b"")
    process.stderr.close()


def test_an_interrupt_leaves_whole_lines(tiny):
    process = subprocess.Popen(
        command(tiny, "--batch", "1"),
        env=os.environ | {"PYTHONPATH": SOURCES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - background jobs ignore it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"text": "Wannan fim"}\n')
    process.stdin.flush()
    first = process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert "prediction" in json.loads(first)
    assert (process.returncode, rest, errors) == (130, b"", b"")


@given(st.lists(st.sampled_from(["good", "xyz", "broken"]), max_size=20), st.integers(1, 7))
@settings(deadline=None)
def test_whatever_is_bad_every_line_comes_out_in_its_place(kinds, batch):
    lines = [
        Line(number, {"id": number}, str(number), "xyz" if kind == "xyz" else None, size=1)
        if kind != "broken"
        else Line(number, {}, error=RequestError("broken", code="malformed_json"), size=1)
        for number, kind in enumerate(kinds, 1)
    ]
    batches = list(answered_lines(lines, words, language="hau", batch=batch))
    assert all(len(together) <= batch for together in batches)
    found = [record for together in batches for record in together]
    expected = {"good": "prediction", "xyz": "error", "broken": "error"}
    assert [next(name for name in ("prediction", "error") if name in record) for record in found] == [
        expected[kind] for kind in kinds
    ]
    for number, (kind, record) in enumerate(zip(kinds, found, strict=True), 1):
        if kind == "good":
            assert record == {"id": number, "prediction": {"label": str(number), "route": "hau"}}
        else:
            assert record["error"]["line"] == number


def test_a_policy_for_all(tiny):
    lines = [{"text": "Здравствуйте, как дела"}, {"text": "Wannan fim yana da kyau"}]
    result, found = predict(tiny, "--policy", "reject", lines=lines)
    assert [line.get("error", {}).get("code") for line in found] == ["unsupported_language", None]
    assert result.exit_code == 1
    result, found = predict(tiny, "--policy", "best", lines=lines)
    assert result.exit_code == 0


def test_batches_are_bounded_in_bytes():
    lines = (Line(number, {}, "a", size=BATCH_BYTES // 2) for number in range(5))
    assert [len(together) for together in answered_lines(lines, words, language=None, batch=99)] == [2, 2, 1]


@given(st.binary(max_size=60), st.booleans())
@settings(deadline=None)
def test_no_bytes_break_the_reader(data, plain):
    for line in read_lines(io.BytesIO(data), plain=plain):
        assert (line.error is None) == bool(line.text)


def test_progress_is_for_terminals():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), "2 lines, 1 errors"), (io.StringIO(), "")):
        with Progress(stream) as progress:
            progress.add([{"error": {}}, {}])
        assert (shown in stream.getvalue()) if shown else not stream.getvalue()
        assert (progress.lines, progress.errors) == (2, 1)
