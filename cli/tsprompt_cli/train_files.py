"""A fit on workers: who they are, and where they find the cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsprompt_cli.option_groups import Machine
from tsprompt_cli.own_data import Loaded, Parting
from tsprompt_cli.places import Workers

if TYPE_CHECKING:
    from tsprompt.data import IntArray
    from tsprompt.model.spread import Spread
    from tsprompt_datasets import CaseBlock, ReadOptions

__all__ = ["ParquetTrain", "Spreading"]


@dataclass(frozen=True)
class Spreading:
    """What is said of the work of a fit on workers."""

    block_cases: int | None = None
    """Cases of a task; None: the library's own number."""
    send_cases: bool = False
    """Whether series are sent that workers could read."""

    def over(
        self, workers: Workers, machine: Machine, parting: Parting, loaded: Loaded | None
    ) -> Spread | None:
        """Who reads train, if not this process; `loaded`: where its cases lie, if all of train is
        learned from.

        Raises
        ------
        ConfigError
            The options contradict each other, or the cluster does not answer.
        """
        from tsprompt.errors import ConfigError, Setting
        from tsprompt.model.spread import Spread

        place = workers.place()
        if workers.here:
            for name, value in (("block_cases", self.block_cases), ("send_cases", self.send_cases)):
                if value:
                    raise ConfigError(Setting(name), " is for --backend ray or --backend dask")
            return None
        if parting.cv is not None:
            raise ConfigError(
                "--cv fits each part by itself, and on this machine; leave --backend out"
            )
        place.check()
        files = None if self.send_cases or loaded is None else ParquetTrain.of(loaded)
        return Spread(place, self.block_cases, workers.threads, machine.device, files)


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
