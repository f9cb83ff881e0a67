"""Files that are written whole or not at all. A leaf: it knows nothing of what they hold."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tsprompt.errors import TspromptError

__all__ = ["check_writable", "write_whole"]


def write_whole(path: Path, text: str) -> Path:
    """Write a text file through a neighbour that takes its place once it is complete.

    Raises
    ------
    TspromptError
        It can't be written; what was there is untouched.
    """
    path = path.expanduser()
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def check_writable(path: Path) -> None:
    """See that `path`, a file or folder to be, can be written: before hours of work, not after.

    Nothing is left behind: a file is tried in the nearest folder that exists.

    Raises
    ------
    TspromptError
        It can't be written.
    """
    path = path.expanduser().absolute()
    nearest = next(one for one in path.parents if one.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b".")
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> TspromptError:
    reason = error.strerror or type(error).__name__
    return TspromptError(
        f"{path} can't be written ({reason}); free some space or choose another --output"
    )
