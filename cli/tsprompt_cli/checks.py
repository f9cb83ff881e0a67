"""Where fit puts a model, and what it tells the model about its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsprompt.benchmark import Record
    from tsprompt.data import Dataset

__all__ = ["check_file", "check_folder", "check_records", "details"]


def check_folder(folder: Path) -> None:
    """See that a model can be saved there: before the fit, not after.

    Raises
    ------
    TspromptError
        Something else than a model is there, or it can't be written.
    """
    from tsprompt.base.files import check_writable
    from tsprompt.model.saving import check_target

    check_target(folder)
    check_writable(folder)


def check_file(output: Path | None) -> None:
    """See that a result can be written there.

    Raises
    ------
    TspromptError
        It is a folder, or can't be written.
    """
    from tsprompt.base.files import check_writable
    from tsprompt.errors import ConfigError

    if output is None:
        return
    if output.is_dir():
        raise ConfigError(f"{output} is a folder; give the name of a file as --output")
    check_writable(output)


def check_records(folder: Path | None) -> None:
    """See that records can be written into this folder.

    Raises
    ------
    TspromptError
        It is a file, or can't be written.
    """
    from tsprompt.base.files import check_writable
    from tsprompt.errors import ConfigError

    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder as --records")
    check_writable(folder / "record.json")


def details(data: Dataset, record: Record) -> dict[str, Any]:
    """What the model's file says of the set that it was fitted on."""
    return {
        "dataset": data.name,
        "source": data.source,
        "data_sha256": dict(data.sha256),
        "n_train": len(data.train),
        "seed": record.seed,
        "shots": record.shots,
        "timesteps": data.timesteps,
        "test": {
            "cases": len(data.test),
            "accuracy": record.accuracy,
            "balanced_accuracy": record.balanced_accuracy,
            "macro_f1": record.macro_f1,
            "log_loss": record.log_loss,
        },
        "predict_seconds": record.predict_seconds,
        "notes": record.notes,
    }
