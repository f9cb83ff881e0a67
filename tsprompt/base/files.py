"""Files that are written whole or not at all. A leaf: it knows nothing of what they hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsprompt.errors import ConfigError, Setting, TspromptError

__all__ = [
    "check_file",
    "check_folder",
    "check_not_input",
    "check_writable",
    "exists",
    "is_file",
    "is_folder",
    "write_whole",
    "written_whole",
]

_PATH = Setting("path")
_OUTPUT = Setting("output")


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file, text as UTF-8, through a neighbour that takes its place once it is complete.

    Raises
    ------
    TspromptError
        It can't be written; what was there is untouched.
    """
    with written_whole(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return path.expanduser()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """The neighbour of a file to be, to be written in the block; at its end it takes the place.

    Raises
    ------
    TspromptError
        It can't be written; what was there is untouched.
    """
    path = path.expanduser()
    partial = _partial(path)
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def _partial(path: Path) -> Path:
    """The neighbour that takes a file's place once it is complete."""
    return path.with_name(f".{path.name}.partial-{os.getpid()}")


def is_folder(path: Path) -> bool:
    """Whether it is a folder. A path that no system takes, such as one too long, is none."""
    return os.path.isdir(path)  # noqa: PTH112  (`Path.is_dir` raises)


def is_file(path: Path) -> bool:
    """The same of a file."""
    return os.path.isfile(path)  # noqa: PTH113


def exists(path: Path) -> bool:
    """The same of either."""
    return os.path.exists(path)  # noqa: PTH110


def check_writable(path: Path, setting: Setting = _PATH) -> None:
    """See that `path`, a file or folder to be, can be written: before hours of work, not after.

    Nothing is left behind: a file is tried in the nearest folder that exists. `setting` is what
    the user gave it as.

    Raises
    ------
    TspromptError
        It can't be written.
    """
    path = path.expanduser().absolute()
    nearest = next(one for one in path.parents if exists(one))
    try:
        _partial(path).exists()  # asks the system whether it takes the name at all
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b".")
    except OSError as error:
        raise _unwritable(path, error, setting) from None


def check_file(path: Path, setting: Setting = _PATH) -> None:
    """See that a file can be written there.

    Raises
    ------
    TspromptError
        It is a folder, or can't be written.
    """
    if is_folder(path.expanduser()):
        raise ConfigError(f"{path} is a folder; give the name of a file as ", setting)
    check_writable(path, setting)


def check_not_input(output: Path, *inputs: str | Path, setting: Setting = _OUTPUT) -> None:
    """See that writing this file does not overwrite what is read: a file, or one in a folder.

    `setting` is what the user gave it as.

    Raises
    ------
    ConfigError
        It would.
    """
    there = output.expanduser()
    if not exists(there):
        return
    for one in inputs:
        source = Path(one).expanduser()
        if not exists(source):
            continue
        inside = is_folder(source) and there.resolve().is_relative_to(source.resolve())
        if inside or there.samefile(source):
            raise ConfigError(
                f"{output} is {'a file of ' if inside else ''}the input {one}, which would be "
                "overwritten; give another name as ",
                setting,
            )


def check_folder(path: Path, setting: Setting = _PATH) -> None:
    """See that files can be written into this folder, which need not exist yet.

    Raises
    ------
    TspromptError
        It is a file, or can't be written.
    """
    folder = path.expanduser()
    if exists(folder) and not is_folder(folder):
        raise ConfigError(f"{path} is a file; give a folder as ", setting)
    check_writable(folder / "file", setting)


def _unwritable(path: Path, error: OSError, setting: Setting = _PATH) -> TspromptError:
    reason = error.strerror or type(error).__name__
    return TspromptError(
        f"{path} can't be written ({reason}); free some space or choose another ", setting
    )
