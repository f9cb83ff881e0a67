"""Where the cases of a fit lie, for workers that read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsprompt_cli.own_data import Loaded

if TYPE_CHECKING:
    from tsprompt.data import IntArray
    from tsprompt_datasets import CaseBlock, ReadOptions

__all__ = ["ParquetTrain"]


@dataclass(frozen=True)
class ParquetTrain:
    """A Parquet file of which train is a part."""

    path: Path
    reading: ReadOptions
    columns: dict[str, Any]
    """How its columns were read."""
    features: tuple[str, ...]
    """In the order in which the model is to know them."""
    rows: IntArray | None
    """(B,) which of its cases are in train, in order; None: all."""
    loader: str = "tsprompt_cli.many_cases:load_block"

    @classmethod
    def of(cls, loaded: Loaded) -> ParquetTrain | None:
        """The file of a data set; None where it is none that can be read in blocks."""
        own = loaded.own
        path = Path(loaded.asked).expanduser().absolute()
        if own is None or path.suffix.lower() not in (".parquet", ".pq") or not path.is_file():
            return None
        features = own.dataset.train.cases.features or ()
        return cls(path, own.options, own.columns, features, own.train_rows)

    def cut(self, size: int) -> tuple[list[tuple[CaseBlock, IntArray]], dict[str, Any]]:
        """Blocks of so many cases, with the numbers of those that are in train."""
        from tsprompt_datasets import blocks_of

        found = blocks_of(self.path, self.reading, self.columns, size)
        parts, start = [], 0
        for block in found.blocks:
            inside = np.arange(start, start + block.cases)
            own = inside if self.rows is None else self.rows[np.isin(self.rows, inside)]
            if len(own):
                parts.append((block, own - start))
            start += block.cases
        return parts, {"options": found.options, "features": self.features}
