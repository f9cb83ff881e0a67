"""Tables in wide form: a row for each case, a column for each timestep."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import ConfigError, Setting, counted
from tsprompt_datasets.own_data.case_values import codes_of, finite, labels_of
from tsprompt_datasets.own_data.column_roles import Roles, Table
from tsprompt_datasets.own_data.columns import Kind, Place, features_of, quoted, shown
from tsprompt_datasets.own_data.content import Content, named_columns
from tsprompt_datasets.own_data.options import ReadOptions, read_resampling
from tsprompt_datasets.own_data.padding import without_padding
from tsprompt_datasets.own_data.text_table import TextTable
from tsprompt_datasets.own_data.time_axis import resampled

__all__ = ["read_wide"]


def read_wide(table: Table, roles: Roles, options: ReadOptions) -> Content:
    """The cases of a table with a row for each of them.

    What is missing at the end of a row is the end of its series.

    Raises
    ------
    DatasetError
        Two cases have the same id, or a label is missing; the message names the row.
    """
    place = table.place
    kinds = {one.name: one.kind for one in table.columns}
    texts = [one for one in (roles.id, roles.groups) if one is not None]
    others = [one for one in (roles.label,) if one is not None]
    if isinstance(table, TextTable):
        texts, others = [*texts, *others], []
    loaded = table.load(texts=texts, numbers=roles.values, others=others)
    rows = np.arange(loaded.num_rows)
    ids = _ids(place, loaded, roles.id) if roles.id else None
    lists = [name for name in roles.values if kinds[name] == "list"]
    if lists:
        features, series = list(roles.values), _nested(place, loaded, roles.values, kinds)
    else:
        features, series = _spread(place, loaded, roles.values)
    if options.resample:
        wanted = read_resampling(options.resample)
        if wanted.seconds is not None:
            raise ConfigError(
                Setting("resample"),
                " by time needs a table in long form with a time; give a number of timesteps",
            )
        series = [resampled(np.arange(len(one), dtype=float), one, wanted) for one in series]
    labels = _said(place, loaded, roles.label, rows)
    groups = _said(place, loaded, roles.groups, rows)
    cases = Cases(series, ids=ids, features=features)
    return Content(
        cases,
        labels,
        None if groups is None else groups.astype(str),
        (_summary(cases, features, roles, labels),),
        _columns(roles, table, options),
    )


def _said(
    place: Place, loaded: Any, name: str | None, rows: npt.NDArray[np.intp]
) -> npt.NDArray[Any] | None:
    if name is None:
        return None
    codes, held = codes_of(loaded.column(name))
    return labels_of(place, name, codes, held, rows)


def _ids(place: Place, loaded: Any, name: str) -> list[str]:
    codes, held = codes_of(loaded.column(name))
    ids = [held[code] for code in codes.tolist()]
    seen: dict[Any, int] = {}
    for row, one in enumerate(ids):
        if one is None or not str(one).strip():
            raise place.error(f"the id {quoted(name)} is empty; each case needs one", row=row)
        if one in seen:
            raise place.error(
                f"the id {shown(one)} ({quoted(name)}) stands for two cases, the other is "
                f"{place.locate(seen[one])}; name them apart, or give ",
                Setting("layout", "long"),
                " if each row is a timestep",
                row=row,
            )
        seen[one] = row
    return [str(one) for one in ids]


def _spread(place: Place, loaded: Any, names: tuple[str, ...]) -> tuple[list[str], Any]:
    """Values (B, T, F), or a list of (T_i, F) where cases end earlier than others."""
    found = features_of(names)
    steps = len(next(iter(found.values())))
    values = np.empty((loaded.num_rows, steps, len(found)))
    for feature, own in enumerate(found.values()):
        for step, name in enumerate(own):
            values[:, step, feature] = finite(place, name, loaded.column(name).to_numpy())
    return list(found), without_padding(values)


def _nested(
    place: Place, loaded: Any, names: tuple[str, ...], kinds: dict[str, Kind]
) -> list[npt.NDArray[np.float64]]:
    """Values of columns that hold a list for each case."""
    wrong = [name for name in names if kinds[name] != "list"]
    if wrong:
        raise place.error(
            f"column {quoted(wrong[0])} holds a number where others hold a list for each case; "
            "give the lists alone with ",
            Setting("values"),
        )
    columns = [loaded.column(name).to_pylist() for name in names]
    made = []
    for row, own in enumerate(zip(*columns, strict=True)):
        lengths = {0 if one is None else len(one) for one in own}
        if len(lengths) > 1 or 0 in lengths:
            raise place.error(
                f"the lists of a case have {' and '.join(map(str, sorted(lengths)))} values; all "
                "features of a case need the same number, 1 or more",
                row=row,
            )
        try:
            values = np.array(own, dtype=np.float64).T
        except (TypeError, ValueError):
            raise place.error("a list holds more than numbers; correct it", row=row) from None
        if np.isinf(values).any():
            raise place.error("a list holds an infinite value; write NaN for it", row=row)
        made.append(values)
    return made


def _summary(cases: Cases, features: list[str], roles: Roles, labels: Any) -> str:
    said = f"label {quoted(roles.label)}" if roles.label and labels is not None else "no label"
    by = f" by {quoted(roles.id)}" if roles.id else ""
    out = f", left out {named_columns(roles.left_out)}" if roles.left_out else ""
    lengths = cases.lengths
    span = f"{lengths.min()}" if cases.equal_length else f"{lengths.min()} to {lengths.max()}"
    return (
        f"wide: {counted(len(cases), 'case')}{by}, {counted(len(features), 'feature')} "
        f"{named_columns(features)} of {span} timesteps, {said}{out}"
    )


def _columns(roles: Roles, table: Table, options: ReadOptions) -> dict[str, Any]:
    found: dict[str, Any] = {"layout": "wide", "id": roles.id, "label": roles.label}
    if isinstance(table, TextTable) and not table.header:
        found["header"] = False
    if options.values:
        found["chosen"] = True
    return {
        **{key: value for key, value in found.items() if value is not None},
        "values": list(roles.values),
    }
