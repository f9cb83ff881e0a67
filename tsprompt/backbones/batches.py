"""Batches filled by tokens, halved when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from tsprompt.errors import TspromptError, notice

__all__ = ["BatchSize", "is_out_of_memory"]

T = TypeVar("T")


class BatchSize:
    """How many tokens the language model reads at once; it shrinks when memory runs out."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._said = False

    def rows(self, length: int) -> int:
        """Rows of this many tokens that fit into a batch; at least one."""
        return max(1, self.tokens // length)

    def run(self, count: int, length: int, step: Callable[[slice], T]) -> Iterator[T]:
        """Call ``step`` on slices that cover ``range(count)``; after an out-of-memory error try
        again with half the rows, and stay there.

        Raises
        ------
        TspromptError
            Memory runs out with a single row.
        """
        start = 0
        while start < count:
            rows = self.rows(length)
            try:
                result = step(slice(start, min(start + rows, count)))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(rows, length)
                continue
            yield result
            start += rows

    def _halve(self, rows: int, length: int) -> None:
        if rows == 1:
            raise TspromptError(
                f"memory ran out with one row of {length} tokens; use fewer steps "
                '(for example tokenizer="kernels:steps=32"), a smaller backbone or another device'
            ) from None
        self.tokens = length * (rows // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._said:
            self._said = True
            notice(
                f"memory ran out with {rows} rows of {length} tokens at once; going on with fewer. "
                f"Start with batch_tokens={self.tokens} to avoid this"
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
