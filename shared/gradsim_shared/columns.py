"""Which column of a table holds texts, labels or languages: the one that is named, else one of a usual name."""

from __future__ import annotations

from collections.abc import Sequence

from gradsim_shared.errors import DataError
from gradsim_shared.excerpts import listing, quoted

TEXT_COLUMNS = ("text", "tweet", "sentence", "review", "content", "headline")
LABEL_COLUMNS = ("label", "sentiment", "category", "class", "topic")
LANGUAGE_COLUMNS = ("language", "lang")


def column(where: str, header: Sequence[str], chosen: str | None, usual: Sequence[str], what: str) -> str:
    """Return the name of a column, as the header writes it; capitals and outer spaces make no difference.

    Args:
        where: File and line, for messages.
        header: The names of all columns.
        chosen: What the user says it is called; ``None``: one of the usual names.
        usual: The names to look for then.
        what: ``text``, ``label`` or ``language``: for messages, and of the option.

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


def _plain(name: str) -> str:
    return name.strip().casefold()
