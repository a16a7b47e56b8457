"""Did you mean."""

from __future__ import annotations

import pytest

from gradsim_shared.nearest import nearest, unknown


@pytest.mark.parametrize(("name", "expected"), [("hua", ["hau"]), ("HAU", ["hau"]), ("zzz", [])])
def test_nearest(name, expected):
    assert nearest(name, ["hau", "amh", "swa"]) == expected


def test_the_message():
    assert unknown("task", "x", []) == "unknown task 'x'. Known: none."
    assert unknown("task", "nr", ["pos", "ner"]) == "unknown task 'nr'. Did you mean ner? Known: ner, pos."
