"""Entities' tags: the rule of repair, and what it makes of IOB1 and BIOES, against plain definitions of the schemes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gradsim_offline.datasets import bio as _bio
from gradsim_shared.iob import entities, is_iob

LABELS = _bio.bio_labels(("PER", "LOC"))
any_tags = st.lists(st.sampled_from(LABELS), max_size=12).map(tuple)


@st.composite
def entity_spans(draw):
    """Draw spans (type, start, end) in order that do not overlap, and the number of words."""
    spans, position = [], 0
    for kind, gap, length in draw(
        st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(0, 2), st.integers(1, 3)), max_size=5)
    ):
        start = position + gap
        position = start + length
        spans.append((kind, start, position))
    return spans, position + draw(st.integers(0, 2))


def write(spans, count, name):
    """Write the tags of spans in a scheme, from its definition."""
    tags = ["O"] * count
    for kind, start, end in spans:
        for place in range(start, end):
            first, last = place == start, place == end - 1
            behind = (kind, start) in [(other, stop) for other, _, stop in spans]  # the same type ends right before
            prefix = {
                "BIO": "B" if first else "I",
                "IOB1": "B" if first and behind else "I",
                "BIOES": "S" if first and last else "B" if first else "E" if last else "I",
                "BILOU": "U" if first and last else "B" if first else "L" if last else "I",
                "BMES": "S" if first and last else "B" if first else "E" if last else "M",
            }[name]
            tags[place] = f"{prefix}-{kind}"
    return tuple(tags)


def test_labels():
    assert _bio.bio_labels(("PER", "DATE", "PER")) == ("O", "B-DATE", "I-DATE", "B-PER", "I-PER")
    assert is_iob(LABELS)
    assert _bio.types(LABELS) == {"LOC", "PER"}


@given(any_tags)
@settings(deadline=None)
def test_repaired_tags_are_whole_and_only_an_i_that_opens_is_changed(tags):
    fixed, opened = _bio.repair(tags)
    previous = "O"
    for old, new in zip(tags, fixed, strict=True):
        assert new == old or (old[0], new[0], new[1:]) == ("I", "B", old[1:])
        assert new[0] != "I" or previous[2:] == new[2:]
        previous = new
    assert opened == sum(old != new for old, new in zip(tags, fixed, strict=True))
    assert _bio.repair(fixed) == (fixed, 0)
    assert sum(end - start for _, start, end in entities(fixed)) == sum(tag != "O" for tag in tags)


@given(entity_spans())
@settings(deadline=None)
def test_every_scheme_is_read_as_the_same_entities(drawn):
    spans, count = drawn
    whole = write(spans, count, "BIO")
    assert _bio.repair(whole) == (whole, 0)
    for name in ("IOB1", "BIOES", "BILOU", "BMES"):
        assert _bio.repair([_bio.bio(tag) for tag in write(spans, count, name)])[0] == whole
    assert list(entities(whole)) == spans


def test_tags_without_a_prefix_are_left_alone():
    assert [_bio.bio(tag) for tag in ("O", "NOUN", "B", "B-", "X-PER", "b-PER")] == [
        *("O", "NOUN", "B", "B-", "X-PER", "b-PER")
    ]
