"""The averages of a comparison over fewer languages: what one language, such as AfriSenti's Amharic, does to them.

python bench/without_languages.py --compare runs/compare-afrisenti/compare.json --without amh
"""

from __future__ import annotations

import json
from pathlib import Path

import _report
import numpy as np
from numpy.typing import NDArray

from gradsim_shared.errors import DataError


def main() -> None:
    """Read, leave out, average."""
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--compare", type=Path, required=True, metavar="FILE", help="compare.json, or a sweep's JSON")
    parser.add_argument("--without", required=True, metavar="CODES", help="languages to leave out, as in amh,pcm")
    parser.add_argument("--split", default="test", help="test, test_unseen or dev")
    chosen = parser.parse_args()
    content = json.loads(chosen.compare.read_text(encoding="utf-8"))
    out = chosen.without.split(",")
    kept = [code for code in content["languages"] if code not in out]
    if not kept or not set(out) <= set(content["languages"]):
        raise DataError(f"--without {chosen.without}: the languages are {' '.join(content['languages'])}")
    weights = [content["counts"][chosen.split][code] for code in kept]
    rows = []
    for method, seeds in content["scores"][chosen.split].items():
        scores = 100 * np.array([[by_language[code] for code in kept] for by_language in seeds.values()])
        plain, weighted = scores.mean(axis=1), np.average(scores, axis=1, weights=weights)
        rows.append([method, *map(mean_and_spread, (plain, weighted))])
    _report.table(["method", "plain mean", "weighted by texts"], sorted(rows, key=lambda row: row[1], reverse=True))


def mean_and_spread(by_seed: NDArray[np.float64]) -> str:
    """Write the mean over seeds, and the standard deviation where there are two or more."""
    spread = f" ± {by_seed.std(ddof=1):.2f}" if len(by_seed) > 1 else ""
    return f"{by_seed.mean():.2f}{spread}"


if __name__ == "__main__":
    _report.run(main)
