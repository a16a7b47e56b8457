"""Whether builds of small samples hand over less than a quick baseline reaches: dev and test, in one table.

Ten samples are drawn from public data of texts with one label (2 to 12 languages, 50 to 2 000 training texts each), one
after the other from each data set. Each is built as a user would build files, with a quicker schedule for ``mini``, and
scored beside ``bench/baseline.py``, whose better way counts in every column (its C is chosen on dev: its dev score is
rewarded for luck). What is done is not done again: delete a sample's ``scores.json`` to build it anew.

    python bench/samples.py --data-root data --out runs/samples
    python bench/samples.py --data-root data --out runs/samples-ngrams -- --model ngrams
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import _report
import baseline
import numpy as np

from gradsim_offline.core.dataset import SPLITS, Dataset
from gradsim_offline.core.run_directory import write_json
from gradsim_offline.datasets.source import load_dataset
from gradsim_shared.bundle import read_manifest

DATA = ("afrisenti", "nusax", "sib200")
QUICK = ("pretraining.tokens=300000", "measuring.minimum_steps=100", "training.minimum_steps=100")
MOST_TEST = 500  # texts of a language
COLUMNS = ("group", "service")  # language known, language identified
ALLOWED = {"dev": 0.3, "test": 1.0}  # points below the baseline


@dataclass(frozen=True)
class Sample:
    """What is drawn.

    Attributes:
        data: The data set.
        languages: Some of its languages.
        texts: For training, of each language; all, where it has fewer.
    """

    data: str
    languages: Sequence[str]
    texts: int


def main() -> None:
    """Draw, build, score, report."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help=f"holds {', '.join(DATA)}")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="samples and their scores")
    parser.add_argument("--samples", type=_report.at_least(1), default=10, metavar="N", help="how many  [10]")
    parser.add_argument("--seed", type=int, default=0, help="of the draws  [0]")
    parser.add_argument("extra", nargs="*", metavar="-- OPTION", help="further options of gradsim-offline build")
    chosen = parser.parse_args()
    content = _report.start()
    results = []
    for number in range(chosen.samples):
        directory = chosen.out / f"{chosen.seed}-{number}"
        if not (directory / "scores.json").is_file():
            score(chosen.data_root, np.random.default_rng([chosen.seed, number]), number, directory, chosen.extra)
        results.append(json.loads((directory / "scores.json").read_text(encoding="utf-8")))
    content["samples"] = results
    report(results)
    _report.finish(chosen.json, content)


def score(root: Path, random: np.random.Generator, number: int, directory: Path, extra: Sequence[str]) -> None:
    """Draw one sample, build it, score it and the baseline, and write down what came out."""
    name = DATA[number % len(DATA)]
    own_reader = name == "afrisenti"  # its quotes are text
    whole = load_dataset(name if own_reader else str(root / name), root / name if own_reader else None, None)
    sample = draw(whole, name, random)
    print(f"\nsample {number}: {sample}", flush=True)
    if not (directory / "baseline.json").is_file():
        shutil.rmtree(directory, ignore_errors=True)
        write(whole, sample, random, directory / "data")
    dataset = load_dataset(str(directory / "data"), None, None)
    counts = dataset.counts("test")
    if not (directory / "baseline.json").is_file():
        found = {title: plain(baseline.score_all(dataset, way), counts) for way, title in baseline.TITLES.items()}
        write_json(directory / "baseline.json", found)
    ways = json.loads((directory / "baseline.json").read_text(encoding="utf-8"))
    command = [str(Path(sys.executable).with_name("gradsim-offline")), "build", "--data", str(directory / "data")]
    settings = [part for setting in QUICK for part in ("--set", setting)]
    started = time.perf_counter()
    subprocess.run([*command, "--out", str(directory / "run"), *settings, *extra], check=True)
    seconds = time.perf_counter() - started
    manifest = read_manifest(directory / "run" / "bundle")
    built = {column: plain(baseline.of_bundle(directory / "run" / "bundle", column), counts) for column in COLUMNS}
    content = {**asdict(sample), "seconds": seconds, "verdict": manifest.verdict, "baseline": ways, **built}
    choice = directory / "run" / "choose" / "choice.json"  # there is none, where there was one candidate
    content["chosen"] = json.loads(choice.read_text(encoding="utf-8"))["chosen"] if choice.is_file() else "one model"
    shutil.rmtree(directory / "run")
    write_json(directory / "scores.json", content)


def draw(whole: Dataset, name: str, random: np.random.Generator) -> Sample:
    """Draw languages, and how many training texts each has."""
    number = min(int(random.integers(2, 13)), len(whole.languages))
    languages = sorted(random.choice(whole.languages, number, replace=False).tolist())
    return Sample(name, languages, round(float(np.exp(random.uniform(np.log(50), np.log(2000))))))


def write(whole: Dataset, sample: Sample, random: np.random.Generator, directory: Path) -> None:
    """Write a sample's texts as files: of dev a fifth as many as of train, 20 at least."""
    most = {"train": sample.texts, "dev": max(20, sample.texts // 5), "test": MOST_TEST}
    for code in sample.languages:
        (directory / code).mkdir(parents=True)
        for split in SPLITS:
            examples = whole.split(code, split)
            drawn = np.sort(random.permutation(len(examples))[: most[split]])
            rows = [{"text": examples[i].text, "label": examples[i].label} for i in drawn]
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            (directory / code / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def plain(scores: baseline.Scores, counts: Mapping[str, int]) -> dict[str, float]:
    """Return the plain mean over languages of dev and of test, 0 to 100."""
    means = baseline.means(scores, counts)
    return {split: means[split]["plain"] for split in ALLOWED}


def report(results: Sequence[Mapping[str, Any]]) -> None:
    """Print the gains over the better baseline, and how many samples fall short."""
    rows, gains = [], {(column, split): [] for column in COLUMNS for split in ALLOWED}
    for found in results:
        best = {split: max(way[split] for way in found["baseline"].values()) for split in ALLOWED}
        for (column, split), some in gains.items():
            some.append(found[column][split] - best[split])
        rows.append(
            [
                f"{found['data']}, {len(found['languages'])} x {found['texts']}",
                *(f"{best[split]:.2f}" for split in ALLOWED),
                *(f"{some[-1]:+.2f}" for some in gains.values()),
                f"{found['seconds'] / 60:.1f}",
                found["chosen"],
            ]
        )
    names = [f"{column} {split}" for column, split in gains]
    _report.table(["sample", *(f"baseline {split}" for split in ALLOWED), *names, "minutes", "chosen"], rows)
    for (column, split), some in gains.items():
        below = sum(gain < -ALLOWED[split] for gain in some)
        print(
            f"{column}, {split}: mean gain {np.mean(some):+.2f}; {below} of {len(some)} below by over {ALLOWED[split]}"
        )


if __name__ == "__main__":
    _report.run(main)
