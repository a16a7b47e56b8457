"""``gradsim-serve predict``: answer the texts of a file or a pipe, without a server."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import click

from gradsim_runtime.sessions import Provider
from gradsim_serving.cli._json_lines import Answering, answered_lines, encoded, read_lines
from gradsim_serving.cli._one_line_errors import SETTINGS, OneLineErrors
from gradsim_serving.cli._progress import Progress
from gradsim_serving.cli._tables import FORMS, read_rows, rows_encoder
from gradsim_serving.options import DEFAULTS
from gradsim_shared.bundle import read_manifest
from gradsim_shared.columns import PAIR_COLUMNS, QUESTION_COLUMNS
from gradsim_shared.decoding import sent_type
from gradsim_shared.errors import RequestError, SettingsError
from gradsim_shared.manifest import Policy
from gradsim_shared.segments import HOLDS, Pair, Question, Sent

BATCH = 512


@click.command(cls=OneLineErrors, context_settings=SETTINGS)
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--input", "source", metavar="FILE", default="-", help="Lines to answer; - is standard input.")
@click.option("--output", "target", metavar="FILE", default="-", help="Where answers go; - is standard output.")
@click.option("--plain", is_flag=True, help="Each line of the input is a text, as it is.")
@click.option(
    "--input-format",
    type=click.Choice(["jsonl", *FORMS]),
    show_default="by the ending of --input, else jsonl",
    help="Its form.",
)
@click.option(
    "--output-format",
    type=click.Choice(["jsonl", "csv"]),
    show_default="by the ending of --output, else jsonl",
    help="Its form.",
)
@click.option(
    "--text-column", metavar="NAME", show_default="text; in a table review, tweet, ... too", help="The text's."
)
@click.option("--second-column", metavar="NAME", show_default="text_b, hypothesis, ...", help="Of pairs: the second's.")
@click.option(
    "--language-column", metavar="NAME", show_default="language; in a table lang, too", help="The language's."
)
@click.option("--language", metavar="CODE", help="Of lines that name none; without it, it is identified.")
@click.option(
    "--policy",
    type=click.Choice(["best", "soft", "reject", "fallback"]),
    show_default="as the bundle says",
    help="What to do with texts of uncertain language.",
)
@click.option("--batch", default=BATCH, type=click.IntRange(1), help="Lines that are answered at once.")
@click.option(
    "--threads",
    envvar="GRADSIM_THREADS",
    type=click.IntRange(1),
    show_default="one for each core that may be used",
    help="Threads that compute.",
)
@click.option(
    "--provider",
    envvar="GRADSIM_PROVIDER",
    show_envvar=True,
    default=DEFAULTS.provider,
    type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
    help="What runs the models; auto: a GPU where onnxruntime can use one, else the CPU.",
)
@click.option("--keep-going", is_flag=True, help="Exit with 0 although some lines could not be answered.")
def command(
    bundle: Path,
    *,
    source: str,
    target: str,
    plain: bool,
    input_format: str | None,
    output_format: str | None,
    text_column: str | None,
    second_column: str | None,
    language_column: str | None,
    language: str | None,
    policy: Policy | None,
    batch: int,
    threads: int | None,
    provider: Provider,
    keep_going: bool,
) -> None:
    """Answer the texts of a file, without a server: JSON lines or a table in, JSON lines or CSV out.

    A line of the input is {"text": "...", "language": "hau", "id": 7}; only text is needed, and every field is kept.
    For a bundle that answers pairs it has text_a and text_b, premise and hypothesis, sentence1 and sentence2, or
    question1 and question2; for one that answers questions, question and context.
    Its line of the output has the field "prediction" beside them, as the service answers it, or "error". Of a table
    (CSV, TSV) the rows are answered, and every column is kept. Lines keep their order. Exit code 1: some lines could
    not be answered.

    Such as: gradsim-serve predict runs/demo/bundle < texts.jsonl > answers.jsonl, or with --input reviews.csv
    --output answers.csv
    """
    form = input_format or ("jsonl" if plain else _form(source))
    written = output_format or _form(target)
    if plain and form != "jsonl":
        raise click.UsageError("--plain: the lines of a table are no plain texts; leave it out.")
    with ExitStack() as opened:
        _require_two_files(source, target)
        stream = opened.enter_context(_opened(source, "rb", "--input"))
        kind = sent_type(read_manifest(bundle).task)  # the common mistakes, before heavy imports
        if kind is not str and plain:
            raise click.UsageError(f"--plain: a line is one text, and this bundle answers {HOLDS[kind]}; leave it out.")
        if kind is Question and (text_column or second_column):
            raise click.UsageError("--text-column, --second-column: of questions the columns are question and context.")
        if form == "jsonl":
            texts = QUESTION_COLUMNS if kind is Question else _fields(text_column, second_column, pairs=kind is Pair)
            lines = read_lines(stream, plain=plain, texts=texts, language=language_column or "language", kind=kind)
        else:
            lines = read_rows(stream, form, text_column, language_column, second_column=second_column, kind=kind)
        encode = rows_encoder() if written == "csv" else encoded
        answer = _answering(bundle, threads, provider, policy, language)
        out = opened.enter_context(_opened(target, "wb", "--output"))
        progress = opened.enter_context(Progress(sys.stderr))
        try:
            for batch_of_lines in answered_lines(lines, answer, language=language, batch=batch):
                _write(out, encode(batch_of_lines))
                progress.add(batch_of_lines)
        except BrokenPipeError:
            _end_quietly(signal.SIGPIPE)
        except KeyboardInterrupt:
            progress.clear()
            _end_quietly(signal.SIGINT)
    if progress.errors and not keep_going:
        message = f"{progress.errors} of {progress.lines} lines could not be answered; their error says why"
        raise click.ClickException(message)


def _answering(
    directory: Path, threads: int | None, provider: Provider, policy: Policy | None, language: str | None
) -> Answering:
    """Load a bundle, and return what answers a batch with it; a wrong ``--language`` is one error, not one a line.

    Raises:
        BundleError: It cannot be opened.
        SettingsError: The provider cannot run models here.
        RequestError: The bundle does not know the language.
    """
    from gradsim_runtime import Bundle, Prediction
    from gradsim_runtime.predictions import OtherPrediction
    from gradsim_serving.http.results import plain, plain_route

    if threads is not None:
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))  # of tokenizers, which takes all cores without it
    bundle = Bundle.open(directory, threads=threads, provider=provider).load()
    if language is not None:
        bundle.predictor.routes([""], language)

    def record(prediction: Prediction) -> dict[str, Any]:
        """Return a prediction as the service writes it: its task's fields stand beside the others."""
        content = prediction.content if isinstance(prediction, OtherPrediction) else prediction
        return plain(content) | {"truncated": prediction.truncated, "route": plain_route(prediction.route)}

    def answer(texts: Sequence[Sent], languages: Sequence[str | None]) -> list[dict[str, Any] | RequestError]:
        results = bundle.predict(texts, languages, policy=policy, errors="return")
        return [result if isinstance(result, RequestError) else record(result) for result in results]

    return answer


def _fields(first: str | None, second: str | None, *, pairs: bool) -> tuple[str, ...] | None:
    """Return the fields of the text, or of both of a pair; ``None``: those of a pair have usual names."""
    if not pairs:
        return (first or "text",)
    return None if first is None and second is None else (first or PAIR_COLUMNS[0][0], second or PAIR_COLUMNS[0][1])


def _form(name: str) -> str:
    ending = Path(name).suffix.lower().removeprefix(".")
    return ending if ending in FORMS else "jsonl"


def _opened(name: str, mode: str, option: str) -> BinaryIO:
    """Open a file, or for ``-`` the standard stream.

    Raises:
        SettingsError: That cannot be done.
    """
    try:
        return cast("BinaryIO", click.open_file(name, mode))
    except OSError as error:
        raise SettingsError(f"cannot open {name}: {error.strerror}; give another {option}") from error


def _require_two_files(source: str, target: str) -> None:
    """Raise ``SettingsError`` if the output would overwrite the input."""
    if "-" not in (source, target) and Path(target).exists() and Path(target).samefile(source):
        raise SettingsError(f"--output {target} is the input; give it another name")


def _write(out: BinaryIO, lines: bytes) -> None:
    """Write lines, and have them seen at once; an interrupt waits until all of them are written.

    Raises:
        SettingsError: The disk is full, or the like.
    """
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        out.write(lines)
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):  # else what cannot be written is tried again at the end
            out.close()
        raise SettingsError(f"cannot write the output: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


def _end_quietly(number: int) -> NoReturn:
    """End at once with the exit code of a command that a signal ended; what is whole has been written."""
    sys.stderr.flush()
    os._exit(128 + number)
