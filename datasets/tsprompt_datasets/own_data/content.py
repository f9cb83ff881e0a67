"""What one file of one's own holds, before it is parted into train and test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.own_data.columns import quoted

__all__ = ["Content", "named_columns"]


@dataclass(frozen=True)
class Content:
    """Cases, and what is known of each."""

    cases: Cases
    """B series (T_i, F), with the names of cases and features where the file has them."""
    labels: npt.NDArray[Any] | None
    """(B,) labels with the file's type, text as it is spelt; None where it has none."""
    groups: npt.NDArray[np.str_] | None = None
    """(B,) what must not stand on both sides of a split."""
    understood: tuple[str, ...] = ()
    """How the file was read, in words."""
    columns: dict[str, Any] = field(default_factory=dict)
    """Options that read another file of this kind in the same way."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File name -> hash of the file's bytes."""

    def __len__(self) -> int:
        return len(self.cases)

    def name_of(self, case: int) -> str:
        """What a case is called in messages."""
        ids = self.cases.ids
        return f"case {case + 1}" if ids is None else f"case {ids[case]!r}"

    def require_labels(self, name: str) -> npt.NDArray[Any]:
        """The labels.

        Raises
        ------
        DatasetError
            There are none.
        """
        if self.labels is None:
            columns = "; ".join(self.understood[:1])
            said = f" It was read as {columns}." if columns else ""
            raise DatasetError(
                f"{name}: has no labels, and nothing can be learnt without; say which column "
                "holds them with ",
                Setting("label"),
                f".{said}",
            )
        return self.labels


def named_columns(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `b` and 3 more."""
    said = ", ".join(f"{quoted(name)}" for name in names[:4])
    return said + (f" and {len(names) - 4} more" if len(names) > 4 else "")
