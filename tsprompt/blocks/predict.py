"""Predict blocks of cases into a folder: what one worker does with a block, and all of them."""

from __future__ import annotations

import io
import pkgutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tsprompt.base.backends import Backend, Local
from tsprompt.base.files import write_whole
from tsprompt.blocks.output import PredictionsFolder
from tsprompt.data import Cases
from tsprompt.errors import TspromptNotice, notice
from tsprompt.model.fitted import Fitted

__all__ = ["BlockCases", "Reads", "predict_blocks", "prediction_columns"]


class BlockCases(Protocol):
    """What a block holds."""

    @property
    def cases(self) -> Cases:
        """B series (T_i, F)."""
        ...

    @property
    def labels(self) -> npt.NDArray[Any] | None:
        """(B,) labels, where they are known."""
        ...


@dataclass(frozen=True)
class Reads:
    """What a worker needs to know for all blocks: the model, and how blocks are read."""

    model: Path
    """A folder that all workers see."""
    digest: str
    """The model's: any other is refused."""
    loader: str
    """`module:function`, which gives the `BlockCases` of a block and `options`."""
    options: dict[str, Any] = field(default_factory=dict)
    label_type: str | None = None
    """The Arrow type in which the cases' labels are written; None: they have none."""
    device: str = "auto"
    dtype: str | None = None
    batch_tokens: int | None = None
    threads: int | None = None
    """Threads of each worker; None: as many as there are cores."""


@dataclass(frozen=True)
class _Part:
    """One block, and where its predictions go."""

    block: Any
    file: Path
    beside: dict[str, Any]
    """Columns that are the same for all cases, or count them: `file`, and the first `case`."""


@dataclass(frozen=True)
class _Told:
    cases: int
    notices: tuple[str, ...]


def predict_blocks(
    blocks: Sequence[Any],
    beside: Sequence[dict[str, Any]],
    reads: Reads,
    folder: PredictionsFolder,
    backend: Backend | None = None,
) -> Iterator[int]:
    """Predict all blocks that have no file in the folder yet; the number of each, once it has.

    The folder has to be claimed. Whatever ends this, what is finished stays, and the next call goes
    on from there.

    Parameters
    ----------
    blocks
        What the loader takes; anything that can be sent to a worker.
    beside
        For each block `file`, the name of its file, and `first`, the number of its first case
        there, from 0 on.
    backend
        Where they are predicted; None: here, one after the other.

    Raises
    ------
    TspromptError
        A block can't be read, predicted or written.
    WorkerLostError
        A block took worker after worker down with it.
    """
    done = folder.done()
    left = [number for number in range(len(blocks)) if number not in done]
    parts = [_Part(blocks[number], folder.part(number), beside[number]) for number in left]
    said: set[str] = set()
    for at, told in (backend or Local(1)).map(_predict, [(part, reads) for part in parts]):
        for text in told.notices:
            if text not in said:
                said.add(text)
                notice(text)
        yield left[at]


def prediction_columns(
    chances: npt.NDArray[np.float64], classes: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Name -> column of what a model says: the most probable label (B,), of the type that it had in
    train, and the probability of each class (B,)."""
    columns: dict[str, Any] = {"label": classes[chances.argmax(axis=1)]}
    return columns | {
        f"p({label})": chances[:, number] for number, label in enumerate(classes.tolist())
    }


def _predict(part: _Part, reads: Reads) -> _Told:
    """One block, from its file to the file of its predictions; on a worker."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TspromptNotice)
        fitted = _model(reads)
        held: BlockCases = pkgutil.resolve_name(reads.loader)(part.block, **reads.options)
        chances = fitted.probabilities(held.cases)
    table = _table(part, held, prediction_columns(chances, fitted.classes), reads.label_type)
    write_whole(part.file, _as_parquet(table))
    told = [str(one.message) for one in caught if issubclass(one.category, TspromptNotice)]
    return _Told(len(held.cases), tuple(dict.fromkeys(told)))


def _model(reads: Reads) -> Fitted:
    if reads.threads is not None:
        import torch

        torch.set_num_threads(reads.threads)
    return _loaded(reads.model, reads.digest, reads.device, reads.dtype, reads.batch_tokens)


@lru_cache(maxsize=1)
def _loaded(
    model: Path, digest: str, device: str, dtype: str | None, batch_tokens: int | None
) -> Fitted:
    """The model, read once by each worker."""
    from tsprompt.model.saving import load

    saved = load(model, device=device, dtype=dtype, batch_tokens=batch_tokens, digest=digest)
    return saved.fitted


def _table(
    part: _Part, held: BlockCases, said: dict[str, npt.NDArray[Any]], label_type: str | None
) -> Any:
    """The predictions as an Arrow table, of the same columns and types for every block."""
    import pyarrow as pa

    count, first = len(held.cases), part.beside["first"]
    columns: dict[str, Any] = {
        "file": pa.array([part.beside["file"]] * count, pa.string()),
        "case": pa.array(range(first + 1, first + count + 1), pa.int64()),
    }
    if held.cases.ids is not None:
        columns["id"] = pa.array(map(str, held.cases.ids), pa.string())
    made = {name: pa.array(_plain(column)) for name, column in said.items()}
    columns["label"] = made.pop("label")
    if label_type is not None:
        columns["true label"] = _truth(held, count, label_type)
    columns |= made
    return pa.table(columns)


def _truth(held: BlockCases, count: int, label_type: str) -> Any:
    import pyarrow as pa

    truth = [None] * count if held.labels is None else held.labels.tolist()
    if label_type == "string":
        truth = [None if one is None else str(one) for one in truth]
    return pa.array(truth, pa.type_for_alias(label_type))


def _plain(column: npt.NDArray[Any]) -> Any:
    return column.tolist() if column.dtype.kind in "UO" else column


def _as_parquet(table: Any) -> bytes:
    """In memory first, for the file is written by one hand: Arrow's own errors of a full disk don't
    say which file it was."""
    from pyarrow import parquet

    held = io.BytesIO()
    parquet.write_table(table, held)
    return held.getvalue()
