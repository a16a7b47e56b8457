"""How fast the service is, beside what one would build or pick instead; and how it bears soak and overload.

Each system is a process of its own (or several) behind a real socket on 127.0.0.1, with the same weights, tokenizers,
maximum length and language identifier: ours direct and behind BentoML, plain transformers with FastAPI, LitServe with
onnxruntime, BentoML's own batching with onnxruntime. All are up at once; those that are not measured are frozen. Real
test texts, languages in a skewed mix (weight 1/rank). The load comes from a cheap process on the same cores; its share
of them is in the tables. A peer computes with `--peer-threads` threads; ours with one for each core.

    python bench/serving.py --run runs/afrisenti --litserve ENVIRONMENT/bin/python
    python bench/serving.py --run runs/afrisenti --systems gradsim --beside ../older-checkout
    python bench/serving.py --run runs/afrisenti --soak 10
    python bench/serving.py --run runs/afrisenti --overload 5 --systems gradsim-bentoml
    python bench/serving.py --run runs/afrisenti --routing
    python bench/serving.py --run runs/afrisenti --groups
    python bench/serving.py --run runs/afrisenti --large
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import _report
from _serving import systems, traffic
from _serving.compare import Shape, Timing, compare

from gradsim_shared.bundle import read_manifest
from gradsim_shared.errors import SettingsError
from gradsim_shared.manifest import Manifest

CLIENTS = (1, 8, 32)
TEXTS = (1, 16)
NAMES = ("gradsim", "gradsim-bentoml", "fastapi", "litserve", "bentoml")
DIFFERENT_TEXTS = 8192


def main() -> None:
    """Measure and report."""
    chosen = _arguments()
    content = _report.start()
    bundle = chosen.bundle or chosen.run / "bundle"
    manifest = read_manifest(bundle)
    codes = [language.code for language in manifest.languages]
    texts = traffic.texts(chosen.data or manifest.provenance.data, chosen.data_dir, codes, DIFFERENT_TEXTS)
    timing = Timing(chosen.seconds, chosen.warm_up, chosen.repeats)
    print(f"bundle {manifest.title}: {len(codes)} languages, {len(manifest.groups)} groups; {len(texts)} texts")
    with tempfile.TemporaryDirectory() as directory:
        content |= _measured(chosen, bundle, manifest, texts, timing, Path(directory))
    _report.finish(chosen.json, content)


def _measured(
    chosen: argparse.Namespace, bundle: Path, manifest: Manifest, texts: list[str], timing: Timing, scratch: Path
) -> dict[str, Any]:
    """Run what was asked for."""
    from _serving import other_bundles, trials

    options = tuple(chosen.option)
    server = systems.gradsim_in_bentoml if list(chosen.systems) == ["gradsim-bentoml"] else systems.gradsim
    ours = server(bundle, options=options)
    if chosen.soak is not None:
        return {"soak": trials.soak(ours, texts, chosen.soak, timing.seconds, scratch)}
    if chosen.overload is not None:
        return {"overload": trials.overload(ours, texts, chosen.overload, timing.seconds, scratch)}
    if chosen.routing:
        return {"routing": trials.routing(ours, texts, timing.seconds, scratch)}
    if chosen.groups:
        several = []
        for count in (len(manifest.languages), 1):
            made = other_bundles.with_groups(bundle, scratch / str(count), count)
            several.append(systems.gradsim(made, f"{count} group{'s' * (count > 1)}", options))
        return {"groups": compare(several, _shapes(chosen), texts, timing, scratch)}
    if chosen.large:
        return {"large": other_bundles.large(bundle, scratch, texts, timing, options)}
    return {"comparison": compare(_systems(chosen, bundle, options), _shapes(chosen), texts, timing, scratch)}


def _systems(chosen: argparse.Namespace, bundle: Path, options: tuple[str, ...]) -> list[systems.System]:
    """Return the systems that were chosen, ours first."""
    threads = chosen.peer_threads
    if "litserve" in chosen.systems and chosen.litserve is None:
        print("LitServe is left out: name a Python that has it with --litserve", flush=True)
    if "fastapi" in chosen.systems and not (chosen.run / "train").is_dir():
        raise SettingsError(f"{chosen.run} has no train/: transformers needs the models that were trained there")
    found = {
        "gradsim": lambda: systems.gradsim(bundle, options=options),
        "gradsim-bentoml": lambda: systems.gradsim_in_bentoml(bundle, options=options),
        "fastapi": lambda: systems.fastapi(bundle, chosen.run / "train", threads),
        "litserve": lambda: systems.litserve(bundle, chosen.litserve.absolute(), threads),
        "bentoml": lambda: systems.bentoml(bundle, threads),
    }
    several = [found[name]() for name in NAMES if name in chosen.systems and (name != "litserve" or chosen.litserve)]
    if chosen.beside:
        other = systems.gradsim(bundle, f"gradsim-serve in {chosen.beside.name}", options, chosen.beside.absolute())
        several.insert(1, other)
    return several


def _shapes(chosen: argparse.Namespace) -> list[Shape]:
    closed = [Shape(each, clients) for clients in chosen.clients for each in chosen.texts]
    return closed + [Shape(1, rate=rate) for rate in chosen.rate]


def _arguments() -> argparse.Namespace:
    parser = _report.arguments(__doc__ or "")
    some = _report.at_least(1)
    parser.add_argument("--run", type=Path, metavar="DIR", required=True, help="a run directory: bundle/ and train/")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="another bundle than that of the run")
    parser.add_argument("--data", metavar="NAME", help="data set; none: the one the bundle was built from")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="its files; none: the data set's own rule")
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=NAMES,
        default=NAMES,
        help="which to compare  [all]; with gradsim-bentoml alone, --soak, --overload and --routing go to it",
    )
    parser.add_argument(
        "--litserve", type=Path, metavar="PYTHON", help="has litserve, onnxruntime, tokenizers, fasttext"
    )
    parser.add_argument("--beside", type=Path, metavar="DIR", help="another checkout, whose service is measured, too")
    parser.add_argument("--peer-threads", type=some, default=os.cpu_count(), help="of each peer's engine  [all cores]")
    parser.add_argument(
        "--option", action="append", default=[], metavar="OPTION", help="for gradsim-serve: --option=--x=y"
    )
    parser.add_argument("--clients", type=some, nargs="*", default=CLIENTS, help="of closed loops  [1 8 32]")
    parser.add_argument("--texts", type=some, nargs="+", default=TEXTS, help="texts a request  [1 16]")
    parser.add_argument("--rate", type=float, nargs="*", default=[], help="requests a second of open loops  [none]")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement  [10]")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds of load before each  [2]")
    parser.add_argument("--repeats", type=some, default=5, help="of each measurement  [5]")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--soak", type=float, metavar="MINUTES", help="80 %% of capacity: memory and errors")
    modes.add_argument("--overload", type=float, metavar="FACTOR", help="so many times capacity: answers by status")
    modes.add_argument("--routing", action="store_true", help="time of every stage but the model's, at one client")
    modes.add_argument("--groups", action="store_true", help="a group for each language against one group for all")
    modes.add_argument("--large", action="store_true", help="12 layers, 768 wide: against a bare onnxruntime loop")
    return parser.parse_args()


if __name__ == "__main__":
    _report.run(main)
