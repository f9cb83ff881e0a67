"""A folder of two files, a JSON header and its tensors, written whole or not at all.

What a header means is the business of those who write it: fitted classifiers, and prompts that
others start from. Nothing is ever pickled.

A folder is replaced in one step. The new tensors are written beside the old ones, under a name made
of their hash; then the new header takes the place of the old one, and this commits: it names the
hash of its tensors. Only then do the tensors take their own name. Whoever reads looks for them
under both names, so that whenever a writer dies, the old pair or the new one is there. What a dead
writer has left behind is put in order by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt.base.files import exists, is_folder
from tsprompt.errors import ModelFileError, Setting

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "FolderFormat",
    "check_digest",
    "check_target",
    "digest_of",
    "read_bytes",
    "read_folder",
    "read_header",
    "write_folder",
]

_ATTEMPTS = 10
"""How often a folder is read anew that others replace at the same time."""
_DIGITS = 64
"""Of a SHA-256 in hexadecimal."""


@dataclass(frozen=True)
class FolderFormat:
    """The names of a folder's two files, and how errors speak of it."""

    header: str
    tensors: str
    format: int
    command: str
    """What writes it."""
    a: str = "the model"
    none: str = "no saved model"
    none_there: str = "no model"
    undigested: tuple[int, ...] = ()
    """Older formats that are read too: their headers have no digest."""
    card: str | None = None
    """A text for people beside the two, if there is one. Nothing is read from it."""

    @property
    def files(self) -> set[str]:
        """The names of the two files."""
        return {self.header, self.tensors}

    @property
    def written(self) -> tuple[str, ...]:
        """The names of all files that are written."""
        return (self.header, self.tensors, *([self.card] if self.card else []))


def write_folder(
    path: Path,
    form: FolderFormat,
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    card: Callable[[dict[str, Any]], str] | None = None,
) -> Path:
    """Write a header and its tensors to the folder `path`, all of it or nothing.

    Parameters
    ----------
    card
        Makes the text of the form's card of the header as it is written.

    Raises
    ------
    ModelFileError
        `path` holds something else than this kind of thing, or can't be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    path = path.expanduser()
    check_target(path, form)
    place = path.resolve()
    try:
        weights = save(tensors)
        whole = _whole(header, weights)
        told = None if card is None else card(whole)
        with _folder(place):
            _Writer(place, form).replace(json.dumps(whole, indent=1), weights, told)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"{form.a} can't be written to {path} ({error}); what was there is untouched: "
            "free some space or choose another ",
            Setting("path"),
        ) from None
    return path


def _whole(header: dict[str, Any], weights: bytes) -> dict[str, Any]:
    """The header with the hash of the tensors, and a digest of all that it says."""
    whole = {**header, "tensors_sha256": hashlib.sha256(weights).hexdigest()}
    # The digest is of what a reader will find: JSON has no tuples, and no keys but text.
    whole["digest"] = digest_of(json.loads(json.dumps(whole)))
    return whole


def digest_of(header: dict[str, Any]) -> str:
    """SHA-256 over all that a header says, the hash of its tensors included, in hexadecimal."""
    said = {key: value for key, value in header.items() if key != "digest"}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


@contextmanager
def _folder(place: Path) -> Iterator[None]:
    """The folder, there and locked against other writers; one that was made here goes again, if
    nothing comes to be in it."""
    made = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(place):
            yield
    finally:
        if made:
            with suppress(OSError):
                place.rmdir()


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """While the block runs, no other writer is at work in the folder. The lock is the folder's own,
    without a file, and ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows can't lock a folder: two writers at once are then told apart
        yield  # by nothing, and the last one wins
        return
    number = os.open(place, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


class _Writer:
    """Replaces what a folder holds, and puts in order what a dead writer has left."""

    def __init__(self, place: Path, form: FolderFormat) -> None:
        self.place, self.form = place, form
        self.header, self.tensors = place / form.header, place / form.tensors

    def replace(self, text: str, weights: bytes, card: str | None) -> None:
        """Write the new pair; the old one stays until the new header takes its place. The card
        follows it: it tells which digest it is of."""
        self._settle()
        pending = _pending(self.tensors, hashlib.sha256(weights).hexdigest())
        try:
            # Under a name of its own until it is whole: a name made of a hash tells no lie.
            whole = self._write(self.tensors, weights)
            whole.replace(pending)
            told = self._write_card(card)
            whole = self._write(self.header, text.encode("utf-8"))
            self._keep()
            whole.replace(self.header)
        except BaseException:
            self._sweep()
            raise
        # It is committed: whatever fails from here on is put right by the next writer.
        with suppress(OSError):
            self._keep()
            pending.replace(self.tensors)
            if told is not None:
                told.replace(self.place / str(self.form.card))
            self._keep()

    def _write_card(self, card: str | None) -> Path | None:
        if card is None or self.form.card is None:
            return None
        return self._write(self.place / self.form.card, card.encode("utf-8"))

    def _settle(self) -> None:
        """Give tensors that a dead writer had committed their name; remove what it had not."""
        try:
            expected = json.loads(self.header.read_text(encoding="utf-8"))["tensors_sha256"]
            pending = _pending(self.tensors, expected)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pending = None  # nothing there, or damaged: it is about to be replaced
        if pending is not None and pending.is_file():
            pending.replace(self.tensors)
        self._sweep()

    def _sweep(self) -> None:
        for one in self.place.iterdir():
            if _is_left(one.name, self.form):
                one.unlink(missing_ok=True)

    def _write(self, target: Path, content: bytes) -> Path:
        """A neighbour of the target, whole and on the disk, as its umask has it."""
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return partial

    def _keep(self) -> None:
        """Have the names in the folder on the disk as well."""
        if os.name == "nt":
            return  # a folder can't be opened there
        number = os.open(self.place, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _pending(tensors: Path, sha256: str) -> Path:
    """Where tensors of this hash lie until they have their own name."""
    if len(sha256) != _DIGITS or not sha256.isalnum():
        raise ValueError("no SHA-256")
    return tensors.with_name(f".{tensors.name}.{sha256}")


def _is_left(name: str, form: FolderFormat) -> bool:
    """Whether a file is what a writer leaves when it dies."""
    return name.startswith(tuple(f".{one}." for one in form.written))


def check_target(path: Path, form: FolderFormat) -> None:
    """See that a folder of this form may take this place: it is free, or holds nothing, or just
    such a folder's files.

    Raises
    ------
    ModelFileError
        Something else is there, or it can't be looked at.
    """
    path = path.expanduser()
    try:
        if not exists(path):
            return
        files = {one.name for one in path.iterdir()} if is_folder(path) else None
    except OSError as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
    left = {name for name in files or () if _is_left(name, form)}
    if files and form.card and form.header in files:
        files.discard(form.card)
    known = [set(), {form.header, form.tensors}, *([{form.header}] if left else [])]
    if files is None or files - left not in known:
        raise ModelFileError(f"{path} exists and is {form.none}; choose another ", Setting("path"))


def read_header(path: Path, form: FolderFormat) -> dict[str, Any]:
    """Read and check a folder's header.

    Raises
    ------
    ModelFileError
        There is none, it is damaged, or of another format.
    """
    file = path / form.header
    damaged = ModelFileError(f"{file} is damaged or truncated; {form.command} again")
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
        version = header["format"]
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} holds {form.none_there} ({form.header} is missing); give the folder that "
            f"{form.command} wrote"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    if type(version) is not int or version not in (form.format, *form.undigested):
        raise ModelFileError(
            f"{path} has format {version}, this tsprompt reads format {form.format}; "
            "install the tsprompt that wrote it, or a newer one"
        )
    if version == form.format and header.get("digest") != digest_of(header):
        raise ModelFileError(
            f"{file} is damaged or was changed: what it says has another digest than it was "
            f"written with; copy it again, or {form.command} again"
        )
    return dict(header)


def read_folder(path: Path, form: FolderFormat) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A folder's header and the tensors that belong to it.

    Raises
    ------
    ModelFileError
        There is none, it is damaged, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    header, weights = read_bytes(path, form)
    try:
        return header, dict(load(weights))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path / form.tensors} can't be read: {error}") from None


def read_bytes(path: Path, form: FolderFormat) -> tuple[dict[str, Any], bytes]:
    """A folder's header, and the file of the tensors that belong to it as it is: their hash is what
    the header says.

    Raises
    ------
    ModelFileError
        There is none, it is damaged, or of another format.
    """
    file = path / form.tensors
    header = read_header(path, form)
    for _ in range(_ATTEMPTS):
        weights = _weights(file, header.get("tensors_sha256"))
        if weights is not None:
            break
        # Another process may just have replaced both: then the header has changed as well.
        last, header = header, read_header(path, form)
        if last == header:
            raise ModelFileError(
                f"{file} is truncated or damaged; copy it again or {form.command} again"
            )
    return header, weights or b""


def _weights(file: Path, sha256: Any) -> bytes | None:
    """The bytes with this hash; None if there are others only."""
    try:
        pending = _pending(file, sha256)
    except (TypeError, ValueError):
        return None
    found = None
    # Between the first look and the second a writer may have given them their name.
    for place in (file, pending, file):
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ModelFileError(f"{place} can't be read: {error}") from None
        found = place
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    if found is None:
        raise ModelFileError(f"{file} is missing; copy it again")
    return None


def check_digest(path: Path, header: dict[str, Any], wanted: str) -> None:
    """See that a header has the digest that somebody wrote down.

    Raises
    ------
    ModelFileError
        It has another.
    """
    found = digest_of(header)
    if found != wanted.strip().lower():
        raise ModelFileError(
            f"{path} has the digest {found}, and {wanted!r} was asked for: it is another model, or "
            "was changed since; take it from where that digest was written down"
        )
