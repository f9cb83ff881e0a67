"""What one worker does for a fit: it reads some cases, adds them up, and sends the sums.

| letter | counts |
|---|---|
| b | cases of a task |
| m | those of them that choose the penalty and the temperature |
| R | features of a case |
| C | classes |
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.tensor_folder import digest_of, read_header
from tsprompt.data import Cases, IntArray
from tsprompt.errors import TspromptNotice
from tsprompt.heads.sums import RidgeSums
from tsprompt.heads.weighing import as_tensor
from tsprompt.model.fitted import Fitted
from tsprompt.model.located import Located
from tsprompt.model.saving import MODEL, load, save

__all__ = ["Added", "SentModel", "Share", "add_up", "merged", "read_train"]

_READ = 2_048
"""Cases that a worker reads at once: their features are in its memory."""
_MOMENTS = ("mean", "target_mean", "products", "cross")
"""The tables of a `RidgeSums`."""


@dataclass(frozen=True)
class SentModel:
    """A saved model, on its way to a worker: the language model's weights are not sent."""

    files: dict[str, bytes]
    digest: str
    device: str
    threads: int | None

    @classmethod
    def of(
        cls, fitted: Fitted, choices: dict[str, Any], device: str, threads: int | None
    ) -> SentModel:
        """The model as it is saved; `choices` as `saving.save` has them."""
        with tempfile.TemporaryDirectory(prefix="tsprompt-") as folder:
            path = save(fitted, Path(folder) / "model", choices, {})
            files = {name: (path / name).read_bytes() for name in (MODEL.header, MODEL.tensors)}
            return cls(files, digest_of(read_header(path, MODEL)), device, threads)

    def read(self) -> Fitted:
        """The model, on this machine; read once by each worker."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if self.digest not in _LAST:
            _LAST.clear()
            with tempfile.TemporaryDirectory(prefix="tsprompt-") as folder:
                for name, content in self.files.items():
                    (Path(folder) / name).write_bytes(content)
                saved = load(Path(folder), device=self.device, digest=self.digest)
            _LAST[self.digest] = saved.fitted
        return _LAST[self.digest]


_LAST: dict[str, Fitted] = {}
"""The model that this worker has read last, by its digest."""


@dataclass(frozen=True)
class Share:
    """The cases of a task."""

    cases: Cases | Located
    """b series (T_i, F), as they were given, or where they lie."""
    targets: npt.NDArray[np.float64]
    """(b, C)"""
    weights: npt.NDArray[np.float64] | None
    """(b,) how often each counts; None: once."""
    deciding: IntArray
    """(m,) numbers in this share of cases whose features are sent, too."""
    numbers: IntArray
    """(m,) those that they have in train."""


@dataclass(frozen=True)
class Added:
    """What workers send: arrays, which Ray and Dask send as they lie in memory."""

    weight: float
    moments: dict[str, npt.NDArray[np.float64]]
    """The tables of a `RidgeSums`."""
    deciding: IntArray
    """(m,) numbers in train."""
    features: npt.NDArray[np.float32]
    """(m, R) of these."""
    tokens: int
    """Tokens that the language model has read."""
    seconds: float
    """Time that this took, of all workers."""

    def sums(self) -> RidgeSums:
        """The sums; a copy, for what was sent may not be written to."""
        sums = RidgeSums(0, 0)
        sums.weight = self.weight
        for name in _MOMENTS:
            setattr(sums, name, torch.from_numpy(np.array(self.moments[name])))
        return sums


def add_up(model: SentModel, share: Share) -> Added:
    """Read the cases of a task, and add them up; on a worker."""
    fitted = model.read()
    tokens, seconds = fitted.reader.tokens_run, fitted.reader.seconds
    targets, weights = torch.from_numpy(np.array(share.targets)), as_tensor(share.weights)
    sums: RidgeSums | None = None
    kept: list[npt.NDArray[np.float32]] = []
    cases = share.cases.read() if isinstance(share.cases, Located) else share.cases
    for start in range(0, len(cases), _READ):
        part = slice(start, min(start + _READ, len(cases)))
        features = read_train(fitted, cases[part])
        sums = sums or RidgeSums(features.shape[1], targets.shape[1])
        sums.add(features, targets[part], None if weights is None else weights[part])
        own = share.deciding[(share.deciding >= part.start) & (share.deciding < part.stop)]
        kept.append(features.numpy()[own - part.start])
    assert sums is not None
    return Added(
        sums.weight,
        {name: getattr(sums, name).numpy() for name in _MOMENTS},
        share.numbers,
        np.concatenate(kept),
        fitted.reader.tokens_run - tokens,
        fitted.reader.seconds - seconds,
    )


def merged(parts: Sequence[Added]) -> Added:
    """The sums of several workers as one."""
    sums = parts[0].sums()
    for one in parts[1:]:
        sums.merge(one.sums())
    return Added(
        sums.weight,
        {name: getattr(sums, name).numpy() for name in _MOMENTS},
        np.concatenate([one.deciding for one in parts]),
        np.concatenate([one.features for one in parts]),
        sum(one.tokens for one in parts),
        sum(one.seconds for one in parts),
    )


def read_train(fitted: Fitted, cases: Cases) -> Tensor:
    """Features (b, R) of cases of train, of which nothing need be told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        return fitted.features(cases).to("cpu", torch.float32)
