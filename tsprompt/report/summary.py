"""Records in, one tidy table out: a row for each method on each set, and for each method overall.

Means and standard deviations are over runs, that is, over seeds and resamples. Ranks are of a
method's mean accuracy among all the methods of a set, ties sharing the mean of their ranks. Overall
means are over sets first, so that the standard deviation tells how much the seed (and the resample)
moves the whole comparison.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tsprompt.benchmark.intervals import share_interval
from tsprompt.benchmark.record import Record

__all__ = ["DECIMALS", "OVERALL", "accuracy_matrix", "apart_from_overall", "summarise"]

OVERALL = "overall"
"""What the rows over all sets have in the column `dataset`."""

DECIMALS = 6
"""Accuracies that are equal to so many decimals are ties: published ones have no more, and means of
the same numbers in another order differ in the last digit."""

_FIELDS = (
    *("dataset", "method", "kind", "seed", "resample", "status", "error", "accuracy"),
    *("balanced_accuracy", "macro_f1", "log_loss", "fit_tokens", "predict_tokens"),
    *("fit_seconds", "predict_seconds", "trainable_parameters", "model_bytes", "n_test"),
)
_MEASURES = [
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "lm_tokens",
    "fit_seconds",
    "predict_seconds",
    "trainable_parameters",
    "model_bytes",
]


def summarise(records: Iterable[Record], *, parts: bool = False) -> pd.DataFrame:
    """A row for each set and method, in the order of the records, and the `overall` rows at last.

    A method with a failed run has no figures on that set, and none overall.

    Parameters
    ----------
    parts
        Whether the resamples of a set are parts of the same cases, each of which is test once;
        else their tests are taken to share cases.

    Returns
    -------
    DataFrame
        Columns: dataset, method, kind, runs, failed, error, the measures' means, `accuracy_sd`
        (NaN for one run), `accuracy_low` and `accuracy_high` (the 95 % interval of one test, NaN
        overall), and `rank`.
    """
    runs = _frame(map(apart_from_overall, records))
    if runs.empty:
        return pd.DataFrame()
    keys = ["dataset", "method"]
    means = runs.groupby(keys, sort=False)[_MEASURES].mean()
    means.insert(1, "accuracy_sd", runs.groupby(keys, sort=False)["accuracy"].std())
    table = _counts(runs, keys).join(means).join(_tested(runs, keys, parts)).reset_index()
    table.loc[table["failed"] > 0, [*_MEASURES, "accuracy_sd"]] = np.nan
    table = _with_intervals(table)
    table["rank"] = table.groupby("dataset", sort=False)["accuracy"].transform(_ranks)
    return pd.concat([table, _overall(runs, table)], ignore_index=True)


def accuracy_matrix(summary: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracies: a row for each set, a column for each method, models first.

    NaN where there is none.
    """
    if summary.empty:
        return pd.DataFrame()
    rows = summary[summary["dataset"] != OVERALL]
    kinds = ["model", "ablation", "baseline", "published"]
    order = rows.sort_values("kind", key=lambda kind: kind.map(kinds.index), kind="stable")
    table = rows.pivot_table(
        index="dataset", columns="method", values="accuracy", dropna=False, observed=False
    )
    return table.reindex(columns=pd.Index(order["method"].unique()))


def apart_from_overall(record: Record) -> Record:
    """The same record; of a set that is called as the rows over all sets are, under another name.

    Without it, the rows of that set and those over all sets could not be told apart.
    """
    if record.dataset != OVERALL:
        return record
    return dataclasses.replace(record, dataset=f"{OVERALL} (a set)")


def _frame(records: Iterable[Record]) -> pd.DataFrame:
    rows = [[getattr(record, name) for name in _FIELDS] for record in records]
    runs = pd.DataFrame(rows, columns=pd.Index(_FIELDS))
    tokens = runs[["fit_tokens", "predict_tokens"]].astype(float).fillna(0).sum(axis=1)
    # A baseline reads none; what a failed run or a published one read is not known.
    known = (runs["status"] == "ok") & (runs["kind"] != "published")
    runs["lm_tokens"] = tokens.where(known)
    numbers = [*_MEASURES, "n_test"]
    runs[numbers] = runs[numbers].astype(float)
    return runs


def _counts(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = runs.assign(failed=runs["status"] != "ok").groupby(keys, sort=False)
    return grouped.agg(
        kind=("kind", "first"),
        runs=("seed", "size"),
        failed=("failed", "sum"),
        error=("error", "first"),
    )


def _tested(runs: pd.DataFrame, keys: list[str], parts: bool) -> pd.Series[float]:
    """How many cases each method was tested on, each counted once."""
    by_test = runs.groupby([*keys, "resample"], sort=False)["n_test"].min()
    by_method = by_test.groupby(keys, sort=False)
    return by_method.sum(min_count=1) if parts else by_method.min()


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The ends of the accuracy's interval beside it, in the place of the count of cases."""
    ends = [
        share_interval(accuracy, cases) if cases > 0 and not np.isnan(accuracy) else (np.nan,) * 2
        for accuracy, cases in zip(table["accuracy"], table["n_test"], strict=True)
    ]
    at = table.columns.get_loc("accuracy_sd")
    assert isinstance(at, int)
    for name, end in (("accuracy_high", 1), ("accuracy_low", 0)):
        table.insert(at + 1, name, [one[end] for one in ends])
    return table.drop(columns="n_test")


def _ranks(accuracy: pd.Series[float]) -> pd.Series[float]:
    """1 is best; NaN has none."""
    from scipy.stats import rankdata  # slow to import, and most who render need none

    ranks = rankdata(-accuracy.round(DECIMALS).to_numpy(), nan_policy="omit")
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
    rows = overall.join(means).reset_index().assign(dataset=OVERALL)
    return rows.assign(accuracy_low=np.nan, accuracy_high=np.nan)[table.columns]


def _spread(runs: pd.DataFrame) -> pd.Series[float]:
    """Standard deviation over runs of each method's mean over sets."""
    by_run = runs.groupby(["method", "seed", "resample"], sort=False)["accuracy"].mean()
    return by_run.groupby("method", sort=False).std()
