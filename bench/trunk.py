"""Groups on one shared trunk beside a whole model for each group, and a bare onnxruntime loop over one whole model.

python bench/trunk.py --encoder runs/demo/encoder --form int8 --json trunk.json

The encoder, a directory in Hugging Face's form, is cut to the pieces of AfriSenti's training texts. The trunk is all of
it: means over tokens of the outputs of two blocks; the groups have random linear heads. Whole models are the same in
fp32. Traffic is AfriSenti's test texts, languages skewed and given, 32 callers with one text at a time; the bare loop
gets token ids in batches of 32 of like length.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import _report
import _trunk_bundles as bundles
from _serving import traffic

from gradsim_offline.datasets.source import load_source
from gradsim_runtime.loading import load_group_model
from gradsim_runtime.sessions import SessionSettings
from gradsim_serving.app import create_engine
from gradsim_serving.engine.engine import Engine
from gradsim_serving.options import Options
from gradsim_shared.bundle import open_bundle
from gradsim_shared.group_model import GroupModel

CALLERS = 32
GROUPS = (1, 4, 12)
WHOLE, BARE = "4 whole fp32 models", "bare loop, 1 whole fp32 model"

WINDOW = 512
"""Texts among which the bare loop may choose those of like length."""

Asked = Sequence[tuple[str, str]]
"""Language and text."""
Speed = dict[str, float]
"""Texts a second, and a second of one core: what else runs on the machine matters less to the latter."""


def main() -> None:
    """Export, measure and print."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--form", choices=bundles.FORMS, default="int8", help="weights of the trunk")
    parser.add_argument("--blocks", type=int, nargs="+", default=[8, 12], help="whose outputs are pooled")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--repeats", type=_report.at_least(1), default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=_report.at_least(1), default=2)
    parser.add_argument("--runners", type=_report.at_least(1), default=1)
    arguments = parser.parse_args()
    content = _report.start()
    codes = load_source("afrisenti").load(arguments.data_dir).languages
    asked = traffic.with_languages("afrisenti", arguments.data_dir, codes, traffic.REQUESTS)
    options = Options(threads=arguments.threads, runners=arguments.runners, check_given=0.0, canary_seconds=0)
    with tempfile.TemporaryDirectory() as scratch:
        made = _make(arguments.encoder, arguments.blocks, arguments.form, arguments.data_dir, codes, Path(scratch))
        resident = {name: _resident(bundle, asked, options) for name, bundle in made.items()}
        systems = {name: _engine(bundle, options) for name, bundle in made.items()}
        whole = open_bundle(made[WHOLE])
        settings = SessionSettings(threads=arguments.threads)
        bare = load_group_model(whole.path, whole.manifest.groups[0], whole.manifest, settings)
        runs: dict[str, Callable[[], Speed]] = {
            name: lambda engine=engine: asyncio.run(_closed(engine, asked, arguments.seconds))  # type: ignore[misc]
            for name, engine in systems.items()
        }
        batches = _batches(bare, asked)
        runs[BARE] = lambda: _bare(bare, batches, arguments.seconds)
        found: dict[str, list[Speed]] = {name: [] for name in runs}
        for _, name in _report.interleaved([*runs], arguments.repeats):
            found[name].append(runs[name]())
        for engine in systems.values():
            engine.end()
    _show(found, resident)
    one, most = (found[_name(count, arguments.form)] for count in (GROUPS[0], GROUPS[-1]))
    print(
        f"{GROUPS[-1]} groups to 1: {_ratios(most, one, 'texts/s')}; {_ratios(most, one, 'texts/core s')} by CPU time"
    )
    _report.finish(arguments.json, content | {"speeds": found, "resident MB": resident})


def _show(found: Mapping[str, Sequence[Speed]], resident: Mapping[str, float]) -> None:
    """Print speed, ratios and memory of every system."""
    head = [
        "median (smallest to largest)",
        "texts/s",
        "to whole",
        "to bare",
        "texts/core s",
        "to whole",
        "to bare",
        "MB",
    ]
    rows = []
    for name, speeds in found.items():
        row = [name]
        for figure in ("texts/s", "texts/core s"):
            row.append(_report.in_words([speed[figure] for speed in speeds], 0))
            row += [_ratios(speeds, found[other], figure) for other in (WHOLE, BARE)]
        memory = f"{resident[name]:.0f} ({resident[name] / resident[WHOLE]:.2f})" if name in resident else ""
        rows.append([*row, memory])
    _report.table(head, rows)


def _ratios(speeds: Sequence[Speed], others: Sequence[Speed], figure: str) -> str:
    return _report.in_words(_report.ratios(*([each[figure] for each in of] for of in (speeds, others))), 2)


def _name(groups: int, form: str) -> str:
    return f"{groups} {'group' if groups == 1 else 'groups'} on a trunk in {form}"


def _make(
    encoder: Path, blocks: Sequence[int], form: bundles.Form, data: Path | None, codes: Sequence[str], scratch: Path
) -> dict[str, Path]:
    """Return the bundles that are compared."""
    from gradsim_offline.models.trimming import trim

    dataset = load_source("afrisenti").load(data, list(codes))
    (scratch / "encoder").mkdir()
    trim(encoder, (one.text for code in codes for one in dataset.split(code, "train")), scratch / "encoder")
    tokenizer = scratch / "encoder/tokenizer.json"
    width = bundles.export(scratch / "encoder", blocks, scratch / "exported.onnx")
    bundles.in_form(scratch / "exported.onnx", form, scratch / "trunk.onnx")
    made = {
        _name(count, form): bundles.on_trunk(
            scratch / f"trunk{count}", scratch / "trunk.onnx", width, tokenizer, _dealt(codes, count)
        )
        for count in GROUPS
    }
    models = [scratch / f"whole{number}.onnx" for number in range(4)]
    for number, model in enumerate(models):
        bundles.with_head(scratch / "exported.onnx", model, bundles.random_head(width, number))
    sizes = {"fp32": models[0], form: scratch / "trunk.onnx"}
    print(", ".join(f"{name}: {path.stat().st_size / 1e6:.0f} MB" for name, path in sizes.items()), flush=True)
    return {**made, WHOLE: bundles.whole(scratch / "whole", models, tokenizer, _dealt(codes, 4))}


def _dealt(codes: Sequence[str], count: int) -> dict[str, list[str]]:
    """Deal languages to groups in turn."""
    return {f"g{number}": list(codes[number::count]) for number in range(count)}


def _engine(bundle: Path, options: Options) -> Engine:
    life, engine = create_engine([bundle], options)
    engine.start()
    life.load()
    return engine


def _resident(bundle: Path, asked: Asked, options: Options) -> float:
    """Return the resident memory, MB, of a process of its own that has answered the texts."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_answer_all, (bundle, asked, options))


def _answer_all(bundle: Path, asked: Asked, options: Options) -> float:
    engine = _engine(bundle, options)
    asyncio.run(_closed(engine, asked, 10.0))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    engine.end()
    return int(status["VmRSS"].split()[0]) / 1000


async def _closed(engine: Engine, asked: Asked, seconds: float) -> Speed:
    """Let callers ask for one text after the other."""
    (endpoint,) = engine.served
    waiting, answered = itertools.cycle(asked), 0
    wall, cpu = time.monotonic(), time.process_time()

    async def ask() -> None:
        nonlocal answered
        while time.monotonic() < wall + seconds:
            language, text = next(waiting)
            await engine.answer(endpoint, [text], language)
            answered += 1

    await asyncio.gather(*(ask() for _ in range(CALLERS)))
    return _speed(answered, wall, cpu)


def _batches(model: GroupModel, asked: Asked) -> Iterator[list[list[int]]]:
    """Yield batches of token ids of like length without end, long and short ones in turn."""
    ids = [reading.ids[0] for reading in model.read([text for _, text in asked])]
    windows = [sorted(ids[first : first + WINDOW], key=len) for first in range(0, len(ids), WINDOW)]
    batches = [window[first : first + CALLERS] for window in windows for first in range(0, len(window), CALLERS)]
    random.Random(0).shuffle(batches)
    return itertools.cycle(batches)


def _bare(model: GroupModel, batches: Iterator[list[list[int]]], seconds: float) -> Speed:
    """Run the next batches with one model."""
    answered, wall, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() < wall + seconds:
        batch = next(batches)
        model.run_chunk(batch)
        answered += len(batch)
    return _speed(answered, wall, cpu)


def _speed(answered: int, wall: float, cpu: float) -> Speed:
    return {
        "texts/s": answered / (time.monotonic() - wall),
        "texts/core s": answered / (time.process_time() - cpu),
    }


if __name__ == "__main__":
    _report.run(main)
