"""What a path holds: a table, arrays, a file of the archives' formats, or a folder of cases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tsprompt.base.files import is_file, is_folder
from tsprompt.errors import DatasetError, Setting, counted
from tsprompt_datasets.load import load_file
from tsprompt_datasets.own_data.arrays import read_npz
from tsprompt_datasets.own_data.case_folder import CASE_ENDINGS, case_files, read_folder
from tsprompt_datasets.own_data.column_roles import Table, find_roles
from tsprompt_datasets.own_data.columnar_table import COLUMNAR, ColumnarTable
from tsprompt_datasets.own_data.columns import listed
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.long import read_long
from tsprompt_datasets.own_data.options import ReadOptions
from tsprompt_datasets.own_data.plain_lines import LABELS, may_have_names, read_plain
from tsprompt_datasets.own_data.same_columns import same_columns
from tsprompt_datasets.own_data.text_table import TextTable, is_series_line
from tsprompt_datasets.own_data.wide import read_wide
from tsprompt_datasets.readers import PLAIN, READERS

__all__ = [
    "ENDINGS",
    "KEPT",
    "check_apart",
    "content_of_file",
    "content_of_folder",
    "files_of",
    "find_pair",
    "has_own_data",
    "nothing_in",
    "sibling",
    "test_beside",
]

_TABLES = (".csv", ".tsv", ".tab", ".txt", ".dat", *COLUMNAR)
ENDINGS = tuple(dict.fromkeys([".csv", ".tsv", *COLUMNAR, ".npz", *READERS, ".txt", ".zip"]))
"""Endings of files that can be read; .gz, .bz2 and .xz may follow those of text."""


KEPT = (".csv", ".tsv", ".tab", ".txt", ".dat")
"""Endings of files that take longer to read than what was made of them."""
_PART = re.compile(r"(.*[_\-. ])?(train|test)", re.IGNORECASE)
_PREFERRED = (".ts", ".tsv", ".arff")


def find_pair(folder: Path) -> dict[str, Path] | None:
    """Train and test of a folder that holds each: `NAME_TRAIN.ts`, `train.csv`, or a subfolder."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for one in sorted(folder.iterdir()):
        name, ending = _parted(one)
        if part := _PART.fullmatch(name):
            found.setdefault(((part[1] or "").casefold(), ending), {})[part[2].lower()] = one
    whole = {key: own for key, own in found.items() if len(own) == 2}
    if not whole:
        return None
    rank = {ending: i for i, ending in enumerate(_PREFERRED)}
    return whole[min(whole, key=lambda key: (rank.get(key[1], len(rank)), key))]


def _parted(path: Path) -> tuple[str, str]:
    """A name without its endings, and these in lower case; `/` is that of a folder."""
    if is_folder(path):
        return path.name, "/"
    file = DataFile(path)
    ending = file.suffix + file.packed
    return path.name[: len(path.name) - len(ending)], ending


def files_of(hashes: dict[str, str]) -> dict[str, dict[str, str]]:
    """Names and hashes of the files of train and of test, as their names tell them; a file whose
    name tells neither holds both."""
    return {
        part: {name: own for name, own in hashes.items() if _part_named(name) in (part, None)}
        for part in ("train", "test")
    }


def check_apart(name: str, other: str, train: dict[str, str], test: dict[str, str]) -> None:
    """See that test is not train once more."""
    if set(train.values()) & set(test.values()):
        raise DatasetError(
            f"{other}: holds the very cases of train, {name}, and would say nothing of new ones; "
            "give another file as ",
            Setting("test"),
            ", or leave it out to have test drawn",
        )


def _part_named(name: str) -> str | None:
    """`train` or `test`, where a file's name ends so before its endings."""
    name = name.removesuffix("/")
    file = DataFile(Path(name))
    stem = name.removesuffix(file.packed)
    part = _PART.fullmatch(stem[: len(stem) - len(file.suffix)] if file.suffix else stem)
    return part[2].lower() if part else None


def sibling(path: Path) -> Path | None:
    """The file `NAME_TEST` beside `NAME_TRAIN`."""
    name, ending = _parted(path)
    part = _PART.fullmatch(name)
    if part is None or part[2].lower() != "train" or not part[1]:
        return None
    wanted = f"{part[1]}test{ending}".casefold()
    return next((one for one in path.parent.iterdir() if one.name.casefold() == wanted), None)


def test_beside(path: str) -> str | None:
    """SHA-256 of the test file that lies beside a file called `NAME_TRAIN`."""
    whole = Path(path).expanduser().absolute()
    other = sibling(whole) if is_file(whole) else None
    return None if other is None else DataFile(other).sha256


def content_of_file(
    file: DataFile, options: ReadOptions, like: dict[str, Any] | None = None
) -> dict[str, Content]:
    """What a file holds: `all` its cases, or those of `train` and `test`, where it says which.

    Parameters
    ----------
    like
        `Content.columns` of a file whose columns this one must have.

    Raises
    ------
    DatasetError
        The file can't be read, is damaged, or can be understood in several ways.
    """
    file.check()
    if file.suffix == ".npz":
        return read_npz(file)
    is_plain = file.suffix in PLAIN and _is_plain(file, options, like or {})
    if is_plain or (file.suffix in READERS and file.suffix not in PLAIN):
        return {"all": _archive_format(file, options, (like or {}).get("classes"))}
    if file.suffix not in (*_TABLES, *PLAIN):
        raise DatasetError(
            f"{file.path}: can't tell the format by the ending {file.suffix or '(none)'!r}; give "
            f"one of: {', '.join(ENDINGS)}, or a folder of files"
        )
    table: Table
    if file.suffix in COLUMNAR:
        if file.packed:
            raise DatasetError(f"{file.name}: is compressed twice; unpack it first")
        file.check_magic((b"PAR1", b"ARROW1", b"FEA1"))
        table = ColumnarTable(file)
    else:
        header = options.header
        if header is None and like:
            header = like.get("header")
        table = TextTable(file, header)
    if like:
        options = same_columns(table, options, like)
    roles = find_roles(table, options)
    read = read_long if roles.layout == "long" else read_wide
    return {"all": read(table, roles, options)}


def _is_plain(file: DataFile, options: ReadOptions, like: dict[str, Any]) -> bool:
    """Whether a .tsv or .txt is of the archives' plain form, which has no names of columns."""
    if options.header or not is_series_line(file):
        return False
    if options.header is False:
        named = (options.id, options.time, options.groups, options.layout, *options.values)
        return options.label in LABELS and not any(named)
    if not may_have_names(file):
        return True
    if "layout" in like:  # what it must be like has names
        return False
    raise DatasetError(
        f"{file.name}: the first row could be names of columns or a case; say which: ",
        Setting("header", True),
        ", or ",
        Setting("header", False),
    )


def _archive_format(file: DataFile, options: ReadOptions, classes: list[str] | None) -> Content:
    if file.suffix in PLAIN:
        held = read_plain(file, options.label, classes)
    else:
        held = load_file(file.path)
    labels = "no labels" if held.labels is None else "labels"
    said = (
        f"{file.suffix[1:] or 'plain lines'}: {counted(len(held.cases), 'case')}, "
        f"{counted(held.cases.n_features, 'feature')}, {labels}"
    )
    return Content(held.cases, held.labels, None, (said,))


def content_of_folder(folder: Path, options: ReadOptions) -> Content:
    """The cases of a folder with a file for each.

    Raises
    ------
    DatasetError
        There are no such files; the message lists what was found.
    """
    files, _ = case_files(folder)
    if not files:
        raise DatasetError(nothing_in(folder))
    return read_folder(folder, options)


def has_own_data(folder: Path) -> bool:
    """Whether a folder holds files of cases."""
    return bool(case_files(folder)[0])


def nothing_in(folder: Path) -> str:
    """The message about a folder without cases: what it holds, and what it should."""
    found = sorted(one.name + ("/" if one.is_dir() else "") for one in folder.iterdir())
    holds = f"holds {listed(found, 8)}" if found else "is empty"
    return (
        f"{folder} {holds}, but no data that can be told; give the file itself, or a folder with a "
        f"file for each case ({', '.join(CASE_ENDINGS[:3])}, ...) in subfolders named by the "
        f"label, or {folder.name}_TRAIN.ts and {folder.name}_TEST.ts"
    )
