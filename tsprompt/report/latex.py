"""The accuracies on each set as a LaTeX table in the manner of booktabs."""

from __future__ import annotations

import pandas as pd

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
    whole.index = pd.Index([_escape(str(name)) for name in whole.index])
    whole.columns = pd.Index([_escape(str(name)) for name in whole.columns])
    style = whole.style.format(precision=3, na_rep="--")
    accuracies = whole.index[: len(body) + len(foot[:1])]
    style = style.apply(_bold_best, axis=1, subset=(accuracies, slice(None)))
    if len(foot) > 1:
        style = style.format(precision=2, na_rep="--", subset=(whole.index[-1:], slice(None)))
        style = style.apply(_bold_least, axis=1, subset=(whole.index[-1:], slice(None)))
    text = style.to_latex(
        hrules=True,
        column_format="l" + "r" * len(whole.columns),
        environment="longtable" if len(whole) > _LONG else None,
    )
    if len(foot):
        first = str(whole.index[len(body)])
        text = text.replace(f"\n{first} &", f"\n\\midrule\n{first} &")
    comments = "".join(f"% {sentence}\n" for sentence in report.heading)
    return comments + text


_LONG = 40
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(one, one) for one in text)


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
