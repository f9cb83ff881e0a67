"""Records of a folder of results, or of a packed file; what is no record is named, and never
trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tsprompt.base.files import is_file, is_folder
from tsprompt.benchmark.record import Record, read_record
from tsprompt.errors import ModelFileError
from tsprompt.report.packed import read_packed

__all__ = ["LeftOut", "Results", "load_results"]

_KINDS = ("model", "ablation", "baseline")


@dataclass(frozen=True)
class LeftOut:
    """A file that a report does not rest on."""

    file: str
    """Relative to the folder of results."""
    reason: str


@dataclass(frozen=True)
class Results:
    """What a folder of results holds."""

    folder: Path
    """Or the packed file."""
    records: list[Record]
    """Models first, then ablations, then baselines; each by its file's name."""
    left_out: list[LeftOut]


def load_results(folder: Path) -> Results:
    """Read the records in `folder/records`, or else those that lie in the folder itself; or those
    that a packed file holds.

    Raises
    ------
    ModelFileError
        There is no such folder or file, or no record in it.
    """
    folder = folder.expanduser()
    if is_file(folder):
        return _packed(folder)
    home = folder / "records" if is_folder(folder / "records") else folder
    if not is_folder(home):
        raise ModelFileError(f"{folder} is no folder; give one that holds records of runs")
    read: list[tuple[Path, Record]] = []
    left_out = [
        LeftOut(str(path.relative_to(folder)), "set aside when the benchmark ran: no record")
        for path in sorted((folder / "set-aside").glob("*.json"))
    ]
    for path in sorted(home.glob("*.json")):
        try:
            read.append((path, _known_kind(read_record(path))))
        except ModelFileError as error:
            left_out.append(LeftOut(str(path.relative_to(folder)), _reason(error, path)))
    newest, older = _newest(read)
    left_out += [LeftOut(str(old.relative_to(folder)), why) for old, why in older]
    if not newest:
        told = f": {left_out[0].file}: {left_out[0].reason}" if left_out else ""
        raise ModelFileError(f"{home} holds no record of a run{told}")
    return Results(folder, _in_order(newest), left_out)


def _packed(file: Path) -> Results:
    records: list[Record] = []
    left_out: list[LeftOut] = []
    for name, found in read_packed(file):
        try:
            if isinstance(found, ModelFileError):
                raise found
            records.append(_known_kind(found))
        except ModelFileError as error:
            left_out.append(LeftOut(name, str(error)))
    if not records:
        raise ModelFileError(f"{file} holds no record of a run")
    return Results(file, _in_order(records), left_out)


def _known_kind(record: Record) -> Record:
    if record.kind not in _KINDS:
        raise ModelFileError(f"its kind, {record.kind!r}, is none of: {', '.join(_KINDS)}")
    return record


def _in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: _KINDS.index(record.kind))


def _reason(error: ModelFileError, path: Path) -> str:
    """The message without the path, which stands beside it."""
    return str(error).replace(f"{path} is ", "").replace(str(path), path.name)


def _newest(read: Iterable[tuple[Path, Record]]) -> tuple[list[Record], list[tuple[Path, str]]]:
    """Of files of the same run (made again with other defaults, say) the one written last."""
    kept: dict[tuple[object, ...], tuple[Path, Record]] = {}
    older: list[tuple[Path, str]] = []
    for path, record in read:
        run = (record.dataset, record.method, record.shots, record.seed, record.resample)
        if run in kept:
            first, second = sorted((kept[run], (path, record)), key=lambda one: _written(one[0]))
            older.append((first[0], f"the same run is in {second[0].name}, which is newer"))
            kept[run] = second
        else:
            kept[run] = (path, record)
    return [record for _, record in kept.values()], older


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name
