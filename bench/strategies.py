"""What a training strategy costs: steps of the mini encoder with each, against the same steps of ``mixed``.

The baseline is ``mixed``, plain training. All strategies take the same AfriSenti batches of all twelve languages, from
the same weights, in interleaved blocks of one process; ratios are of neighbours. A step is the backward pass,
clipping and the optimizer.

    python bench/strategies.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _report

if TYPE_CHECKING:
    import _mini

    from gradsim_offline.core.dataset import Dataset

FOLDER = "strategies"


def main() -> None:
    """Measure and report."""
    from gradsim_offline.core import plugins
    from gradsim_offline.core.devices import keep_memory

    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoder", metavar="DIR", help="a mini encoder; none: one is made, untrained")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="AfriSenti; none: $GRADSIM_DATA/afrisenti")
    parser.add_argument("--device", default="cpu", help="cpu or cuda  [cpu]")
    parser.add_argument(
        "--strategies", nargs="+", choices=plugins.names(FOLDER), metavar="NAME", help="which ones  [all installed]"
    )
    parser.add_argument("--steps", type=_report.at_least(1), default=40, help="steps of a block  [40]")
    parser.add_argument("--warm-up", type=_report.at_least(1), default=5, help="steps before each block  [5]")
    parser.add_argument("--repeats", type=_report.at_least(5), default=5, help="blocks of each strategy  [5]")
    chosen = parser.parse_args()
    keep_memory()
    content = _report.start()
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(chosen, Path(folder))
    names = ["mixed", *(name for name in installed(chosen.strategies) if name != "mixed")]
    milliseconds: dict[str, list[float]] = {name: [] for name in names}
    for repeat, name in _report.interleaved(names, chosen.repeats):
        milliseconds[name].append(block(work, name, repeat, chosen.warm_up, chosen.steps))
    print(f"{chosen.repeats} x {chosen.steps} steps of each; milliseconds per step:")
    ratios = {name: _report.ratios(milliseconds[name], milliseconds["mixed"]) for name in names}
    _report.table(
        ["strategy", "milliseconds", "ratio to mixed"],
        [[name, _report.in_words(milliseconds[name], 1), _report.in_words(ratios[name])] for name in names],
    )
    spread = {name: _report.spread(ratios[name]) for name in names}
    _report.finish(chosen.json, {**content, "milliseconds": milliseconds, "ratio": spread})


def installed(asked: list[str] | None) -> list[str]:
    """Return the strategies whose packages are installed; of those that were asked for, all must be."""
    from gradsim_offline.core import plugins
    from gradsim_shared.errors import SettingsError

    names = []
    for name in asked or plugins.names(FOLDER):
        try:
            plugins.options(FOLDER, name, {})
        except SettingsError as error:
            if asked:
                raise
            print(f"left out: {error}")
        else:
            names.append(name)
    return names


def prepare(chosen: Any, folder: Path) -> dict[str, Any]:  # noqa: ANN401 - argparse's
    """Return model and optimizer, data, rows, batches, and the weights to go back to."""
    import _mini
    import torch

    dataset = _mini.load_data(chosen.data_dir)
    encoder = chosen.encoder or _mini.make_encoder(dataset, folder)
    rows, pad_id = _mini.encode_rows(dataset, encoder)
    trainee = _mini.new_trainee(encoder, dataset.labels, torch.device(chosen.device))
    batches = _mini.batches(rows, chosen.warm_up + chosen.steps)
    # one step, so that the optimizer's memory is there to be put back
    trainee.forward(_mini.task.collate(rows, pad_id)(batches[0], 0, 0)).loss.backward()
    trainee.step()
    return {
        "dataset": dataset,
        "rows": rows,
        "pad_id": pad_id,
        "trainee": trainee,
        "batches": batches,
        "start": trainee.save(),
    }


def block(work: dict[str, Any], name: str, repeat: int, warm_up: int, steps: int) -> float:
    """Train some steps with a strategy and return milliseconds per step."""
    import _mini

    from gradsim_offline.core.training_settings import Training
    from gradsim_offline.training.batching import to_device
    from gradsim_offline.training.fine_tune import make_strategy
    from gradsim_offline.training.strategy import StrategyContext

    trainee: _mini.Trainee = work["trainee"]
    dataset: Dataset = work["dataset"]
    trainee.restore(work["start"], seed=repeat)
    context = StrategyContext(
        languages=dataset.languages,
        examples={code: dataset.split(code, "train") for code in dataset.languages},
        rows=work["rows"],
        encode=lambda _code, _examples: [],
        lay_out=lambda rows: _mini.task.collate(rows, work["pad_id"]),
        batch_size=_mini.RECIPE.training.batch_size,
        options=None,
        seed=repeat,
    )
    strategy = make_strategy(context, Training(strategy=name))
    lay_out = context.lay_out(context.rows)
    started = time.perf_counter()
    for number, indices in enumerate(work["batches"][: warm_up + steps]):
        if number == warm_up:
            trainee.wait()
            started = time.perf_counter()
        batch = to_device(lay_out(indices, 0, number), trainee.device)
        strategy.backward(trainee.model, batch, indices, 0, number).item()
        trainee.clip()
        trainee.step()
    trainee.wait()
    return 1000 * (time.perf_counter() - started) / steps


if __name__ == "__main__":
    _report.run(main)
