"""What a GPU needs that a processor does not: it works on while the program goes on.

Whatever is timed must wait for it; whatever is sent to it should not. Processors take the same
calls, and do nothing.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = [
    "Mark",
    "between",
    "mark",
    "n_numbers",
    "peak_bytes",
    "reset_peak",
    "sent",
    "synchronise",
    "training_device",
]

_WORTH = 20e6
"""Multiplications in a step of training from which on it is left to an accelerator: what a
processor's core does in about the time that it takes to tell a GPU the some fifty things of which a
step consists."""

_WAITS = ("cpu", "mps")
"""Devices that are waited for: mps would go on to read memory that has been freed by then."""
Mark = float | torch.Event
"""A moment: seconds on this machine's clock, or a place among what a device has to do."""


def sent(values: npt.NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Numbers of this machine's memory on a device, without waiting for them to be there: whatever
    the device is told after this finds them."""
    here = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    if device.type in _WAITS or here.device.type != "cpu":
        return here.to(device)
    if device.type == "cuda":  # only from memory that stays where it is can it copy by itself
        here = here.pin_memory()
    return here.to(device, non_blocking=True)


def training_device(chosen: torch.device, parameters: int, rows: int) -> torch.device:
    """Where a small network is trained: on the device that was chosen, if a step is worth it; else
    on the processor.

    Parameters
    ----------
    parameters
        Of the network.
    rows
        How many vectors go through it in a step.
    """
    # Once forth, twice back: for what enters, and for the weights.
    return chosen if 3 * parameters * rows >= _WORTH else torch.device("cpu")


def n_numbers(module: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(one.numel() for one in module.parameters())


def synchronise(device: torch.device | None = None) -> None:
    """Wait until a device has done what it was told; None: every one that is in use."""
    if (device is None or device.type == "cuda") and torch.cuda.is_initialized():
        torch.cuda.synchronize(device)
    if (device is None or device.type == "mps") and torch.backends.mps.is_available():
        torch.mps.synchronize()


def mark(device: torch.device) -> Mark:
    """This moment in what a device does."""
    if device.type == "cpu":
        return time.perf_counter()
    event = torch.Event(device, enable_timing=True)
    event.record()
    return event


def between(first: Mark, last: Mark) -> float:
    """Seconds from one moment to a later one; of a device, once it has come there."""
    if isinstance(first, torch.Event) and isinstance(last, torch.Event):
        last.synchronize()
        return float(first.elapsed_time(last)) / 1e3
    assert isinstance(first, float)
    assert isinstance(last, float)
    return last - first


def reset_peak() -> None:
    """Begin to look for the most memory that tensors take on GPUs."""
    if torch.cuda.is_initialized():
        for number in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(number)


def peak_bytes() -> int | None:
    """The most memory that tensors have taken on one GPU since then; None where no GPU is used."""
    if not torch.cuda.is_initialized():
        return None
    return max(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) or None
