"""What a path of the user's is: a file, a folder, or a set in an archive's layout."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from tsprompt.base.files import exists, is_folder
from tsprompt.errors import DatasetError
from tsprompt_datasets.locate import DatasetEntry, entry_at
from tsprompt_datasets.own_data.data_file import STDIN, DataFile, standard_input

__all__ = ["Location", "located"]


@dataclass(frozen=True)
class Location:
    """A path that was looked at: a file, or a folder."""

    path: Path
    file: DataFile | None
    archive: DatasetEntry | None = None
    """The set of an archive's layout that the folder or .zip holds."""

    @property
    def name(self) -> str:
        """What the data set is called."""
        return self.file.name if self.file else self.path.name


def located(path: str | os.PathLike[str]) -> Location:
    """Look at a path; `-` is standard input.

    Raises
    ------
    DatasetError
        Nothing is there.
    """
    if str(path) == STDIN:
        file = standard_input()
        return Location(file.path, file)
    whole = Path(path).expanduser().absolute()
    if (entry := entry_at(whole)) is not None:
        return Location(whole, None, entry)
    if is_folder(whole):
        return Location(whole, None)
    if not exists(whole):
        raise DatasetError(f"{path}: no such file or folder{_near_files(whole)}")
    return Location(whole, DataFile(whole))


def _near_files(path: Path) -> str:
    """The files there that are called nearly so."""
    try:
        names = [one.name for one in path.parent.iterdir() if not one.name.startswith(".")]
    except OSError:
        return f"; there is no folder {path.parent} either"
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else "; check the path"
