"""One label per pair of texts, such as whether one follows from the other; trained and judged as a text."""

from __future__ import annotations

from dataclasses import replace

from gradsim_offline.tasks import text_classification
from gradsim_shared.decode import pair_classification as decoder

PLUGIN = replace(text_classification.PLUGIN, decoder=decoder)
