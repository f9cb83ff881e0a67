"""A whole report for other programs."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tsprompt.report.ablations import Ablations
from tsprompt.report.contents import Report
from tsprompt.report.power import ALPHA, POWER
from tsprompt.report.render import json_rows

__all__ = ["ablation_rows", "report_json"]


def report_json(report: Report) -> str:
    """All that the tables say, and the sentences around them.

    Keys: heading, reference, rope, alpha, power, methods (as `Report.overall`), pairs, groups,
    unshown (why no pair can be shown to differ, or null), ablations (as `ablation_rows`), accuracy
    (a row for each set), failures, left_out.
    """
    comparison = report.comparison
    told: dict[str, Any] = {
        "heading": report.heading,
        "reference": report.reference,
        "rope": report.rope,
        "alpha": ALPHA,
        "power": POWER,
        "methods": json_rows(report.overall),
        "pairs": [] if comparison is None else json_rows(comparison.pairs),
        "groups": [] if comparison is None else comparison.groups,
        "unshown": None if comparison is None else comparison.unshown,
        "ablations": ablation_rows(report.ablations),
        "accuracy": _by_set(report.accuracy),
        "failures": [str(one) for one in report.failures],
        "left_out": [{"file": one.file, "reason": one.reason} for one in report.left_out],
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def ablation_rows(found: list[Ablations]) -> list[dict[str, Any]]:
    """A row for each part of each model: the columns of `Ablations.table`, and the model."""
    return [{"model": one.model, **row} for one in found for row in json_rows(one.table)]


def _by_set(accuracy: pd.DataFrame) -> list[dict[str, Any]]:
    """The accuracies of each set by method."""
    rows = json_rows(accuracy)
    return [
        {"dataset": str(name), "accuracy": row}
        for name, row in zip(accuracy.index, rows, strict=True)
    ]
