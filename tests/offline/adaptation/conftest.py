"""Unlabelled texts of three languages: in memory, and as files."""

from __future__ import annotations

import pytest

from gradsim_offline.training.text_stream import Listed


@pytest.fixture(scope="session")
def lines(small):
    """Texts by language."""
    return {code: [example.text for example in small.split(code, "train")] for code in small.languages}


@pytest.fixture
def listed(lines):
    return {code: Listed(own) for code, own in lines.items()}


@pytest.fixture
def folder(lines, tmp_path):
    """``eng.txt``, ``hau/a.txt`` and ``hau/b.txt``, ``tr.txt``: with a mark, blank lines, and no last line break."""
    directory = tmp_path / "text"
    (directory / "hau").mkdir(parents=True)
    (directory / "eng.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(lines["eng"]).encode())
    (directory / "hau" / "a.txt").write_text("\n".join(lines["hau"][:11]) + "\n", encoding="utf-8")
    (directory / "hau" / "b.txt").write_text("\n \u00a0 \n" + "\n".join(lines["hau"][11:]), encoding="utf-8")
    (directory / "tr.txt").write_text("".join(f"  {line}\t\n" for line in lines["tur"]), encoding="utf-8")
    (directory / ".hidden.txt").write_bytes(b"\xff")
    return directory
