"""Messages stay on one line, however long what they quote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gradsim_shared.excerpts import cut, listing, one_line, quoted
from gradsim_shared.nearest import unknown


def test_short_values_are_shown_whole():
    assert cut("hau") == "hau" and quoted("it's") == '"it\'s"' and quoted(7) == "7" and quoted("a\nb") == r"'a\nb'"
    assert listing(["hau", "yor"]) == "hau, yor" and listing([]) == "none"
    assert one_line("what is wrong\r\nand what to do") == "what is wrong and what to do"


def test_long_values_are_cut():
    assert quoted("x" * 10_000) == repr("x" * 79 + "…")
    assert quoted(["x" * 10_000])[:3] == "['x" and len(quoted(["x" * 10_000])) == 80
    shown = listing(f"label {i}" for i in range(3000))
    assert shown.startswith("label 0, label 1, ") and len(shown) < 430
    assert shown.endswith(f" and {3000 - shown.count('label')} more")
    message = unknown("label", "y" * 5000, ["x" * 5000, "y" * 4999])
    assert message.startswith("unknown label 'yyy") and "Did you mean yyy" in message and len(message) < 500


def test_of_a_long_message_the_end_is_kept_too():
    shown = one_line("f.tsv:3: " + "x" * 100_000 + "; save it as UTF-8")
    assert len(shown) < 1010 and shown.startswith("f.tsv:3: xxx") and shown.endswith("xxx; save it as UTF-8")


@given(st.lists(st.text(), max_size=5))
def test_whatever_is_quoted_is_short_and_on_one_line(values):
    assert all(len(quoted(value)) < 900 and len(quoted(value).splitlines()) == 1 for value in values)
    assert len(one_line(" ".join(values)).splitlines()) <= 1
