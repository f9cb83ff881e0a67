"""The record of one run: all that tables, and whoever repeats it, need to know."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsprompt.base.files import write_whole
from tsprompt.errors import ModelFileError

__all__ = ["Record", "read_record", "record_of"]


@dataclass(frozen=True)
class Record:
    """One run, as one JSON file. What a run does not have (or a failed one lacks) is None."""

    dataset: str
    method: str
    kind: str
    """`model`, `ablation` or `baseline`."""
    seed: int
    resample: int
    status: str
    """`ok`, `failed` or `timed out`."""
    error: str | None = None
    traceback: str | None = None

    shots: int | None = None
    """Cases of train for each class, where train was cut down."""
    recipe: str | None = None
    strategy: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    """The same with every option of every part written out."""
    data_sha256: dict[str, str] = field(default_factory=dict)
    n_train: int | None = None
    n_test: int | None = None
    n_classes: int | None = None

    accuracy: float | None = None
    """Of test, as all that follow."""
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    auroc: float | None = None
    log_loss: float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    validation: str | None = None
    """How the validation accuracy was come by."""
    report: dict[str, Any] = field(default_factory=dict)
    """Further figures of the fit."""
    notes: list[str] = field(default_factory=list)
    """What the fit had to tell the user."""

    fit_seconds: float | None = None
    predict_seconds: float | None = None
    lm_seconds: float | None = None
    fit_tokens: int | None = None
    """Tokens that the language model has read to fit."""
    predict_tokens: int | None = None
    """And to predict test."""
    peak_memory_bytes: int | None = None
    """The most memory that the run's own process held; None where it had none of its own."""
    trainable_parameters: int | None = None
    total_parameters: int | None = None

    backbone: str | None = None
    weights_hash: str | None = None
    device: str | None = None
    dtype: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    commit: str | None = None
    """Of the code, where it runs from a checkout; `+` behind it: with changes."""
    predictions: str | None = None
    """Where the predictions of test lie, relative to the folder of results."""

    @property
    def ok(self) -> bool:
        """Whether the run went through."""
        return self.status == "ok"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    def write(self, path: Path) -> Path:
        """Write it, all of it or nothing."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1) + "\n")


def read_record(path: Path) -> Record:
    """Read what `Record.write` wrote.

    Raises
    ------
    ModelFileError
        The file can't be read, or holds no record.
    """
    try:
        return record_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} is no record of a run ({error}); delete it, and the run is made again"
        ) from None


def record_of(found: Any) -> Record:
    """The record that a JSON object holds.

    Raises
    ------
    TypeError, ValueError
        It holds something else.
    """
    if not isinstance(found, dict):
        raise TypeError(f"a record is an object, and this is {type(found).__name__}")
    record = Record(**found)
    _check(record)
    return record


_TEXTS = ("dataset", "method", "kind", "status")
_TEXTS_OR_NONE = ("error", "predictions")
_COUNTS = ("seed", "resample")
_COUNTS_OR_NONE = ("shots", "fit_tokens", "predict_tokens")
_FIGURES = ("balanced_accuracy", "macro_f1", "auroc", "log_loss", "fit_seconds", "predict_seconds")


def _check(record: Record) -> None:
    """See that the fields that tables are made of hold what they should."""
    _check_types(record, _TEXTS, str)
    _check_types(record, _TEXTS_OR_NONE, str, type(None))
    _check_types(record, _COUNTS, int)
    _check_types(record, _COUNTS_OR_NONE, int, type(None))
    _check_types(record, _FIGURES, int, float, type(None))
    accuracy = record.accuracy
    if record.ok and not (type(accuracy) in (int, float) and 0 <= accuracy <= 1):  # type: ignore[operator]
        raise ValueError(f"the run is ok, but its accuracy is {accuracy!r}")


def _check_types(record: Record, names: tuple[str, ...], *types: type) -> None:
    for name in names:
        value = getattr(record, name)
        if type(value) not in types:
            raise TypeError(f"{name} is {value!r}")
