"""What a run will take on this machine, before it: see `tsprompt.model.estimate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsprompt.benchmark.measure import Machine
from tsprompt.benchmark.plan import Cell
from tsprompt.data import Dataset

if TYPE_CHECKING:
    from tsprompt.model.estimate import Estimate

__all__ = ["estimate_run"]


def estimate_run(
    cell: Cell, dataset: Dataset, machine: Machine, threads: int | None = None
) -> Estimate | None:
    """The estimate of a cell's run; None for a baseline, whose package knows its own pace.

    Parameters
    ----------
    threads
        Of the run, where it will have others than this process.

    Raises
    ------
    ConfigError
        The method's choices contradict each other, or the set.
    BackboneError
        Its language model is not to be had.
    """
    if cell.method.kind == "baseline":
        return None
    import torch

    from tsprompt.model.estimate import Asks, estimate

    free = dataset.unlabelled
    extra = len(dataset.development) if dataset.development else 0
    train = dataset.train.cases if len(dataset.train) else free
    assert train is not None
    asks = Asks(train, len(dataset.test), len(dataset.classes), cell.seed, extra)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return estimate(
            cell.method.resolved(),
            asks,
            device=machine.device,
            dtype=machine.dtype,
            batch_tokens=machine.batch_tokens,
        )
    finally:
        torch.set_num_threads(before)
