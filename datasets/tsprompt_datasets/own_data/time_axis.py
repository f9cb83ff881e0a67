"""The time of each row, in long form: sorted, even, and made even on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import DatasetError, Setting, counted
from tsprompt_datasets.own_data.columns import Place, quoted, shown
from tsprompt_datasets.own_data.date_order import year_first_texts
from tsprompt_datasets.own_data.options import Resampling

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_even", "resampled", "step_text", "times_of"]

_TOLERANCE = 0.01
"""By how much of a step a time may be off and still count as even: clocks jitter."""

_ROOM, _GROWTH = 1 << 17, 100
"""Resampled, a case may have `_GROWTH` times as many timesteps, or `_ROOM` of them."""

FloatArray = npt.NDArray[np.float64]


def times_of(place: Place, name: str, column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], bool]:
    """Times (n,) as whole numbers or floats, and whether they are of a clock, in seconds.

    Raises
    ------
    DatasetError
        A time is missing, or is none.
    """
    import pyarrow as pa

    if column.null_count:
        empty = np.flatnonzero(column.is_null().to_numpy())
        raise place.error(f"the time {quoted(name)} is empty; write one", row=int(empty[0]))
    kind = column.type
    if pa.types.is_integer(kind):
        return column.to_numpy().astype(np.int64, copy=False), False
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False).to_numpy(), False
    if pa.types.is_time(kind):
        nanos = column.cast(pa.time64("ns")).cast(pa.int64()).to_numpy()
    elif pa.types.is_temporal(kind):
        unit = "s" if pa.types.is_date(kind) else "ns"
        whole = column.cast(pa.timestamp(unit), safe=False).cast(pa.int64()).to_numpy()
        nanos = whole * (10**9 if unit == "s" else 1)
    else:
        nanos = _parsed(place, name, column)
    nanos = nanos - nanos.min()  # nanoseconds since 1970 would lose their last digits as floats
    return nanos / 1e9, True


def _parsed(place: Place, name: str, column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Times in text, as pandas reads dates; days and months in one order throughout."""
    import pandas as pd

    texts = column.cast("string").to_pandas()
    numbers = pd.to_numeric(texts, errors="coerce").notna().to_numpy()
    if 2 * numbers.sum() > len(texts):
        row = int(np.flatnonzero(~numbers)[0])
        raise place.error(
            f"the time {quoted(name)} is {shown(texts.iloc[row])} where numbers stand; correct it",
            row=row,
        )
    try:
        found = pd.to_datetime(texts, format="ISO8601", utc=True)
    except ValueError:
        year_first = year_first_texts(place, name, texts)
        found = pd.to_datetime(year_first, format="mixed", utc=True, errors="coerce")
    wrong = np.flatnonzero(found.isna().to_numpy())
    if len(wrong):
        row = int(wrong[0])
        raise place.error(
            f"the time {quoted(name)} is {shown(texts.iloc[row])}, which is no number and no date; "
            "write it as 2024-05-31 12:00:00",
            row=row,
        )
    return found.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]").astype(np.int64)


def check_even(
    times: npt.NDArray[Any],
    within: npt.NDArray[np.bool_],
) -> tuple[float | None, int | None]:
    """The step that all have in common, and the first row that is off; times are sorted.

    Parameters
    ----------
    times
        (n,) of all cases, one after the other.
    within
        (n - 1,) whether two rows that follow each other belong to one case.
    """
    gaps = np.diff(times)[within]
    if not len(gaps):
        return None, None
    step = float(np.median(gaps))
    off = np.abs(gaps - step) > _TOLERANCE * step
    if not off.any():
        return step, None
    first = int(np.flatnonzero(off)[0])
    return step, int(np.flatnonzero(within)[first]) + 1


def resampled(times: FloatArray, values: FloatArray, wanted: Resampling) -> FloatArray:
    """One case's values (T, F) at even times, linear between those that are there.

    What lies before a feature's first value or after its last stays missing.

    Raises
    ------
    DatasetError
        There would be far more timesteps than there are: a time is far off, or the step too small.
    """
    span = float(times[-1] - times[0])
    if wanted.steps is not None:
        even: npt.NDArray[Any] = np.linspace(0.0, span, wanted.steps)
    else:
        assert wanted.seconds is not None
        steps = np.floor(span / wanted.seconds * (1 + 1e-9)) + 1
        if not steps <= max(_ROOM, _GROWTH * len(times)):
            raise DatasetError(
                f"a case of {counted(len(times), 'timestep')} would be {steps:,.0f} when "
                "resampled: check its times, or give a larger step as ",
                Setting("resample"),
            )
        even = np.arange(int(steps)) * wanted.seconds
    since = (times - times[0]).astype(np.float64)
    made = np.full((len(even), values.shape[1]), np.nan)
    for feature in range(values.shape[1]):
        held = np.isfinite(values[:, feature])
        if held.any():
            made[:, feature] = np.interp(
                even, since[held], values[held, feature], left=np.nan, right=np.nan
            )
    return made


def step_text(step: float, clock: bool) -> str:
    """A step between two times in words."""
    if not clock:
        return f"{step:g}"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if step >= size and abs(step / size - round(step / size, 3)) < 1e-9:
            return f"{step / size:g} {unit}"
    return f"{step:g} s"
