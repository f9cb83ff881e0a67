"""Models that were fitted alike turn the same series into the same tokens: they are made once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from weakref import WeakValueDictionary

import numpy as np
from torch import Tensor

from tsprompt.base.packing import pack
from tsprompt.data import Cases
from tsprompt.model.fitted import Fitted
from tsprompt.reading.passes import Pass
from tsprompt.tokenizers import Tokenizer

__all__ = ["SharedTokenizers", "share_cases"]


class SharedTokenizers:
    """The tokenizers of all models, those that are equal once."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, Tokenizer] = WeakValueDictionary()
        self._lock = threading.Lock()

    def share(self, fitted: Fitted) -> None:
        """Let a model use the tokenizers of others in place of its own equal ones."""
        with self._lock:
            for reading in fitted.readings:
                own = reading.tokenizer
                reading.tokenizer = self._known.setdefault(_digest(own), own)


def _digest(tokenizer: Tokenizer) -> bytes:
    """Of all that a tokenizer is: its options, and what it has learned."""
    tensors: dict[str, Tensor] = {}
    said = pack(tokenizer.state(), "", tensors)
    whole = json.dumps([tokenizer.name, repr(tokenizer.options()), said], sort_keys=True)
    digest = hashlib.sha256(whole.encode())
    for name in sorted(tensors):
        one = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {one.dtype} {tuple(one.shape)}".encode() + one.numpy().tobytes())
    return digest.digest()


def share_cases(passes: Sequence[Pass]) -> None:
    """Let passes with one tokenizer and equal cases have one and the same: they are tokenised
    once."""
    known: dict[int, list[Cases]] = {}
    for one in passes:
        seen = known.setdefault(id(one.reading.tokenizer), [])
        same = next((cases for cases in seen if _equal(cases, one.cases)), None)
        if same is None:
            seen.append(one.cases)
        else:
            one.cases = same


def _equal(one: Cases, other: Cases) -> bool:
    return one is other or (
        np.array_equal(one.lengths, other.lengths)
        and one.n_features == other.n_features
        and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    )
