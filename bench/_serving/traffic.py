"""Requests to send: real test texts in a skewed mix of languages."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from gradsim_offline.datasets.source import load_source

REQUESTS = 2048
"""Different requests; then they begin again."""


def texts(data: str, data_dir: Path | None, codes: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """As ``with_languages``, the texts alone."""
    return [text for _, text in with_languages(data, data_dir, codes, count, seed)]


def with_languages(
    data: str, data_dir: Path | None, codes: Sequence[str], count: int, seed: int = 0
) -> list[tuple[str, str]]:
    """Return languages and test texts: that with the most test texts comes with weight 1, the n-th with weight 1/n.

    Args:
        data: Name of the data set.
        data_dir: Its files; ``None``: the data set's own rule.
        codes: Languages.
        count: How many texts; a language's own are drawn with replacement.
        seed: Of the draw.
    """
    dataset = load_source(data).load(data_dir, list(codes))
    by_language = {code: [example.text for example in dataset.split(code, "test")] for code in codes}
    ranked = sorted((code for code in codes if by_language[code]), key=lambda code: -len(by_language[code]))
    source = random.Random(seed)
    drawn = source.choices(ranked, [1 / rank for rank in range(1, len(ranked) + 1)], k=count)
    return [(code, source.choice(by_language[code])) for code in drawn]


def write_bodies(found: Sequence[str], each: int, file: Path) -> Path:
    """Write request bodies of ``each`` texts, one a line, and return the file."""
    bodies = [
        json.dumps({"texts": [found[(start + row) % len(found)] for row in range(each)]}, ensure_ascii=False)
        for start in range(0, REQUESTS * each, each)
    ]
    file.write_bytes("\n".join(bodies).encode())
    return file
