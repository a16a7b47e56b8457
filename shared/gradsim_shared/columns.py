"""Which columns of a table hold texts, labels or languages: those that are named, else those of usual names."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted

TEXT_COLUMNS = ("text", "tweet", "sentence", "review", "content", "headline")
PAIR_COLUMNS = (
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
)
QUESTION_COLUMNS, ANSWER_COLUMNS = ("question", "context"), ("answer_text", "answer_start")
LABEL_COLUMNS = ("label", "sentiment", "category", "class", "topic")
LANGUAGE_COLUMNS = ("language", "lang")


def column(where: str, header: Sequence[str], chosen: str | None, usual: Sequence[str], what: str) -> str:
    """Return the name of a column, as the header writes it; capitals and outer spaces make no difference.

    Args:
        where: File and line, for messages.
        header: The names of all columns.
        chosen: What the user says it is called; ``None``: one of the usual names.
        usual: The names to look for then.
        what: ``text``, ``second``, ``label`` or ``language``: for messages, and of the option.

    Raises:
        DataError: It is missing, or several may be it; the message names those that are there and the option.
    """
    if chosen in header and chosen is not None:
        return chosen
    names = usual if chosen is None else (chosen,)
    candidates = [each for each in header if _plain(each) in map(_plain, names)]
    if len(candidates) == 1:
        return candidates[0]
    way = f"say which it is: --{what}-column NAME"
    if candidates:
        raise DataError(f"{where}: each of {listing(map(quoted, candidates))} may hold the {what}; {way}")
    missing = f"no column for the {what}" if chosen is None else f"no column {quoted(chosen)} for the {what}"
    named = "" if chosen is not None else f"name it {' or '.join(names)}, or "
    raise DataError(f"{where}: {missing}: found {listing(map(quoted, header))}; {named}{way}")


def pair_columns(where: str, header: Sequence[str], first: str | None, second: str | None) -> tuple[str, str]:
    """Return the names of the columns of both texts of a pair, as the header writes them; ``None``: of usual names.

    Raises:
        DataError: As of ``column``.
    """
    plain = set(map(_plain, header))
    usual = next((names for names in PAIR_COLUMNS if not plain.isdisjoint(names)), None)
    firsts, seconds = zip(*([usual] if usual else PAIR_COLUMNS), strict=True)
    return column(where, header, first, firsts, "text"), column(where, header, second, seconds, "second")


def text_columns(where: str, header: Sequence[str], first: str | None, second: str | None) -> tuple[str, ...]:
    """Return the name of the column of the text, or of the two of a pair, as the header writes them.

    They are a pair if a second column is named, or if the header has two of ``PAIR_COLUMNS`` and none is named.

    Args:
        where: File and line, for messages.
        header: The names of all columns.
        first: What the user says the text, or the first of a pair, is called; ``None``: one of the usual names.
        second: What the user says the second is called.

    Raises:
        DataError: As of ``column``.
    """
    plain = set(map(_plain, header))
    usual = first is None and any(map(plain.issuperset, PAIR_COLUMNS)) and plain.isdisjoint(TEXT_COLUMNS)
    if usual or second is not None:
        return pair_columns(where, header, first, second)
    return (column(where, header, first, TEXT_COLUMNS, "text"),)


def _plain(name: str) -> str:
    return name.strip().casefold()
