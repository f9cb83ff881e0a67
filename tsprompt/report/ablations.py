"""What each part of a model adds: its accuracy on each set less that of the model without it, and
how many sets it would take to see as much."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprompt.report.power import ALPHA, MIN_SETS, POWER, sets_to_see
from tsprompt.report.summary import DECIMALS, OVERALL, accuracy_matrix

__all__ = ["ABOUT", "Ablations", "ablation_effects", "ablations_in"]

ABOUT = (
    "Accuracy of a model minus that of the same model without the part: the mean over the sets "
    "that both have, its 95 % interval (Student's t over sets), and on how many sets it won, tied "
    "and lost. Sets to see it: what a signed-rank test of this pair alone takes for a chance of "
    f"{100 * POWER:.0f} % to find a difference of this size and spread at {ALPHA}. Nothing is "
    "corrected here for how many parts there are."
)
"""What the table says, in words."""

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
    """A row for each ablation: ablation, part, sets, mean, sd (over sets), low and high (a 95 %
    interval of the mean), wins, ties, losses of the model, and needed: the sets that it would take
    to see a difference of this size. NaN where a figure can't be had."""
    differences: dict[str, pd.Series]
    """Ablation -> accuracy of the model minus its own, on each set that both have."""


def ablation_effects(
    accuracy: pd.DataFrame, kinds: Mapping[str, str], owner: str | None = None
) -> list[Ablations]:
    """The ablations of each model that has some.

    Parameters
    ----------
    accuracy
        A row for each set, a column for each method; gaps are NaN.
    kinds
        The kind of each method.
    owner
        The model that ablations without a model's name belong to, where there are several models.
    """
    methods = [str(name) for name in accuracy.columns]
    models = [name for name in methods if kinds[name] == "model"]
    found: dict[str, dict[str, pd.Series]] = {}
    for name in methods:
        model = _model_of(name, models, owner) if kinds[name] == "ablation" else None
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


def ablations_in(summary: pd.DataFrame) -> list[Ablations]:
    """The same from what `summarise` gives."""
    if summary.empty:
        return []
    rows = summary[summary["dataset"] != OVERALL]
    kinds = dict(zip(rows["method"].map(str), rows["kind"].map(str), strict=True))
    return ablation_effects(accuracy_matrix(summary), kinds)


def _model_of(ablation: str, models: list[str], owner: str | None) -> str | None:
    """An ablation is called `MODEL, WHAT`; without a model's name it is of the only one, or of the
    owner."""
    shots = _shots(ablation)
    alike = [one for one in models if _shots(one) == shots]
    named = [one for one in alike if ablation.startswith(f"{_bare(one)}, ")]
    if named:
        return max(named, key=len)
    if ", " in ablation:
        return None
    return alike[0] if len(alike) == 1 else next((one for one in alike if one == owner), None)


def _shots(method: str) -> str:
    found = re.search(r" \(\d+ shots\)$", method)
    return found[0] if found else ""


def _bare(method: str) -> str:
    return method.removesuffix(_shots(method))


def _row(model: str, ablation: str, difference: pd.Series) -> dict[str, object]:
    what = _bare(ablation).removeprefix(f"{_bare(model)}, ")
    low, high = _interval(difference.to_numpy(dtype=float))
    mean = float(difference.mean())
    sd = float(difference.std()) if len(difference) > 1 else float("nan")
    return {
        "ablation": ablation,
        "part": _PARTS.get(what, f"against {what}"),
        "sets": len(difference),
        "mean": mean,
        "sd": sd,
        "low": low,
        "high": high,
        "wins": int((difference > 0).sum()),
        "ties": int((difference == 0).sum()),
        "losses": int((difference < 0).sum()),
        "needed": sets_to_see(mean, sd) if len(difference) >= MIN_SETS else float("nan"),
    }


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean."""
    from scipy.stats import ttest_1samp

    if len(values) < 2 or np.ptp(values) == 0:
        return float("nan"), float("nan")
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    return float(interval.low), float(interval.high)
