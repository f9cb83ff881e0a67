"""Tables in long form: a row for each timestep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import Advice, Setting, counted
from tsprompt_datasets.own_data.case_values import codes_of, finite, labels_of
from tsprompt_datasets.own_data.column_roles import Roles, Table
from tsprompt_datasets.own_data.columns import Place, either, listed, quoted, shown
from tsprompt_datasets.own_data.content import Content, named_columns
from tsprompt_datasets.own_data.options import NO_LABEL, ReadOptions, Resampling, read_resampling
from tsprompt_datasets.own_data.time_axis import check_even, resampled, step_text, times_of

__all__ = ["read_long"]

IntArray = npt.NDArray[np.intp]


@dataclass
class _Rows:
    """All rows of a table, and which case each belongs to."""

    place: Place
    loaded: Any
    roles: Roles
    names: list[str]
    """Of the cases, in the order of their first appearance."""
    codes: npt.NDArray[np.int32]
    """(n,) the case of each row."""
    order: IntArray | None = None
    """(n,) the rows as the cases and times need them; None: as they lie in the file."""

    def row(self, position: int) -> int:
        """The file's row at this position of the order."""
        return int(position if self.order is None else self.order[position])

    def case(self, position: int) -> str:
        """The name of the case at this position."""
        return shown(self.names[self.codes[position]])


def read_long(table: Table, roles: Roles, options: ReadOptions) -> Content:
    """The cases of a table with a row for each timestep.

    Raises
    ------
    DatasetError
        The rows of a case lie apart with no time to sort them by, two have the same time, times are
        not even, or a case has two labels; the message names the row.
    """
    assert roles.id is not None
    place = table.place
    others = [roles.label] if roles.label else []
    texts = [roles.id, *roles.candidates, *([roles.groups] if roles.groups else [])]
    loaded = table.load(
        texts=[*texts, *(others if _is_text(table, roles.label) else [])],
        numbers=roles.values,
        others=[*others, *([roles.time] if roles.time else [])],
    )
    codes, names = codes_of(loaded.column(roles.id))
    for empty in [i for i, name in enumerate(names) if name is None or not name.strip()]:
        row = int(np.flatnonzero(codes == empty)[0])
        raise place.error(f"the id {quoted(roles.id)} is empty; each row needs one", row=row)
    rows = _Rows(place, loaded, roles, names, codes)
    wanted = read_resampling(options.resample) if options.resample else None
    times, said = _put_in_order(rows, wanted)
    starts = np.flatnonzero(np.r_[True, rows.codes[1:] != rows.codes[:-1]])
    firsts = starts if rows.order is None else rows.order[starts]
    label, left_out = (roles.label, "") if roles.label else _candidate(rows, starts)
    if label is None and options.label is None:
        _check_values(rows, starts)
    labels = _constant(rows, label, starts, firsts) if label else None
    groups = _constant(rows, roles.groups, starts, firsts) if roles.groups else None
    ids = [names[code] for code in rows.codes[starts].tolist()]
    series = _series(rows, starts, times, wanted)
    cases = Cases(series, ids=ids, features=list(roles.values))
    return Content(
        cases,
        labels,
        None if groups is None else groups.astype(str),
        (_summary(cases, roles, label, labels) + left_out, *said),
        _columns(roles, label, options),
    )


def _is_text(table: Table, name: str | None) -> bool:
    """Whether a label is read as text: in a file of text, any is."""
    from tsprompt_datasets.own_data.text_table import TextTable

    return name is not None and isinstance(table, TextTable)


def _put_in_order(
    rows: _Rows, wanted: Resampling | None
) -> tuple[npt.NDArray[Any] | None, tuple[str, ...]]:
    """Bring the rows of each case together and sort them by time; gives the times (n,)."""
    place, roles, codes = rows.place, rows.roles, rows.codes
    changes = codes[1:] != codes[:-1]
    apart = 1 + int(np.count_nonzero(changes)) != len(rows.names)
    if roles.time is None:
        if apart:
            _refuse_return(rows, changes)
        if wanted is not None and wanted.seconds is not None:
            raise place.error(
                Setting("resample"),
                " by time needs a column of times; give ",
                Setting("time"),
                Advice(", or a number of timesteps"),
            )
        return None, ()
    times, clock = times_of(place, roles.time, rows.loaded.column(roles.time))
    gaps = np.diff(times)
    unsorted = apart or bool((gaps[~changes] < 0).any())
    if unsorted:
        rows.order = np.lexsort((times, codes))
        times, rows.codes = times[rows.order], codes[rows.order]
        changes = rows.codes[1:] != rows.codes[:-1]
        gaps = np.diff(times)
    twice = np.flatnonzero((gaps == 0) & ~changes)
    if len(twice):
        at = int(twice[0])
        raise place.error(
            f"case {rows.case(at)} has two rows at the same time ({quoted(roles.time)}), the other "
            f"is {place.locate(rows.row(at))}; remove one, or name the cases apart",
            row=rows.row(at + 1),
        )
    how = "sorted by" if unsorted else "time"
    if wanted is not None:
        even = (
            f"{wanted.steps} timesteps"
            if wanted.steps
            else f"steps of {step_text(wanted.seconds or 0.0, clock=True)}"
        )
        return times, (f"{how} {quoted(roles.time)}, resampled to {even}",)
    step, off = check_even(times, ~changes)
    if off is not None:
        assert step is not None
        raise place.error(
            f"time {quoted(roles.time)} is not even: case {rows.case(off)} has a step of "
            f"{step_text(float(times[off] - times[off - 1]), clock)} where most are "
            f"{step_text(step, clock)}; bring it to even times",
            Advice(
                ", with a number of timesteps such as ",
                Setting("resample", "100"),
                ", or a step such as ",
                Setting("resample", f"{step:g}s"),
            ),
            row=rows.row(off),
        )
    steps = "" if step is None else f", a step of {step_text(step, clock)}"
    return times, (f"{how} {quoted(roles.time)}{steps}",)


def _refuse_return(rows: _Rows, changes: npt.NDArray[np.bool_]) -> None:
    """A case whose rows lie apart could be one case or two."""
    starts = np.r_[0, np.flatnonzero(changes) + 1]
    seen: set[int] = set()
    for start in starts.tolist():
        code = int(rows.codes[start])
        if code in seen:
            raise rows.place.error(
                f"case {rows.case(start)} ({quoted(rows.roles.id or '')}) comes back after other "
                "cases: if it is the same case, give the column of the time with ",
                Setting("time"),
                ", or sort the file; if it is another one, give it an id of its own",
                row=start,
            )
        seen.add(code)


def _series(
    rows: _Rows, starts: IntArray, times: npt.NDArray[Any] | None, wanted: Resampling | None
) -> Any:
    """Values of the cases: one block where they are of one length, else one array each."""
    features = rows.roles.values
    values = np.empty((len(rows.codes), len(features)))
    for i, name in enumerate(features):
        column = finite(rows.place, name, rows.loaded.column(name).to_numpy())
        values[:, i] = column if rows.order is None else column[rows.order]
        rows.loaded = rows.loaded.drop_columns(name)  # it is as large as the values themselves
    if wanted is None:
        lengths = np.diff(np.r_[starts, len(values)])
        if len(set(lengths.tolist())) == 1:
            return values.reshape(len(starts), -1, len(features))
        return np.split(values, starts[1:])
    if times is None:
        times = np.arange(len(values))
    parts = zip(np.split(times, starts[1:]), np.split(values, starts[1:]), strict=True)
    return [resampled(own, one, wanted) for own, one in parts]


def _candidate(rows: _Rows, starts: IntArray) -> tuple[str | None, str]:
    """The only column of text that is constant in each case, and not the same in all; and what is
    to be said of the others."""
    found, said = [], []
    for name in rows.roles.candidates:
        codes, held = codes_of(rows.loaded.column(name))
        if rows.order is not None:
            codes = codes[rows.order]
        change = _first_change(codes, starts)
        if change is not None:
            where = f"{rows.place.locate(rows.row(change))} of case {rows.case(change)}"
            said.append(f", left out {quoted(name)} (changes in {where})")
        elif len(held) > 1:
            found.append(name)
        else:
            said.append(f", left out {quoted(name)} (the same in all rows)")
    if len(found) > 1:
        raise rows.place.error(
            f"{listed(found)}: which of them is the label? Give ", *either("label", found)
        )
    return found[0] if found else None, "".join(said)


def _check_values(rows: _Rows, starts: IntArray) -> None:
    """See that no column of values could be the label: a few whole numbers, one for each case."""
    found = []
    for name in rows.roles.values if len(rows.roles.values) > 1 else ():
        values = rows.loaded.column(name).to_numpy()
        values = values if rows.order is None else values[rows.order]
        kinds, codes = np.unique(values, return_inverse=True)
        whole = len(kinds) > 1 and bool((kinds == np.round(kinds)).all())
        few = whole and 2 * len(kinds) <= len(starts)
        if few and _first_change(codes.astype(np.int32), starts) is None:
            found.append(name)
    if found:
        raise rows.place.error(
            f"no column is called label or class, and {listed(found)} is the same in all rows of "
            "each case, so that it could be the label or a value: give ",
            *either("label", found),
            ", or ",
            Setting("label", NO_LABEL),
        )


def _first_change(codes: npt.NDArray[np.int32], starts: IntArray) -> int | None:
    """The first position at which a case has another value than the row before."""
    changed = codes[1:] != codes[:-1]
    changed[starts[1:] - 1] = False
    found = int(changed.argmax()) if changed.any() else None
    return None if found is None else found + 1


def _constant(
    rows: _Rows, name: str, starts: IntArray, firsts: IntArray
) -> npt.NDArray[Any] | None:
    """What a column says of each case (B,)."""
    codes, held = codes_of(rows.loaded.column(name))
    if rows.order is not None:
        codes = codes[rows.order]
    change = _first_change(codes, starts)
    if change is not None:
        what = "label" if name != rows.roles.groups else "group"
        raise rows.place.error(
            f"case {rows.case(change)} has two {what}s in {quoted(name)}: "
            f"{shown(held[codes[change - 1]])} and {shown(held[codes[change]])}; each case has "
            "one: correct the row, or give the case ids of its own",
            row=rows.row(change),
        )
    return labels_of(rows.place, name, codes[starts], held, firsts)


def _summary(cases: Cases, roles: Roles, label: str | None, labels: Any) -> str:
    features = named_columns(roles.values)
    said = f"label {quoted(label)}" if label and labels is not None else "no label"
    out = f", left out {named_columns(roles.left_out)}" if roles.left_out else ""
    return (
        f"long: {counted(len(cases), 'case')} by {quoted(roles.id)}, "
        f"{counted(len(roles.values), 'feature')} {features}, {said}{out}"
    )


def _columns(roles: Roles, label: str | None, options: ReadOptions) -> dict[str, Any]:
    found: dict[str, Any] = {
        "layout": "long",
        "id": roles.id,
        "time": roles.time,
        "label": label,
        "chosen": bool(options.values) or None,
    }
    return {
        **{key: value for key, value in found.items() if value is not None},
        "values": list(roles.values),
    }
