"""The models below a folder, kept as they are there: new ones appear, replaced ones are swapped.

Beside them stand models that were named, which lie elsewhere and don't go.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tsprompt.base.names import visible
from tsprompt.base.tensor_folder import check_digest, digest_of, read_header
from tsprompt.data import Expected
from tsprompt.errors import ConfigError, TspromptError
from tsprompt.model.calibration import Calibration, why_none
from tsprompt.model.saving import MODEL
from tsprompt.serving.about import ModelAbout, Problem, about_model, method_of
from tsprompt.serving.named_models import NamedModel
from tsprompt.serving.refusals import told

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.fitted import Fitted

__all__ = ["Change", "ModelFolder", "Models", "Offer"]

_DEEP = 8
"""Folders between the one that is served and a model, at the most."""

Mark = tuple[tuple[str, int, int, int], ...]
"""What tells whether a folder's files have changed: their names, inodes, sizes and times."""


class Models(Protocol):
    """Where models are loaded: see `tsprompt.Socket`."""

    def add(self, path: str | Path, *, name: str | None = None, digest: str | None = None) -> str:
        """Load the model of a folder under a name."""
        ...

    def remove(self, name: str) -> None:
        """Forget it."""
        ...

    def model(self, name: str) -> PromptClassifier:
        """The model of this name."""
        ...


@dataclass(frozen=True)
class Offer:
    """A model that can be asked."""

    name: str
    key: str
    """What it is called where it is loaded: another after each replacement, so that an answer is
    of one model or of the other."""
    about: ModelAbout
    expected: Expected
    """What series must look like."""
    calibration: Calibration | None
    """By what sets of classes are made."""
    uncalibrated: str | None
    """Why there are none."""
    details: dict[str, Any]
    """What else its header holds: how the file was read that it was fitted on."""


@dataclass(frozen=True)
class Change:
    """Something that a look at the folder found."""

    result: str
    """`added`, `replaced`, `failed` or `removed`."""
    name: str
    told: str
    """The digest, or what is wrong."""


class ModelFolder:
    """Each look brings what is served to what lies there. Looks are made by one thread."""

    def __init__(
        self,
        folder: Path | None,
        models: Models,
        *,
        named: Sequence[NamedModel] = (),
        busy: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Nothing is loaded before the first look.

        Parameters
        ----------
        folder
            None: the models that were named are all.
        busy
            Whether the model with this key is being asked: it is not forgotten before it was.

        Raises
        ------
        ConfigError
            There is no such folder.
        """
        self.folder = None if folder is None else folder.expanduser()
        if self.folder is not None and not self.folder.is_dir():
            raise ConfigError(f"{folder} is no folder; give one that holds saved models")
        self._models, self._busy = models, busy
        self._named = {one.name: one for one in named}
        self.tell: Callable[[Change], None] = lambda _: None
        """Hears of each change."""
        self._offers: dict[str, Offer] = {}
        self._problems: dict[str, str] = {}
        self._tried: dict[str, Mark] = {}
        self._changing: dict[str, Mark] = {}
        self._leaving: list[str] = []
        self._twice: set[str] = set()
        self._number = count(1)
        self.looked = threading.Event()
        """Set once all that lay there at first is loaded, or reported."""

    @property
    def offers(self) -> dict[str, Offer]:
        """Models that can be asked, by name."""
        return dict(sorted(self._offers.items()))

    @property
    def problems(self) -> list[Problem]:
        """Folders that can't be served as they are."""
        return [
            Problem(name=name, message=text, kept=name in self._offers)
            for name, text in sorted(self._problems.items())
        ]

    def offer(self, name: str) -> Offer | None:
        """The model of this name, if there is one."""
        return self._offers.get(name)

    def fitted(self, offer: Offer) -> Fitted:
        """The model itself, read again if it has left memory.

        Raises
        ------
        TspromptError
            It had to be read again, and can't be.
        """
        return self._models.model(offer.key).fitted_

    def look(self) -> None:
        """Load what is new or was replaced, report what can't be read, forget what is gone."""
        try:
            found = self._found()
        except OSError as error:
            self._fail(".", f"the folder can't be read ({error.strerror}); what it held is kept")
            return
        self._problems.pop(".", None)
        for name in [*self._tried, *self._offers]:
            if name not in found:
                self._forget(name)
        for name, place in found.items():
            self._see(name, place)
        self._leaving = [key for key in self._leaving if not self._left(key)]
        self.looked.set()

    def _see(self, name: str, place: Path) -> None:
        mark = _mark(place)
        if mark == self._tried.get(name):
            return
        if self.looked.is_set() and mark != self._changing.get(name):
            self._changing[name] = mark  # it may be in the midst of being copied
            return
        self._changing.pop(name, None)
        self._tried[name] = mark
        self._load(name, place)

    def _load(self, name: str, place: Path) -> None:
        key = f"{name}#{next(self._number)}"
        try:
            header = read_header(place, MODEL)
            self._check_meant(name, place, header)
            digest = digest_of(header)
            self._models.add(place, name=key, digest=digest)
            fitted = self._models.model(key).fitted_
        except TspromptError as error:
            self._fail(name, self._without_paths(str(error), name, place))
            return
        about = about_model(
            name,
            digest,
            header,
            calibrated=fitted.calibration is not None,
            explained_by=method_of(fitted),
        )
        before = self._offers.get(name)
        # One assignment: whoever asks sees the old one or the new one.
        self._offers[name] = _offer(key, about, fitted, header["details"])
        self._problems.pop(name, None)
        if before is not None:
            self._leaving.append(before.key)
        self.tell(Change("added" if before is None else "replaced", name, digest))

    def _check_meant(self, name: str, place: Path, header: dict[str, Any]) -> None:
        """See that a model that was named is the one whose digest was given."""
        named = self._named.get(name)
        if named is not None and named.digest is not None:
            check_digest(place, header, named.digest)

    def _without_paths(self, text: str, name: str, place: Path) -> str:
        """The same text for those who need not know where models lie."""
        if name in self._named:
            return text.replace(str(place), name)
        return text.replace(f"{self.folder}{os.sep}", "")

    def _fail(self, name: str, text: str) -> None:
        if self._problems.get(name) != text:
            self._problems[name] = text
            self.tell(Change("failed", name, text))

    def _forget(self, name: str) -> None:
        self._tried.pop(name, None)
        self._problems.pop(name, None)
        offer = self._offers.pop(name, None)
        if offer is not None:
            self._leaving.append(offer.key)
            self.tell(Change("removed", name, offer.about.digest))

    def _left(self, key: str) -> bool:
        """Whether a model that is served no more could be forgotten."""
        if self._busy(key):
            return False
        self._models.remove(key)
        return True

    def _found(self) -> dict[str, Path]:
        """Folders that hold a model, by the name that it is served under."""
        found = {one.name: one.place for one in self._named.values()}
        twice: set[str] = set()
        for name, place in self._below():
            if name in found:
                twice.add(name)
            found.setdefault(name, place)
        for name in self._twice - twice:
            self._problems.pop(name, None)
        for name in twice:
            self._fail(name, "two models have this name, as it is shown; rename one")
        self._twice = twice
        return found

    def _below(self) -> Iterator[tuple[str, Path]]:
        """The models of the folder, and their names."""
        if self.folder is None:
            return
        for place in _folders(self.folder, 0, set()):
            parts = place.relative_to(self.folder).parts or (self.folder.resolve().name,)
            yield "/".join(map(visible, parts)), place


def _offer(key: str, about: ModelAbout, fitted: Fitted, details: dict[str, Any]) -> Offer:
    """What is kept of a model here: the model itself may leave memory."""
    why = None
    if fitted.calibration is None:
        why = told(why_none(fitted.design, labelled=fitted.learned_from_labels))
    return Offer(about.name, key, about, fitted.expected, fitted.calibration, why, details)


def _folders(folder: Path, depth: int, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Folders with a model, each once, hidden ones left out; links are followed."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen or depth > _DEEP:
        return
    seen.add((status.st_dev, status.st_ino))
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == MODEL.header:
                yield folder
            elif not entry.name.startswith(".") and _is_folder(entry):
                names.append(entry.name)
    for name in sorted(names):
        try:
            yield from _folders(folder / name, depth + 1, seen)
        except OSError:
            continue  # gone meanwhile, or closed to us


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _mark(place: Path) -> Mark:
    found = []
    for name in (MODEL.header, MODEL.tensors):
        try:
            status = (place / name).stat()
        except OSError:
            continue
        found.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
