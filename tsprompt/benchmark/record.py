"""The record of one run: all that tables, and whoever repeats it, need to know."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tsprompt.base.files import write_whole
from tsprompt.errors import ModelFileError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Record", "read_record", "record_of"]

STATUSES = ("ok", "failed", "timed out")
"""How a run whose record is kept can have ended."""


@dataclass(frozen=True)
class Record:
    """One run, as one JSON file. What a run does not have (or a failed one lacks) is None."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True, "extra": "forbid"}
    """How what is read is held against the types below."""

    dataset: str
    method: str
    kind: str
    """`model`, `ablation` or `baseline`."""
    seed: int
    resample: int
    status: str
    """`ok`, `failed` or `timed out`; `killed` in what is given of a run, never in a file."""
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
    peak_gpu_memory_bytes: int | None = None
    """The most memory that tensors took on one GPU while it was fitted and predicted; None where
    none was used."""
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    model_bytes: int | None = None
    """What the saved model takes on disk, without the language model's own weights."""

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
        return record_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is no record of a run ({error}); delete it, and the run is made again"
        ) from None


def record_of(text: str) -> Record:
    """The record that a JSON text holds.

    Raises
    ------
    ValueError
        It holds something else, or a field that is unknown or of another type.
    """
    from pydantic import ValidationError

    try:
        record: Record = _schema().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{one}: " for one in first["loc"])
        raise ValueError(f"{where}{first['msg']}") from None
    if record.status not in STATUSES:
        raise ValueError(f"its status, {record.status!r}, is none of: {', '.join(STATUSES)}")
    accuracy = record.accuracy
    if record.ok and not (accuracy is not None and 0 <= accuracy <= 1):
        raise ValueError(f"the run is ok, but its accuracy is {accuracy!r}")
    return record


@cache
def _schema() -> TypeAdapter[Record]:
    """What the fields' types say."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record)
