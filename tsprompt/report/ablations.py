"""What each part of a model adds: its accuracy on each set less that of the model without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprompt.report.summary import DECIMALS

__all__ = ["Ablations", "ablation_effects"]

_PARTS = {
    "no LM": "language model",
    "random weights": "its pretraining",
    "shuffled weights": "order of its weights",
    "no prompt": "prompt",
}


@dataclass(frozen=True)
class Ablations:
    """The ablations of one model."""

    model: str
    table: pd.DataFrame
    """A row for each ablation: ablation, part, sets, mean, low and high (a 95 % interval of the
    mean; NaN where it can't be had), wins, ties, losses of the model."""
    differences: dict[str, pd.Series]
    """Ablation -> accuracy of the model minus its own, on each set that both have."""


def ablation_effects(accuracy: pd.DataFrame, kinds: Mapping[str, str]) -> list[Ablations]:
    """The ablations of each model that has some.

    Parameters
    ----------
    accuracy
        A row for each set, a column for each method; gaps are NaN.
    kinds
        The kind of each method.
    """
    methods = [str(name) for name in accuracy.columns]
    models = [name for name in methods if kinds[name] == "model"]
    found: dict[str, dict[str, pd.Series]] = {}
    for name in methods:
        model = _model_of(name, models) if kinds[name] == "ablation" else None
        if model is None:
            continue
        difference = (accuracy[model] - accuracy[name]).dropna().round(DECIMALS)
        if len(difference):
            found.setdefault(model, {})[name] = difference
    return [
        Ablations(
            model,
            pd.DataFrame([_row(model, name, one) for name, one in differences.items()]),
            differences,
        )
        for model, differences in found.items()
    ]


def _model_of(ablation: str, models: list[str]) -> str | None:
    """An ablation is called `MODEL, WHAT`; without a model's name it is of the only one."""
    shots = _shots(ablation)
    alike = [one for one in models if _shots(one) == shots]
    named = [one for one in alike if ablation.startswith(f"{_bare(one)}, ")]
    if named:
        return max(named, key=len)
    return alike[0] if len(alike) == 1 and ", " not in ablation else None


def _shots(method: str) -> str:
    found = re.search(r" \(\d+ shots\)$", method)
    return found[0] if found else ""


def _bare(method: str) -> str:
    return method.removesuffix(_shots(method))


def _row(model: str, ablation: str, difference: pd.Series) -> dict[str, object]:
    what = _bare(ablation).removeprefix(f"{_bare(model)}, ")
    low, high = _interval(difference.to_numpy(dtype=float))
    return {
        "ablation": ablation,
        "part": _PARTS.get(what, f"against {what}"),
        "sets": len(difference),
        "mean": float(difference.mean()),
        "low": low,
        "high": high,
        "wins": int((difference > 0).sum()),
        "ties": int((difference == 0).sum()),
        "losses": int((difference < 0).sum()),
    }


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean."""
    from scipy.stats import ttest_1samp

    if len(values) < 2 or np.ptp(values) == 0:
        return float("nan"), float("nan")
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    return float(interval.low), float(interval.high)
