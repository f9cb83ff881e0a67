"""Dates in figures, such as 31.05.2024: the one order of day, month and year that a column has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tsprompt_datasets.own_data.columns import Place, quoted, shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["year_first_texts"]

_DATE = r"^\s*(?P<date>\d{1,4}(?P<sign>[-/.])\d{1,2}(?P=sign)\d{1,4})(?P<rest>(?:[T ].*)?)$"
_ORDERS = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d")
"""Of years in four figures, or in two."""


def year_first_texts(place: Place, name: str, texts: pd.Series) -> pd.Series:
    """Times in text (n,) with the year first, then the month; those in words stay as they are.

    The order is that which fits every value of the column: a single value may fit several.

    Raises
    ------
    DatasetError
        Several orders fit all values and differ, or none fits all.
    """
    parts = texts.str.extract(_DATE)
    dated = parts["date"].notna().to_numpy()
    if not dated.any():
        return texts
    if not dated.all() or parts["sign"].nunique() > 1:
        raise _other_form(place, name, texts, parts)
    dates = parts["date"].str.replace(r"[/.]", "-", regex=True)
    distinct = dates.drop_duplicates()
    read = _readings(distinct)
    if not read:
        row = _first_unread(dates)
        raise place.error(
            f"the time {quoted(name)} is {shown(texts.iloc[row])}, which is no date in the order "
            "of those before it; write all as 2024-05-31 12:00:00",
            row=row,
        )
    (order, chosen), *others = read.items()
    for other, held in others:
        for date, one, two in zip(distinct, chosen, held, strict=True):
            if one != two:
                row = int(np.flatnonzero((dates == date).to_numpy())[0])
                raise place.error(
                    f"the time {quoted(name)} is {shown(texts.iloc[row])}, which is {one} "
                    f"({_in_words(order)}) or {two} ({_in_words(other)}), and both fit the whole "
                    "column; write dates as 2024-02-01, year, month and day, or times as numbers",
                    row=row,
                )
    return dates.map(dict(zip(distinct, chosen, strict=True))) + parts["rest"]


def _readings(dates: pd.Series) -> dict[str, list[str]]:
    """Order -> the dates year first, for the orders that fit all of them."""
    import pandas as pd

    found = {}
    for order in _ORDERS:
        held = pd.to_datetime(dates, format=order, errors="coerce")
        if held.notna().all():
            found[order] = held.dt.strftime("%Y-%m-%d").tolist()
    return found


def _first_unread(dates: pd.Series) -> int:
    """The row up to which no order fits any more: that of the order that lasts longest."""
    import pandas as pd

    wrong = [
        pd.to_datetime(dates, format=order, errors="coerce").isna().to_numpy() for order in _ORDERS
    ]
    return max(int(one.argmax()) for one in wrong)


def _other_form(place: Place, name: str, texts: pd.Series, parts: pd.DataFrame) -> Exception:
    """The error about the first value that is written otherwise than most."""
    signs = parts["sign"].fillna("")
    usual = signs.mode()[0]
    row = int(np.flatnonzero((signs != usual).to_numpy())[0])
    like = texts[signs == usual].iloc[0]
    return place.error(
        f"the time {quoted(name)} is {shown(texts.iloc[row])} where others are written like "
        f"{shown(like)}; write all as 2024-05-31 12:00:00",
        row=row,
    )


def _in_words(order: str) -> str:
    names = {"d": "day", "m": "month", "y": "year"}
    return f"{names[order[1].lower()]} first"
