"""Texts with several labels each, or none, in four made-up languages of two scripts: small, and soon learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LABELS = ("food", "money", "sport")
WORDS = {
    "hau": {"food": "abinci shinkafa", "money": "kudi banki", "sport": "kwallo wasa", "": "yau nan wani gari suna"},
    "swa": {"food": "chakula wali", "money": "pesa benki", "sport": "mpira mchezo", "": "leo hapa mji watu wana"},
    "amh": {"food": "ምግብ ሩዝ", "money": "ገንዘብ ባንክ", "sport": "ኳስ ጨዋታ", "": "ዛሬ እዚህ ከተማ ሰዎች አሉ"},
    "tir": {"food": "መግቢ ሩዝ", "money": "ገንዘብ ባንኪ", "sport": "ኩዕሶ ጸወታ", "": "ሎሚ ኣብዚ ከተማ ሰባት ኣለዉ"},
}
SIZES = {"train": 60, "dev": 30, "test": 30}


def texts(code: str, split: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return texts with their labels; each label stands in about a third of them, and a quarter of them have none."""
    random = np.random.default_rng([*code.encode(), *split.encode()])
    found = []
    for _ in range(SIZES[split]):
        own = tuple(label for label in LABELS if random.random() < 0.35)
        words = [random.choice(WORDS[code][label].split()) for label in own]
        words += random.choice(WORDS[code][""].split(), 4).tolist()
        random.shuffle(words)
        found.append((" ".join(words), own))
    return found


def write(directory: Path) -> Path:
    """Write folders of languages with the labels separated by ``|``."""
    for code in WORDS:
        (directory / code).mkdir(parents=True)
        for split in SIZES:
            lines = [f"{text}\t{'|'.join(own)}" for text, own in texts(code, split)]
            (directory / code / f"{split}.tsv").write_text("\n".join(["text\tlabels", *lines, ""]), encoding="utf-8")
    return directory
