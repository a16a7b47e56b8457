"""Public data sets of pairs whose rows are translations of each other: read without a header, split by row.

What shares a sentence with another row stays on one side, as the three hypotheses of a premise do: in any language that
has a folder; of the Hub's tables, in English, since reading all would download every language's train split.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradsim_offline.core.dataset import AnyExample, Dataset, Example, Split
from gradsim_offline.datasets.columns import check_allowed
from gradsim_offline.datasets.folders import aliases_of, by_language, choose, source_folder, visible
from gradsim_offline.datasets.hub import load_tables
from gradsim_offline.datasets.text import is_blank, read_lines
from gradsim_shared.errors import DataError
from gradsim_shared.segments import Pair, segments

Table = Sequence[Example]


@dataclass(frozen=True)
class ParallelPairs:
    """A data set whose dev split, the same rows in every language, is divided: its train split is not at hand.

    Attributes:
        name: Of the source.
        labels: In the order of the model's outputs.
        written: Label -> how the files and the Hub write it: a name, or a class number.
        columns: Of the Hub's tables: first text, second text, label.
        hub: Owner and name on the Hub, and the commit.
        languages: ISO 639-3 -> the Hub's name of its part.
        parts: What every tenth set of rows is: ten splits.
        without: Sentences that stand for a missing one.
    """

    name: str
    labels: tuple[str, ...]
    written: Mapping[str, str]
    columns: tuple[str, str, str]
    hub: tuple[str, str | None]
    languages: Mapping[str, str]
    parts: tuple[Split, ...]
    without: Collection[str] = ()

    def load(self, data_dir: Path | None, languages: Sequence[str] | None) -> Dataset:
        """Read it from ``data_dir``, else ``$GRADSIM_DATA/<name>``, else the Hugging Face Hub.

        Files and the Hub may be divided differently: rows are linked by the languages that have folders, or by English.

        Args:
            data_dir: A directory of ``<lang>/{dev,test}.tsv`` as XTREME has them; a language need not have test.
            languages: ISO 639 codes; ``None``: all that are there.

        Raises:
            DataError: It is nowhere to be found, or a file is not as it should be.
        """
        directory = source_folder(self.name, data_dir)
        if directory is None:
            chosen, notes = choose(self.name, self.languages, languages, list(self.languages))
            english = self._hub_tables("eng")
            tables = {code: english if code == "eng" else self._hub_tables(code) for code in chosen}
            return self._dataset(tables, [english[0]], notes, {code: (self.languages[code],) for code in chosen})
        folders = {code: path for code, path in by_language(visible(directory)).items() if (path / "dev.tsv").is_file()}
        if not folders:
            raise DataError(f"{self.name}: {directory} holds no data; expected <lang>/dev.tsv and test.tsv")
        chosen, notes = choose(self.name, folders, languages, list(folders))
        dev = {code: self.read(path / "dev.tsv") for code, path in folders.items()}
        tests = {code: folders[code] / "test.tsv" for code in chosen}
        tables = {code: (dev[code], self.read(path) if path.is_file() else []) for code, path in tests.items()}
        return self._dataset(tables, list(dev.values()), notes, aliases_of({code: folders[code] for code in chosen}))

    def read(self, path: Path) -> list[Example]:
        """Read a file: first text, second text and label between tabs, without a header or with one and an id.

        Raises:
            DataError: File, line, and what is wrong.
        """
        rows = [(f"{path}:{number}", line.split("\t")) for number, line in enumerate(read_lines(path), 1) if line]
        header = rows[0][1] if rows else []
        skipped = header.index(self.columns[0]) if self.columns[0] in header else 0
        examples = []
        for where, fields in rows[1:] if self.columns[0] in header else rows:
            if len(fields) != skipped + 3:
                raise DataError(f"{where}: {len(fields)} fields between tabs; expected {skipped + 3}")
            examples.append(self._example(where, *fields[skipped:]))
        return examples

    def _example(self, where: str, first: str, second: str, label: str) -> Example:
        names = {written: name for name, written in self.written.items()}
        check_allowed(where, "label", label, list(names))
        for text in (first, second):
            if is_blank(text):
                raise DataError(f"{where}: a text is empty")
        return Example(Pair(first, second), names[label])

    def _hub_tables(self, code: str) -> tuple[Table, Table]:
        """Return dev and test of a language."""
        name, revision = self.hub
        tables = load_tables(self.name, name, revision, self.languages[code], name=self.languages[code])
        dev, test = (self._hub_table(f"{name} {code} {split}", tables[split]) for split in ("validation", "test"))
        return dev, test

    def _hub_table(self, where: str, table: Any) -> Table:  # noqa: ANN401 - datasets has no types
        missing = [name for name in self.columns if name not in table.column_names]
        if missing:
            raise DataError(f"{where}: no column {missing[0]}; found {', '.join(table.column_names)}")
        rows = [[row[name] for name in self.columns] for row in table]
        numbers = dict(enumerate(self.written.values()))
        return [
            self._example(f"{where}:{row}", first, second, numbers.get(label, str(label)))
            for row, (first, second, label) in enumerate(rows, 1)
        ]

    def _dataset(
        self,
        tables: Mapping[str, tuple[Table, Table]],
        linking: Sequence[Table],
        notes: Sequence[str],
        aliases: Mapping[str, tuple[str, ...]],
    ) -> Dataset:
        rows = {code: len(dev) for code, (dev, _) in tables.items()}
        if len({*rows.values(), *map(len, linking)}) > 1:
            raise DataError(f"{self.name}: the rows of dev are parallel, but not as many in every language: {rows}")
        sets = linked(linking, self.without)
        examples: dict[str, dict[Split, Sequence[Example]]] = {}
        left_out = 0
        for code, (dev, test) in tables.items():
            splits: dict[Split, list[Example]] = {"train": [], "dev": [], "test": []}
            for example, number in zip(dev, sets, strict=True):
                splits[self.parts[number % len(self.parts)]].append(example)
            splits["test"] = list(test) or splits["test"]
            kept = {split: [e for e in found if not self._lacks(e)] for split, found in splits.items()}
            left_out += sum(map(len, splits.values())) - sum(map(len, kept.values()))
            examples[code] = {**kept}
        said = f"{self.name}: its dev split is divided by row, the same rows in every language, into {self._shares()}"
        without = f"{self.name}: {left_out} pairs of which a text is missing were left out"
        notes = (*notes, said, *([without] if left_out else []))
        return Dataset(self.name, "pair_classification", self.labels, examples, aliases, notes)

    def _lacks(self, example: Example) -> bool:
        return not set(self.without).isdisjoint(example.text)

    def _shares(self) -> str:
        counts = {split: self.parts.count(split) for split in dict.fromkeys(self.parts)}
        return ", ".join(f"{split} ({10 * count} %)" for split, count in counts.items())


def linked(tables: Sequence[Sequence[AnyExample]], without: Collection[str] = ()) -> list[int]:
    """Number the sets of rows that share a text in any table; return the number of each row's set.

    Args:
        tables: Of the same rows in several languages.
        without: Texts that link nothing.
    """
    first = list(range(len(tables[0])))  # a row of the same set that stands before, or the row itself

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = row = first[first[row]]
        return row

    for table in tables:
        seen: dict[str, int] = {}
        for row, example in enumerate(table):
            for text in _texts(example, without):
                one, other = root(row), root(seen.setdefault(text, row))
                first[max(one, other)] = min(one, other)
    number: dict[int, int] = {}
    return [number.setdefault(root(row), len(number)) for row in range(len(first))]


def _texts(example: AnyExample, without: Collection[str]) -> Iterable[str]:
    return (text for text in segments(example.text) if text not in without)
