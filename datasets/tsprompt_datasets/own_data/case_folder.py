"""A folder with a file for each case; labels are subfolders' names, or stand in a table."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import DatasetError, Setting, counted
from tsprompt_datasets.own_data.case_values import codes_of, finite, labels_of
from tsprompt_datasets.own_data.column_roles import Table, is_label_name, is_time_name
from tsprompt_datasets.own_data.columnar_table import COLUMNAR, ColumnarTable
from tsprompt_datasets.own_data.columns import Place, either, find_column, listed, quoted, shown
from tsprompt_datasets.own_data.content import Content, named_columns
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.options import NO_LABEL, ReadOptions, read_resampling
from tsprompt_datasets.own_data.text_table import TextTable
from tsprompt_datasets.own_data.time_axis import check_even, resampled, step_text, times_of

__all__ = ["CASE_ENDINGS", "case_files", "folder_hash", "read_folder"]

_TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat")
CASE_ENDINGS = (*_TEXT, *COLUMNAR, ".npy")
"""Endings of files that can hold one case."""
_TABLES = (
    "labels",
    "label",
    "index",
    "meta",
    "metadata",
    "classes",
    "targets",
    "cases",
    "reference",
)
"""What a table of labels is called, its ending apart."""


@dataclasses.dataclass(frozen=True)
class _CaseFile:
    path: Path
    label: str | None
    """The name of its subfolder."""

    def name(self, root: Path) -> str:
        """What the case is called."""
        return self.path.relative_to(root).as_posix()


def case_files(folder: Path) -> tuple[list[_CaseFile], Path | None]:
    """The files of cases in a folder, and the table of their labels if there is one."""
    files = [one for one in _visible(folder) if one.is_file() and _is_case(one)]
    tables = [one for one in files if DataFile(one).path.name.split(".")[0].lower() in _TABLES]
    table = tables[0] if len(tables) == 1 else None
    cases = [_CaseFile(one, None) for one in files if one != table]
    for sub in (one for one in _visible(folder) if one.is_dir()):
        cases += [_CaseFile(one, sub.name) for one in _visible(sub) if _is_case(one)]
    return cases, table


def _visible(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))


def _is_case(path: Path) -> bool:
    return path.is_file() and DataFile(path).suffix in CASE_ENDINGS


def folder_hash(folder: Path) -> str:
    """Hash of all names and bytes of the cases' files and the table."""
    found, table = case_files(folder)
    files = [one.path for one in found] + ([table] if table else [])
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()}\0{DataFile(file).sha256}\n".encode())
    return digest.hexdigest()


def read_folder(folder: Path, options: ReadOptions) -> Content:
    """The cases of a folder: a row for each timestep, a column for each feature.

    Raises
    ------
    DatasetError
        Files in the folder itself stand beside those of subfolders, a file has other columns than
        the first, or the table does not name the files.
    """
    files, table = case_files(folder)
    inside = [one for one in files if one.label is None]
    if inside and len(inside) < len(files):
        raise DatasetError(
            f"{folder.name}: holds files of cases both beside and in its subfolders (such as "
            f"{inside[0].path.name}); give each a place in a subfolder that is its label, or none"
        )
    reader = _Reader(folder, options)
    series = [reader.read(one) for one in files]
    ids = [one.name(folder) for one in files]
    cases = Cases(series, ids=ids, features=reader.features)
    labels, groups, by = _labels(folder, files, table, options)
    named = f" {named_columns(reader.features)}" if reader.features else ""
    said = (
        f"folder: {counted(len(cases), 'case')}, a file each, "
        f"{counted(cases.n_features, 'feature')}{named}, {by}"
    )
    columns = {"values": reader.features} if reader.features else {}
    return Content(cases, labels, groups, (said, *reader.said), columns)


class _Reader:
    """Reads the files of one folder, which have the same columns."""

    def __init__(self, folder: Path, options: ReadOptions) -> None:
        self.folder, self.options = folder, options
        self.features: list[str] | None = None
        self.said: tuple[str, ...] = ()
        self._step: float | None = None
        self._first = ""
        self._width: int | None = None

    def read(self, case: _CaseFile) -> npt.NDArray[Any]:
        """One file as (T, F)."""
        file, name = DataFile(case.path), case.name(self.folder)
        file.check()
        if file.suffix == ".npy":
            series = _array(file, name)
        else:
            series = self._table(self._open(file), name)
        if self._width is None:
            self._width, self._first = series.shape[1], name
        if series.shape[1] != self._width:
            raise DatasetError(
                f"{name}: has {counted(series.shape[1], 'feature')}, {self._first} has "
                f"{self._width}; all cases need the same"
            )
        return series

    def _open(self, file: DataFile) -> Table:
        if file.suffix in COLUMNAR:
            return ColumnarTable(file)
        return TextTable(file, self.options.header, single=True)

    def _table(self, table: Table, name: str) -> npt.NDArray[Any]:
        named = not isinstance(table, TextTable) or table.header
        time = self._time(table) if named else None
        values = self._values(table, time)
        if named and self.features is None:
            self.features = values
        loaded = table.load(numbers=values, others=[time] if time else [])
        series = np.stack(
            [finite(table.place, one, loaded.column(one).to_numpy()) for one in values], axis=1
        )
        wanted = read_resampling(self.options.resample) if self.options.resample else None
        if time is None:
            if wanted is None:
                return series
            return resampled(np.arange(len(series), dtype=float), series, wanted)
        times, clock = times_of(table.place, time, loaded.column(time))
        order = np.argsort(times, kind="stable")
        times, series = times[order], series[order]
        if wanted is not None:
            self.said = (f"time {quoted(time)}, resampled by {self.options.resample}",)
            return resampled(times, series, wanted)
        self._check_times(table.place, time, times, order, clock=clock)
        return series

    def _check_times(
        self, place: Place, name: str, times: npt.NDArray[Any], order: Any, *, clock: bool
    ) -> None:
        step, off = check_even(times, np.ones(max(len(times) - 1, 0), dtype=bool))
        if step is None:
            return
        self._step = self._step if self._step is not None else step
        if step == 0 or (off is not None and times[off] == times[off - 1]):
            raise place.error(
                f"two rows have the same time ({quoted(name)}); remove one",
                row=int(order[off if off is not None else 1]),
            )
        if off is not None or abs(step - self._step) > 0.01 * self._step:
            wrong = step if off is None else float(times[off] - times[off - 1])
            most = self._step if off is None else step
            raise place.error(
                f"time {quoted(name)} is not even: a step of {step_text(wrong, clock)} where most "
                f"are {step_text(most, clock)}; give ",
                Setting("resample"),
                ", such as ",
                Setting("resample", "100"),
                row=None if off is None else int(order[off]),
            )
        self.said = (f"time {quoted(name)}, a step of {step_text(self._step, clock)}",)

    def _time(self, table: Table) -> str | None:
        if self.options.time is not None:
            return find_column(table.place, table.columns, self.options.time, Setting("time")).name
        found = [one.name for one in table.columns if is_time_name(one.name) or one.kind == "time"]
        if len(found) > 1:
            raise table.place.error(
                f"{listed(found)}: which of them is the time? Give ", *either("time", found)
            )
        return found[0] if found and len(table.columns) > 1 else None

    def _values(self, table: Table, time: str | None) -> list[str]:
        names = [one.name for one in table.columns if one.name != time]
        if self.options.values:
            return [
                find_column(table.place, table.columns, one, Setting("values")).name
                for one in self.options.values
            ]
        if self.features is None:
            return names
        for one in self.features:
            find_column(table.place, table.columns, one, f"a column of {self._first}")
        if more := [one for one in names if one not in self.features]:
            raise table.place.error(
                f"has {listed(more)}, which {self._first} has not; all cases need the same columns"
            )
        return self.features


def _array(file: DataFile, name: str) -> npt.NDArray[Any]:
    try:
        with file.open() as opened:
            array = np.load(opened, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError):
        raise DatasetError(f"{name}: no .npy file of numbers; write it with numpy.save") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise DatasetError(f"{name}: does not hold one array of numbers; save it as float64")
    if array.ndim not in (1, 2) or not array.size:
        raise DatasetError(
            f"{name}: has shape {array.shape}; one case is (timesteps, features) or (timesteps,)"
        )
    if np.isinf(array).any():
        raise DatasetError(f"{name}: holds infinite values; rescale them, or use NaN")
    return array if array.ndim == 2 else array[:, None]


def _labels(
    folder: Path, files: list[_CaseFile], table: Path | None, options: ReadOptions
) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None, str]:
    """Labels (B,) and groups (B,) of the cases, and where they come from in words."""
    if table is not None and options.label != NO_LABEL:
        return _from_table(folder, files, table, options)
    if options.groups is not None:
        raise DatasetError(
            f"{folder.name}: has no table of cases, in which ",
            Setting("groups"),
            " could be a column; add labels.csv with columns such as file,label,group",
        )
    labels = [one.label for one in files]
    if options.label == NO_LABEL or None in labels:
        return None, None, "no labels"
    return np.array(labels), None, "labels from the subfolders"


def _from_table(
    folder: Path, files: list[_CaseFile], path: Path, options: ReadOptions
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None, str]:
    file = DataFile(path)
    table: Table = ColumnarTable(file) if file.suffix in COLUMNAR else TextTable(file, header=True)
    place, names = table.place, [one.name for one in table.columns]
    loaded = table.load(texts=names)
    held = {name: [str(one) for one in loaded.column(name).to_pylist()] for name in names}
    key = _key(place, files, held, options, table)
    rows = {_stem(one): row for row, one in enumerate(held[key])}
    at = []
    for one in files:
        row = rows.get(_stem(one.name(folder)), rows.get(_stem(one.path.name)))
        if row is None:
            raise place.error(f"has no row for {one.name(folder)}; add one, or remove the file")
        at.append(row)
    label = _label_column(place, names, key, options, table)
    order = np.array(at)
    groups = None
    if options.groups is not None:
        name = find_column(place, table.columns, options.groups, Setting("groups")).name
        groups = np.array(held[name])[order]
    codes, kinds = codes_of(loaded.column(label))
    labels = labels_of(place, label, codes[order], kinds, order)
    if labels is None:
        raise place.error(
            f"no case has a label in {quoted(label)}; write them, or give ",
            Setting("label", NO_LABEL),
        )
    return labels, groups, f"label {quoted(label)} of {path.name}"


def _stem(name: str) -> str:
    """A file's name as tables write it: with its ending or without."""
    path = Path(name.strip())
    return (
        path.with_suffix("").as_posix() if DataFile(path).suffix in CASE_ENDINGS else name.strip()
    )


def _key(
    place: Place,
    files: list[_CaseFile],
    held: dict[str, list[str]],
    options: ReadOptions,
    table: Table,
) -> str:
    """The column that names the files."""
    if options.id is not None:
        return find_column(place, table.columns, options.id, Setting("id")).name
    known = {_stem(one.path.name) for one in files}
    found = [
        name for name, own in held.items() if any(_stem(Path(one).name) in known for one in own)
    ]
    if len(found) != 1:
        said = f"{listed(found)} all name files" if found else "no column names the files"
        raise place.error(
            f"{said} (such as {shown(files[0].path.name)}); give the column that does with ",
            Setting("id"),
        )
    return found[0]


def _label_column(
    place: Place, names: list[str], key: str, options: ReadOptions, table: Table
) -> str:
    if options.label is not None:
        return find_column(place, table.columns, options.label, Setting("label")).name
    left = [name for name in names if name not in (key, options.groups)]
    found = [name for name in left if is_label_name(name)] or left
    if len(found) != 1:
        ways = either("label", found) or ["a column of labels"]
        raise place.error("which column is the label? Give ", *ways)
    return found[0]
