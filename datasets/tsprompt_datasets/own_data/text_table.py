"""Tables in text: CSV, TSV, and what else parts its columns by one sign.

pyarrow parses them, only the columns that are wanted, each as what it is wanted for; a small sample
is read first to know the columns. Labels and names stay exactly as they are spelt.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.own_data.columns import (
    MISSING,
    Column,
    Place,
    is_missing,
    is_number,
    kind_of,
    quoted,
    shown,
)
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.options import NO_LABEL

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TextTable", "is_series_line"]

_SAMPLE = 200
"""Rows that tell what columns hold."""
_SIGNS = "\t;,| "
_BLOCK = 4 << 20
_LARGEST_BLOCK = 1 << 30
_FIELD = 1 << 27
"""The longest field, in characters: one that is longer is an unclosed quote."""


@dataclass(frozen=True)
class _Sample:
    """The first rows of a file, parted."""

    sign: str
    rows: list[list[str]]


class TextTable:
    """A text file as a table."""

    def __init__(self, file: DataFile, header: bool | None = None, *, single: bool = False) -> None:
        """Read the first rows.

        Parameters
        ----------
        header
            Whether the first row names the columns; None: see for ourselves.
        single
            Whether the file holds one case: a first row of numbers is then a timestep, and there
            may be one column.

        Raises
        ------
        DatasetError
            It is no table in UTF-8 text, or its first row could be names or values.
        """
        file.check_text()
        self.file, self.place = file, Place(file.name, self._locate)
        sample = self._sample(single=single)
        self.sign = sample.sign
        first, *rows = sample.rows
        if header is None:
            header = _is_text(first) if single else _has_header(self.place, first, rows)
        self.header = header
        names = [one.strip() for one in first]
        if not self.header:
            names, rows = [str(i) for i in range(1, len(first) + 1)], sample.rows
        self.names = _named(self.place, names)
        if not rows:
            raise self.place.error("holds names of columns and no row; give a file with cases")
        self.decimal = _decimal(self.sign, rows)
        self.columns = [
            Column(name, kind_of(own, self.decimal), own)
            for name, own in zip(self.names, _columns(rows, len(names)), strict=True)
        ]

    def load(
        self, *, texts: Sequence[str] = (), numbers: Sequence[str] = (), others: Sequence[str] = ()
    ) -> pa.Table:
        """These columns whole: text as dictionaries, numbers as float64, others as they seem.

        Raises
        ------
        DatasetError
            A row has too many or too few values, or a value is no number; the message says where.
        """
        import pyarrow as pa

        kinds: dict[str, Any] = dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.string()))
        kinds |= dict.fromkeys(numbers, pa.float64())
        wanted = list(dict.fromkeys([*texts, *numbers, *others]))
        try:
            return self._parse(wanted, kinds)
        except pa.ArrowInvalid as error:
            raise self._explain(str(error), kinds) from None

    def _parse(
        self, wanted: list[str], kinds: dict[str, Any], block: int = _BLOCK, *, alone: bool = False
    ) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        try:
            with self.file.open() as file:
                return arrow_csv.read_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(
                        column_names=self.names,
                        skip_rows_after_names=int(self.header),
                        block_size=block,
                        use_threads=not alone,
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=self.sign, newlines_in_values=self._quotes
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=kinds,
                        include_columns=wanted,
                        null_values=list(MISSING),
                        strings_can_be_null=False,
                        quoted_strings_can_be_null=False,
                        decimal_point=self.decimal,
                    ),
                )
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < _LARGEST_BLOCK:
                return self._parse(wanted, kinds, 16 * block, alone=alone)
            if not alone:  # only one thread knows the number of the row
                return self._parse(wanted, kinds, block, alone=True)
            raise

    @cached_property
    def _quotes(self) -> bool:
        """Whether a value may hold a line's end: only in quotes, which cost time to look for."""
        with self.file.open() as file:
            return b'"' in file.read(_BLOCK)

    def _explain(self, said: str, kinds: dict[str, Any]) -> DatasetError:
        """What pyarrow could not read, in our words."""
        row = re.search(r"Row #(\d+)", said)
        column = re.search(r"In CSV column #(\d+)", said)
        position = int(row[1]) - 1 - int(self.header) if row else None
        named = quoted(self.names[int(column[1])]) if column else ""
        if "invalid UTF8" in said:
            where = f" in column {named}" if named else ""
            return self.place.error(f"holds text{where} that is not UTF-8; save it as UTF-8")
        if wrong := re.search(r"invalid value '(.*)'", said, re.DOTALL):
            return self.place.error(
                f"column {named} holds {shown(wrong[1])} where numbers stand; correct it, write "
                "NaN where a value is missing, or leave the column out with ",
                Setting("values"),
                row=position,
            )
        if counts := re.search(r"Expected (\d+) columns, got (\d+)", said):
            return self.place.error(
                f"{counts[2]} values where the table has {counts[1]} columns; correct the row",
                row=position,
            )
        return self.place.error(f"is no table that can be read ({shown(said, 120)}); correct it")

    @contextmanager
    def _text(self) -> Iterator[Any]:
        """The file as text; a byte that is none is the user's to mend."""
        with self.file.open() as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            try:
                yield text
            except UnicodeDecodeError as error:
                raise DatasetError(
                    f"{self.file.name}: holds a byte that is not UTF-8 text (after "
                    f"{shown(_before(error))}); save "
                    "the file as UTF-8"
                ) from None
            finally:
                text.detach()

    def _records(self, text: Any, sign: str) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank, with the line on which each begins."""
        csv.field_size_limit(_FIELD)
        reader, line = csv.reader(text, delimiter=sign), 1
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            raise DatasetError(
                f"{self.file.name}, line {line}: is no table ({error}); correct it"
            ) from None

    def _sample(self, *, single: bool) -> _Sample:
        with self._text() as text:
            lines = list(itertools.islice((one for one in text if one.strip()), 20))
        sign = _sign(lines)
        if sign is None and not single:
            raise self.place.error(
                "has one column; a table has more, parted by commas, semicolons or tabs"
            )
        sign = sign or ","
        if self.file.suffix in (".tsv", ".tab") and sign != "\t" and any(sign in x for x in lines):
            raise self.place.error(
                f"ends in {self.file.suffix}, but its columns are not parted by tabs; call it .csv"
            )
        with self._text() as text:
            rows = [row for _, row in itertools.islice(self._records(text, sign), _SAMPLE + 1)]
        if not rows:
            raise self.place.error("is empty; give a file that holds cases")
        return _Sample(sign, rows)

    def _locate(self, row: int) -> str:
        """The line on which a row begins, by reading up to there."""
        wanted = row + int(self.header)
        with self._text() as text:
            found = next(itertools.islice(self._records(text, self.sign), wanted, None), None)
        return f"line {found[0]}" if found else f"row {row + 1}"


def _sign(lines: list[str]) -> str | None:
    """What parts the columns: that by which all first lines have as many, and more than one."""
    counts = {sign: Counter(line.count(sign) for line in lines) for sign in _SIGNS}
    even = [sign for sign, own in counts.items() if len(own) == 1 and 0 not in own]
    some = [sign for sign in _SIGNS if lines and lines[0].count(sign)]
    return next(iter(even or some), None)


def _is_text(row: list[str]) -> bool:
    return not all(is_number(one) or is_number(one, ",") or is_missing(one) for one in row)


def _before(error: UnicodeDecodeError) -> str:
    """The text before a byte that is none."""
    return error.object[max(error.start - 20, 0) : error.start].decode("latin-1")


def is_series_line(file: DataFile) -> bool:
    """Whether a text file begins with a case of the archives' plain form: a label, then numbers."""
    with file.open() as opened:
        line = opened.readline(1 << 20).decode("utf-8-sig", errors="replace")
    _, *rest = re.split(r"[\t,\s]+", line.strip())
    return bool(rest) and all(is_number(one) or is_missing(one) for one in rest)


def _has_header(place: Place, first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first row names columns.

    Names are no numbers, but for those of timesteps; a row of numbers alone could be either.
    """
    numbers = [is_number(one, ".") or is_number(one, ",") for one in first]
    texts = [one for one, number in zip(first, numbers, strict=True) if not number]
    if len(first) > 2 and len(texts) == 1:
        # One text beside numbers: a label and a series, or a column's name and timesteps.
        at = first.index(texts[0])
        if any(len(row) > at and row[at] == texts[0] for row in rows):
            return False
        steps = [float(one.replace(",", ".")) for one in first if one != texts[0]]
        if any(b <= a for a, b in itertools.pairwise(steps)):
            raise place.error(
                f"the first row ({_begin(first)}) could be names of columns or a case; say which: ",
                Setting("header", True),
                ", or ",
                Setting("header", False),
                " (columns are then called 1, 2, ...)",
            )
    if texts:
        return True
    raise place.error(
        f"the first row ({_begin(first)}) is all numbers: names of columns, or a case? Say which: ",
        Setting("header", True),
        "; or ",
        Setting("header", False),
        ", and ",
        Setting("label", "1"),
        " where the first column is the label, ",
        Setting("label", str(len(first))),
        " where the last is, ",
        Setting("label", NO_LABEL),
        " where there is none",
    )


def _begin(row: list[str]) -> str:
    return ", ".join(shown(one, 20)[1:-1] for one in row[:4]) + (", ..." if len(row) > 4 else "")


def _named(place: Place, names: list[str]) -> list[str]:
    """Each column's own name; the one that pandas writes without a name is its index."""
    empty = [i for i, name in enumerate(names) if not name]
    if empty not in ([], [0]):
        raise place.error(f"column {empty[-1] + 1} has no name in the first row; give it one")
    names = [name or "(no name)" for name in names]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise place.error(f"two columns are called {quoted(twice)}; give each a name of its own")
    return names


def _columns(rows: list[list[str]], width: int) -> list[tuple[str, ...]]:
    """Values by column; rows that are too short or long are named when all is read."""
    whole = [row for row in rows if len(row) == width]
    return [tuple(own) for own in zip(*whole, strict=True)] or [()] * width


def _decimal(sign: str, rows: list[list[str]]) -> str:
    """The sign before decimals: a comma where a table has those and no points."""
    if sign == ",":
        return "."
    held = [one for row in rows for one in row if not is_missing(one)]
    commas = sum("," in one and is_number(one, ",") for one in held)
    points = sum("." in one and is_number(one) for one in held)
    return "," if commas and not points else "."
