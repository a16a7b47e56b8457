"""The map of when grouping pays: test score against K, by encoder and by the share of the labelled training texts.

Three encoders of the mini kind, alike but for what they read with: ``bag`` (n-grams and pieces as a bag), ``mini``
(the recipe's: n-grams beside a pre-trained transformer) and ``transformer`` (no n-grams to speak of). For each of
them and each share of the labelled training texts, GradSim's groups are trained for several K. Dev chooses the K, test
says what it gains. Interrupted, it goes on.

The share thins what measuring and training see, text and label together. What needs no label sees all training texts
at every share: the tokenizer, the IDF of the n-grams, and masked language modelling. So a small share is that of a task
with few labels and plenty of text, not that of a language with little text. One encoder serves all shares, for the
same reason.

    python bench/when_grouping_pays.py --out runs/map
    python bench/when_grouping_pays.py --encoders bag --shares 0.1 --groups 1,4,12
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import _grouping_map
import _report

from gradsim_offline.core.progress import Progress
from gradsim_offline.experiments.sweep import read_numbers, sweep_groups
from gradsim_offline.pipeline.recipes import resolve

ENCODERS = {
    "bag": ["pretraining.layers=0", "pretraining.epochs=0"],
    "mini": [],
    "transformer": ["pretraining.ngram_buckets=16", "pretraining.view_dropout=0"],
}


def point(encoder: str, share: float, groups: list[int], seeds: int, data: str, out: Path) -> dict[str, Any]:
    """Train and score one encoder at one share of the texts; return its place on the map."""
    settings = resolve(
        None,
        {"data": data, "model": "mini", "training.fraction": share, "measuring.fraction": share},
        ENCODERS[encoder],
    )
    folder = out / f"{encoder}-{share:g}"
    _share_start(folder, sorted(out.glob(f"{encoder}-*")))
    result = sweep_groups(
        settings, groups, folder, Progress(quiet=True), seeds=seeds, permutations=0, keep_models=False
    )
    return _grouping_map.point(result, encoder, share)


def _share_start(folder: Path, others: list[Path]) -> None:
    """Take the encoder, and its tokenizer, that another share made; the build's own records say whether it fits."""
    made = next((other / "encoder" for other in others if (other / "encoder").is_dir()), None)
    if made is None or (folder / "encoder").exists():
        return
    draft = folder / "encoder.draft"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(made, draft)
    draft.rename(folder / "encoder")


def main() -> None:
    """Go through encoders and shares, and draw the map."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--encoders", default=",".join(ENCODERS), metavar="NAMES", help=f"of {', '.join(ENCODERS)}")
    parser.add_argument(
        "--shares", default="0.1,0.3,1", metavar="NUMBERS", help="of each language's labelled training texts"
    )
    parser.add_argument("--groups", default="1,2,4,8,12", metavar="NUMBERS", help="values of K")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--data", default="afrisenti", metavar="NAME", help="data set")
    parser.add_argument("--out", type=Path, default=Path("runs/map"), metavar="DIR", help="run directories; the figure")
    chosen = parser.parse_args()
    content = _report.start()
    groups = read_numbers(chosen.groups)
    points = []
    for encoder in chosen.encoders.split(","):
        for share in map(float, chosen.shares.split(",")):
            points.append(point(encoder, share, groups, chosen.seeds, chosen.data, chosen.out))
            found = points[-1]
            scores = "  ".join(f"K={k}: {100 * score:.2f}" for k, score in found["groups"].items())
            print(f"{encoder}, {share:g} of the texts, test: {scores}", flush=True)
    _report.table(
        ["encoder", "share", *(f"K = {k}" for k in groups), "best on dev"],
        [
            [p["encoder"], f"{p['share']:g}", *(f"{100 * p['groups'][k]:.2f}" for k in groups), _best(p["dev"])]
            for p in points
        ],
    )
    _grouping_map.draw_map(points, chosen.out)
    _report.finish(chosen.json, {**content, "points": points})


def _best(scores: dict[int, float]) -> str:
    return f"K = {max(scores, key=lambda k: scores[k])}"


if __name__ == "__main__":
    _report.run(main)
