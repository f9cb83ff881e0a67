"""The accuracies on each set as a LaTeX table in the manner of booktabs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from tsprompt.base.names import for_latex, visible
from tsprompt.report.contents import Report

__all__ = ["latex"]


def latex(report: Report) -> str:
    """A table with a row for each set, the best in bold, and below it means and mean ranks.

    It needs `\\usepackage{booktabs}`; with more than 40 sets also `longtable`.
    """
    table = report.accuracy
    body = table.round(3)
    foot = _foot(report)
    whole = pd.concat([body, foot])
    rows, columns = ([for_latex(name) for name in names] for names in whole.axes)
    # By number: two names can be one once they are escaped.
    whole.index, whole.columns = pd.RangeIndex(len(rows)), pd.RangeIndex(len(columns))
    style = whole.style.format(precision=3, na_rep="--")
    accuracies = whole.index[: len(body) + len(foot[:1])]
    style = style.apply(_bold_best, axis=1, subset=(accuracies, slice(None)))
    if len(foot) > 1:
        style = style.format(precision=2, na_rep="--", subset=(whole.index[-1:], slice(None)))
        style = style.apply(_bold_least, axis=1, subset=(whole.index[-1:], slice(None)))
    style = style.format_index(_called(rows), axis=0)
    style = style.format_index(_called(columns), axis=1)
    text = style.to_latex(
        hrules=True,
        column_format="l" + "r" * len(whole.columns),
        environment="longtable" if len(whole) > _LONG else None,
    )
    if len(foot):
        before, first, after = text.rpartition(f"\n{rows[len(body)]} &")
        text = f"{before}\n\\midrule{first}{after}"
    comments = "".join(f"% {visible(sentence)}\n" for sentence in report.heading)
    return comments + text


_LONG = 40


def _called(names: list[str]) -> Callable[[object], str]:
    """The names by their numbers."""
    return dict[object, str](enumerate(names)).__getitem__


def _foot(report: Report) -> pd.DataFrame:
    rows = report.overall.set_index("method")
    if rows.empty:
        return pd.DataFrame(columns=report.accuracy.columns)
    count = len(report.complete)
    foot = pd.DataFrame(
        {f"Mean of {count}": rows["accuracy"], f"Mean rank of {count}": rows["rank"]}
    )
    return foot.T.reindex(columns=report.accuracy.columns)


def _bold_best(row: pd.Series) -> list[str]:
    return ["textbf:--rwrap;" if value == row.round(3).max() else "" for value in row.round(3)]


def _bold_least(row: pd.Series) -> list[str]:
    return ["textbf:--rwrap;" if value == row.min() else "" for value in row]
