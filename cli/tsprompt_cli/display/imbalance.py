"""What `fit` shows beside the accuracy where some classes are rare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import table

if TYPE_CHECKING:
    from tsprompt.benchmark import Predictions, Record
    from tsprompt.benchmark.imbalance import Imbalance

__all__ = ["imbalance_lines", "imbalance_table"]


def imbalance_table(
    rare: Imbalance, records: list[Record], said: dict[str, Predictions], *, weighted: bool
) -> Any:
    """Balanced accuracy, and how much of the rarest class is found, model by model."""
    from tsprompt.base.numbers import share

    heads = ("balanced accuracy", f"recall of {rare.rarest}")
    made = table("model", *heads, right=heads, title="Test, each class counted alike")
    made.caption = f"{rare.rarest} has {rare.cases} of {rare.total} training cases"
    if not weighted:
        made.caption += "; --class-weight balanced makes all classes count alike in training"
    made.caption_justify = "left"
    for record in records:
        made.add_row(
            record.method,
            share(record.balanced_accuracy),
            share(_recall(rare, said[record.method])),
            style="bold" if record is records[0] else "",
        )
    return made


def imbalance_lines(rare: Imbalance, said: dict[str, Predictions]) -> dict[str, Any]:
    """The same for JSON, beside the records, which hold the balanced accuracy."""
    recalls = {name: _recall(rare, one) for name, one in said.items()}
    return {
        "rarest": rare.rarest,
        "cases": rare.cases,
        "of": rare.total,
        "recall": recalls,
    }


def _recall(rare: Imbalance, said: Predictions) -> float | None:
    from tsprompt.benchmark.imbalance import recall

    return recall(rare.rarest, said.truth, said.predicted)
