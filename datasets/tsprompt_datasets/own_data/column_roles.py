"""Which column of a table is what: said by the user, or inferred; never guessed.

What could be read in two ways is an error that shows both.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tsprompt.errors import Piece, Setting
from tsprompt_datasets.own_data.columns import (
    Column,
    Place,
    either,
    find_column,
    is_missing,
    listed,
    numbered,
    quoted,
)
from tsprompt_datasets.own_data.options import NO_LABEL, Layout, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Roles", "Table", "find_roles", "index_column"]

_LABELS = {"label", "labels", "class", "classes", "classlabel", "target", "category", "cls"}
_IDS = {
    *("id", "case", "caseid", "series", "seriesid", "sample", "sampleid", "instance", "instanceid"),
    *("uniqueid", "uid", "itemid", "recording", "recordingid", "trial", "trialid", "segment"),
    *("segmentid", "window", "windowid", "episode", "episodeid", "tsid", "casename", "name"),
}
_TIMES = {
    *(
        "time",
        "t",
        "timestamp",
        "timestamps",
        "date",
        "datetime",
        "step",
        "timestep",
        "tick",
        "timepoint",
    ),
    *("frame", "seconds", "sec", "ms", "timeindex", "timeid"),
}
_FEW_COLUMNS = 12
"""A table in wide form has more columns than that, or is a short one."""


class Table(Protocol):
    """What a file of columns offers: see `TextTable` and `ColumnarTable`."""

    place: Place
    columns: list[Column]

    def load(
        self, *, texts: Sequence[str] = (), numbers: Sequence[str] = (), others: Sequence[str] = ()
    ) -> pa.Table:
        """Read columns whole."""
        ...


@dataclass(frozen=True)
class Roles:
    """Which column of a table is what."""

    layout: Layout
    id: str | None
    time: str | None
    label: str | None
    values: tuple[str, ...]
    groups: str | None
    candidates: tuple[str, ...] = ()
    """Columns of which one may be the label, if it is constant in each case."""
    left_out: tuple[str, ...] = ()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def find_roles(table: Table, options: ReadOptions) -> Roles:
    """See which column is what.

    Raises
    ------
    DatasetError
        A column that was named is not there, or there is more than one way to read the table.
    """
    return _Finder(table, options).find()


class _Finder:
    """Takes columns away one after the other; what is left at last holds values."""

    def __init__(self, table: Table, options: ReadOptions) -> None:
        self.table, self.options, self.place = table, options, table.place
        self.left = list(table.columns)

    def find(self) -> Roles:
        options = self.options
        said = {name: self._take(getattr(options, name), Setting(name)) for name in ("id", "time")}
        groups = self._named(options.groups, Setting("groups"))
        label, settled = self._label()
        values = tuple(
            find_column(self.place, self.table.columns, one, Setting("values")).name
            for one in options.values
        )
        self.left = [one for one in self.left if one.name not in values]
        case = said["id"] or self._one_of(_IDS, "id", "names the cases")
        time = said["time"] or self._time()
        if groups is not None:  # it may also be the label or the id, but no value
            self.left = [one for one in self.left if one.name != groups]
        layout = options.layout or self._layout(case, time, label, values)
        if layout == "wide" and time is not None:
            if said["time"] is not None:
                raise self.place.error(
                    "a wide table has no column of times; leave out ", Setting("time")
                )
            self.left = [one for one in self.table.columns if one.name == time] + self.left
            time = None
        if layout == "long" and case is None:
            raise self.place.error(
                "the long form needs a column that names the case; give ",
                Setting("id"),
                f"; columns: {listed([one.name for one in self.table.columns])}",
            )
        values, texts = self._values(values)
        candidates = () if settled else tuple(texts)
        if layout == "wide":
            case, label, candidates = self._wide_texts(case, label, candidates)
        left_out = tuple(one for one in texts if one not in (case, label) and settled)
        index = index_column(self.left)
        if index is not None and index not in (*values, *texts, *left_out, groups):
            left_out = (index, *left_out)
        if not settled and layout == "wide" and label is None:
            self._check_unlabelled(values)
        return Roles(layout, case, time, label, values, groups, candidates, left_out)

    def _named(self, name: str | None, by: Piece) -> str | None:
        if name is None:
            return None
        return find_column(self.place, self.table.columns, name, by).name

    def _take(self, name: str | None, by: Piece) -> str | None:
        found = self._named(name, by)
        self.left = [one for one in self.left if one.name != found]
        return found

    def _label(self) -> tuple[str | None, bool]:
        """The label, and whether it is settled which column that is."""
        wanted = self.options.label
        if wanted == NO_LABEL and NO_LABEL not in [one.name for one in self.table.columns]:
            return None, True
        if wanted is not None:
            return self._take(wanted, Setting("label")), True
        found = self._one_of(_LABELS, "label", "is the label")
        return found, found is not None

    def _one_of(self, names: set[str], flag: str, what: str) -> str | None:
        """The only column with one of these names, taken away."""
        found = [one.name for one in self.left if _plain(one.name) in names]
        if len(found) > 1:
            raise self.place.error(
                f"{listed(found)}: which of them {what}? Give ", *either(flag, found)
            )
        return self._take(found[0], "") if found else None

    def _time(self) -> str | None:
        found = self._one_of(_TIMES, "time", "is the time")
        times = [one.name for one in self.left if one.kind == "time"]
        if found is None and len(times) == 1:
            return self._take(times[0], "")
        return found

    def _layout(
        self, case: str | None, time: str | None, label: str | None, values: Sequence[str]
    ) -> Layout:
        if any(one.kind == "list" for one in self.table.columns):
            return "wide"
        if case is not None:
            return "long" if time is not None or self._repeats(case) else "wide"
        if numbered([one.name for one in self.left if one.kind == "number"]):
            return "wide"
        if time is not None and len(self.left) + len(values) <= _FEW_COLUMNS:
            raise self.place.error(
                f"could be long (a row for each timestep, for {quoted(time)} looks like the time) "
                "or wide (a row for each case): give ",
                Setting("id", "COLUMN"),
                " for long, or ",
                Setting("layout", "wide"),
                f"; columns: {listed([one.name for one in self.table.columns])}",
            )
        runs = self._runs(label) if len(self.left) + len(values) <= _FEW_COLUMNS else None
        if runs is not None:
            raise self.place.error(
                f"could be long, with cases named by {quoted(runs)}, or wide, with a row for each "
                "case: give ",
                Setting("id", runs),
                ", or ",
                Setting("layout", "wide"),
            )
        return "wide"

    def _repeats(self, case: str) -> bool:
        """Whether a name stands in more than one row."""
        import pyarrow.compute as pc

        sample = next(one.sample for one in self.table.columns if one.name == case)
        if len(set(sample)) < len(sample):
            return True
        held = self.table.load(texts=[case]).column(case)
        return bool(pc.count_distinct(held.cast("string")).as_py() < len(held))

    def _runs(self, label: str | None) -> str | None:
        """A column whose values come in runs, as the names of cases do in long form."""
        for column in self.left:
            runs = [len(list(own)) for _, own in itertools.groupby(column.sample)]
            distinct = len(set(column.sample))
            if column.name != label and 1 < distinct == len(runs) and sum(runs) >= 3 * len(runs):
                return column.name
        return None

    def _values(self, values: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
        """The columns of values, and those of text that have no part to play yet."""
        texts = [one.name for one in self.left if one.kind in ("text", "time")]
        if not values:
            index = index_column(self.table.columns)
            values = tuple(
                one.name
                for one in self.left
                if one.kind in ("number", "list", "empty") and one.name != index
            )
        if not values:
            raise self.place.error(
                "no column holds numbers beside what was taken for id, time and label; give the "
                "series' columns with ",
                Setting("values"),
                f"; columns: {listed([one.name for one in self.table.columns])}",
            )
        return values, texts

    def _wide_texts(
        self, case: str | None, label: str | None, candidates: tuple[str, ...]
    ) -> tuple[str | None, str | None, tuple[str, ...]]:
        """In wide form: names of cases are all different, labels are not."""
        if not candidates:
            return case, label, ()
        loaded = self.table.load(texts=candidates)
        counts = {name: _distinct(loaded.column(name)) for name in candidates}
        names = [name for name, count in counts.items() if count == loaded.num_rows > 2]
        kinds = [name for name, count in counts.items() if name not in names and count > 1]
        if len(kinds) > 1:
            raise self.place.error(
                f"{listed(kinds)}: which of them is the label? Give ", *either("label", kinds)
            )
        if case is None and len(names) == 1:
            case = names[0]
        return case, kinds[0] if kinds else None, ()

    def _check_unlabelled(self, values: Sequence[str]) -> None:
        """See that no column of whole numbers could be the label of a table that names none."""
        columns = {one.name: one for one in self.table.columns}
        if len(values) < 2:
            return
        ends = [values[0], values[-1]]
        found = [name for name in ends if _few_whole(columns[name].sample)]
        if found:
            raise self.place.error(
                f"no column is called label or class, and {listed(found)} could be the label or a "
                "value: give ",
                *either("label", found, ", "),
                ", or ",
                Setting("label", NO_LABEL),
                " where all are values",
            )


def _distinct(column: Any) -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(column.cast("string")).as_py())


def _few_whole(sample: Sequence[str]) -> bool:
    """Whether these are a few whole numbers, as classes are."""
    held = [one.strip() for one in sample if not is_missing(one)]
    whole = all(re.fullmatch(r"[+-]?\d+(\.0*)?", one) for one in held)
    return whole and bool(held) and len(set(held)) <= max(2, len(held) // 2)


def index_column(columns: Sequence[Column]) -> str | None:
    """The row numbers that pandas writes beside a table, without a name."""
    names = [one.name for one in columns]
    if "__index_level_0__" in names:
        return "__index_level_0__"
    if not columns:
        return None
    first = columns[0]
    named = first.name in ("(no name)", "Unnamed: 0")
    counted = all(re.fullmatch(r"\d+", one) for one in first.sample)
    return first.name if named and counted else None


def is_label_name(name: str) -> bool:
    """Whether a column of this name is the label by the common use of words."""
    return _plain(name) in _LABELS


def is_time_name(name: str) -> bool:
    """Whether it is the time."""
    return _plain(name) in _TIMES
