"""What ``keep_memory()`` buys: training steps of the mini encoder with it, against the same steps without.

The baseline is ``without``: glibc gives large freed blocks back to the kernel, and the gradients of big embeddings are
fetched anew, page by page, in every step. Each block of steps (forward, backward, clip, step) runs in a process of its
own, since the setting cannot be taken back; the two are interleaved, ratios are of neighbours.

    python bench/training_step.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _report

PARTS = ("forward", "backward", "clip", "step")
NAMES = ("without", "with")


def main() -> None:
    """Measure in two kinds of processes, and report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", metavar="DIR", help="a mini encoder; none: one is made, untrained")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    parser.add_argument("--steps", type=_report.at_least(1), default=60, help="steps of a block  [60]")
    parser.add_argument("--warm-up", type=_report.at_least(1), default=10, help="steps before each block  [10]")
    parser.add_argument("--repeats", type=_report.at_least(5), default=5, help="blocks of each kind  [5]")
    parser.add_argument("--block", choices=NAMES, help="run one block in this process and print it as JSON")
    chosen = parser.parse_args()
    if chosen.block:
        print(json.dumps(block(chosen.encoder, chosen.data_dir, chosen.block, chosen.warm_up, chosen.steps)))
        return
    content = _report.start()
    with tempfile.TemporaryDirectory() as folder:
        encoder = chosen.encoder or _made_encoder(chosen.data_dir, Path(folder))
        options = ["--encoder", encoder, "--steps", str(chosen.steps), "--warm-up", str(chosen.warm_up)]
        if chosen.data_dir:
            options += ["--data-dir", str(chosen.data_dir)]
        by_name: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
        for _, name in _report.interleaved(NAMES, chosen.repeats):
            by_name[name].append(_in_own_process([*options, "--block", name]))
    figures = {
        name: {column: [times[column] for times in blocks] for column in blocks[0]} for name, blocks in by_name.items()
    }
    print(f"{chosen.repeats} x {chosen.steps} steps of each; milliseconds per step:")
    rows = [
        [
            part,
            *(_report.in_words(figures[name][part], 2) for name in NAMES),
            _report.in_words(_report.ratios(figures["with"][part], figures["without"][part])),
        ]
        for part in (*PARTS, "whole")
    ]
    _report.table(["", *NAMES, "ratio to without"], rows)
    for column, title in (("page_faults", "page faults per step"), ("peak_megabytes", "peak memory, MB")):
        print(f"{title}: " + ", ".join(f"{name} {_report.in_words(figures[name][column], 0)}" for name in NAMES))
    whole = _report.spread(_report.ratios(figures["with"]["whole"], figures["without"]["whole"]))
    _report.finish(chosen.json, {**content, "figures": figures, "ratio": whole})


def block(encoder: str, data_dir: Path | None, name: str, warm_up: int, steps: int) -> dict[str, float]:
    """Run some steps in this process and return milliseconds per step, page faults per step and peak memory."""
    import _mini
    import torch

    from gradsim_offline.core.devices import keep_memory
    from gradsim_offline.tasks.text_classification import collate

    if name == "with":
        keep_memory()
    dataset = _mini.load_data(data_dir)
    rows, pad_id = _mini.encode_rows(dataset, encoder)
    trainee = _mini.new_trainee(encoder, dataset.labels, torch.device("cpu"))
    lay_out = collate(rows, pad_id)
    spent = dict.fromkeys(PARTS, 0.0)
    faults = 0
    for number, indices in enumerate(_mini.batches(rows, warm_up + steps)):
        if number == warm_up:
            spent, faults = dict.fromkeys(PARTS, 0.0), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        batch = lay_out(indices, 0, 0)
        times = [time.perf_counter()]
        loss = trainee.forward(batch).loss
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        trainee.clip()
        times.append(time.perf_counter())
        trainee.step()
        times.append(time.perf_counter())
        for part, begin, end in zip(PARTS, times, times[1:], strict=False):
            spent[part] += end - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    milliseconds = {part: 1000 * seconds / steps for part, seconds in spent.items()}
    return {
        **milliseconds,
        "whole": sum(milliseconds.values()),
        "page_faults": (used.ru_minflt - faults) / steps,
        "peak_megabytes": used.ru_maxrss * 1024 / 1e6,
    }


def _made_encoder(data_dir: Path | None, folder: Path) -> str:
    import _mini

    return _mini.make_encoder(_mini.load_data(data_dir), folder)


def _in_own_process(options: list[str]) -> dict[str, float]:
    """Run one block in a new process and return its figures."""
    done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    _report.run(main)
