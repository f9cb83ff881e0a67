"""Records in, one tidy table out: a row for each method on each set, and for each method overall.

Means and standard deviations are over seeds. Ranks are of a method's mean accuracy among all the
methods of a set, ties sharing the mean of their ranks. Overall means are over sets first, so that
the standard deviation tells how much the seed moves the whole comparison.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tsprompt.benchmark.record import Record

__all__ = ["OVERALL", "summarise"]

OVERALL = "overall"
"""What the rows over all sets have in the column `dataset`."""

_MEASURES = [
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "lm_tokens",
    "fit_seconds",
    "predict_seconds",
]


def summarise(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each set and method, in the order of the records, and the `overall` rows at last.

    A method with a failed run has no figures on that set, and none overall.

    Returns
    -------
    DataFrame
        Columns: dataset, method, kind, runs, failed, error, the measures' means, `accuracy_sd`
        (NaN for one seed) and `rank`.
    """
    runs = _frame(records)
    if runs.empty:
        return pd.DataFrame()
    keys = ["dataset", "method"]
    means = runs.groupby(keys, sort=False)[_MEASURES].mean()
    means.insert(1, "accuracy_sd", runs.groupby(keys, sort=False)["accuracy"].std())
    table = _counts(runs, keys).join(means).reset_index()
    table.loc[table["failed"] > 0, [*_MEASURES, "accuracy_sd"]] = np.nan
    table["rank"] = table.groupby("dataset", sort=False)["accuracy"].transform(_ranks)
    return pd.concat([table, _overall(runs, table)], ignore_index=True)


def _frame(records: Iterable[Record]) -> pd.DataFrame:
    rows = []
    for record in records:
        row = record.as_dict()
        tokens = [row["fit_tokens"], row["predict_tokens"]]
        row["lm_tokens"] = sum(one for one in tokens if one is not None) if record.ok else None
        rows.append(row)
    runs = pd.DataFrame(rows)
    if len(runs):
        runs[_MEASURES] = runs[_MEASURES].astype(float)
    return runs


def _counts(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = runs.assign(failed=runs["status"] != "ok").groupby(keys, sort=False)
    return grouped.agg(
        kind=("kind", "first"),
        runs=("seed", "size"),
        failed=("failed", "sum"),
        error=("error", "first"),
    )


def _ranks(accuracy: pd.Series[float]) -> pd.Series[float]:
    """1 is best; NaN has none."""
    # Means of the same numbers in another order differ in the last digit.
    ranks = rankdata(-accuracy.round(12).to_numpy(), nan_policy="omit")
    return pd.Series(ranks, index=accuracy.index)


def _overall(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Means over sets."""
    by_method = table.groupby("method", sort=False)
    overall = by_method.agg(
        kind=("kind", "first"),
        runs=("runs", "sum"),
        failed=("failed", "sum"),
        error=("error", "first"),
    )
    means = by_method[[*_MEASURES, "rank"]].mean()
    means.insert(1, "accuracy_sd", _spread(runs))
    # A mean over the sets where a method happened to work can't be compared with the others.
    means[overall["failed"] > 0] = np.nan
    return overall.join(means).reset_index().assign(dataset=OVERALL)[table.columns]


def _spread(runs: pd.DataFrame) -> pd.Series[float]:
    """Standard deviation over seeds of each method's mean over sets."""
    by_seed = runs.groupby(["method", "seed"], sort=False)["accuracy"].mean()
    return by_seed.groupby("method", sort=False).std()
