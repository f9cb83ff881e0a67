"""The cases that a saved model was fitted on: it holds none, but knows where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt_cli.new_cases import NewCases, Remembered, new_cases, scored_cases
from tsprompt_cli.own_data import Parting, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tsprompt.data import Cases

__all__ = ["TrainCases"]

_ARCHIVED = ("bundled", "data-dir", "download")
_GIVE = "give it with --train"


@dataclass(frozen=True)
class TrainCases:
    """Train of a saved model, or why it is not at hand."""

    held: tuple[Cases, npt.NDArray[Any]] | None
    """Cases and their labels."""
    missing: str = ""
    """Why there are none, and what to do."""

    @classmethod
    def of_file(
        cls,
        source: str,
        reading: Reading,
        data_dir: Path | None,
        details: dict[str, Any],
        classes: npt.NDArray[Any],
    ) -> TrainCases:
        """What the user says that train is: a file, all of whose cases are taken, or a set.

        Raises
        ------
        DatasetError
            It can't be read, or has no labels.
        """
        from tsprompt.errors import DatasetError, Setting
        from tsprompt_datasets import is_path, load_dataset

        if not is_path(source):
            train = load_dataset(source, data_dir=data_dir, download=False).train
            return cls((train.cases, train.labels))
        own = new_cases(source, reading, data_dir, details, classes)
        if own.labels is None:
            raise DatasetError(f"{source}: has no labels; give the column with ", Setting("label"))
        return cls((own.cases, own.labels))

    @classmethod
    def known(
        cls,
        found: NewCases,
        source: str,
        data_dir: Path | None,
        details: dict[str, Any],
        classes: npt.NDArray[Any],
    ) -> TrainCases:
        """What the model's header says of it, where that is still so.

        An archive's set is found by its name. A file of the user's is `source` itself, or lies
        under its name beside it or in the working folder. Other contents are never taken: their
        hashes must be those of the fit.
        """
        name = details.get("dataset")
        if not isinstance(name, str):
            return cls(None, f"the model does not say what it was fitted on; {_GIVE}")
        if details.get("shots") is not None:
            return cls(None, f"train was a draw of few cases of {name}; {_GIVE}")
        if details.get("source") in _ARCHIVED:
            return cls._archived(name, data_dir, details)
        remembered, changed = Remembered(details), ""
        for path, same in _candidates(found, source, remembered):
            if not same:
                changed = f"{path} is not the file that the model was fitted on; {_GIVE}"
                continue
            train = scored_cases(path, Parting(), data_dir, details, classes, part="train")
            return cls((train.cases, train.labels))
        return cls(None, changed or f"train ({name}) is not at hand; {_GIVE}")

    @classmethod
    def _archived(cls, name: str, data_dir: Path | None, details: dict[str, Any]) -> TrainCases:
        from tsprompt.errors import DatasetError
        from tsprompt_datasets import load_dataset

        try:
            dataset = load_dataset(name, data_dir=data_dir, download=False)
        except DatasetError:
            return cls(None, f"train ({name}) is not on this machine; {_GIVE}")
        if dict(dataset.sha256) != details.get("data_sha256"):
            told = f"{name} on this machine is another than the one that the model was fitted on"
            return cls(None, f"{told}; {_GIVE}")
        return cls((dataset.train.cases, dataset.train.labels))


def _candidates(found: NewCases, source: str, remembered: Remembered) -> Iterator[tuple[str, bool]]:
    """Paths that may be train's, and whether their contents are those of the fit."""
    from tsprompt.base.files import is_file
    from tsprompt_datasets import is_path

    own = is_path(source) and source != "-"
    if own and found.fitted:
        yield source, True
    for name, digest in remembered.train_files.items():
        # The header may be anyone's: a name says no folder.
        for folder in dict.fromkeys([Path(source).expanduser().parent if own else Path(), Path()]):
            path = folder / Path(name).name
            if is_file(path):
                yield str(path.absolute()), _sha256(path) == digest


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
