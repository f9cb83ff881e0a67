"""Values: parsed in 64 bits, held in 32 where that loses nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tsprompt.data import Values
from tsprompt_datasets.readers.lines import Place, shown

__all__ = ["UNKNOWN", "narrow", "numbers", "strip_padding"]

UNKNOWN = "?"
"""What all text formats write for a missing value or an unknown label."""

# Written so that no digit can be matched in two ways: damaged numbers of any length fail at once.
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE
)
_MISSING = ("nan", "+nan", "-nan")
_BLOCK = 1 << 16
"""Characters that are split at a time: a list of pieces takes many times what it is made of."""
_ROUNDING = 2.0**-14
"""Rounding to 32 bits may take this share of what a series spans: a thousandth of what the most
careful reading of a series uses."""
_CHUNK = 1 << 20
"""Timesteps that are looked at together."""


def numbers(place: Place, text: str, separator: str) -> npt.NDArray[np.float64]:
    """Parse (T,) values; ``?`` and ``NaN`` are missing.

    Raises
    ------
    DatasetError
        A value is not a number, or not a finite one; the message quotes it.
    """
    found: list[npt.NDArray[np.float64]] = []
    before = 0
    for block in _blocks(text, separator):
        values = _parse(place, block, separator, before)
        before += len(values)
        found.append(values)
    return found[0] if len(found) == 1 else np.concatenate(found)


def _blocks(text: str, separator: str) -> Iterator[str]:
    """The text in pieces that end at a separator, which is left out."""
    start = 0
    while len(text) - start > _BLOCK:
        cut = text.find(separator, start + _BLOCK)
        if cut < 0:
            break
        yield text[start:cut]
        start = cut + len(separator)
    yield text[start:]


def _parse(place: Place, text: str, separator: str, before: int) -> npt.NDArray[np.float64]:
    """The values of a piece of a line, of which `before` came already."""
    tokens = text.split(separator)
    # float() also takes 1_000 and other alphabets' digits, which no archive writes.
    if text.isascii() and "_" not in text:
        try:
            values = np.fromiter(map(float, tokens), np.float64, len(tokens))
        except ValueError:  # a `?` or a mistake: the slow way tells which
            pass
        else:
            if not np.isinf(values).any():
                return values
    return np.array(
        [_number(place, i, token.strip(" \t")) for i, token in enumerate(tokens, before + 1)],
        np.float64,
    )


def _number(place: Place, position: int, token: str) -> float:
    if token == UNKNOWN or token.lower() in _MISSING:
        return math.nan
    if not token:
        raise place.corrupt(f"value {position} is empty")
    if not _NUMBER.fullmatch(token):
        raise place.corrupt(f"value {position}, {shown(token)}, is not a number")
    value = float(token)
    if math.isinf(value):
        raise place.error(
            f"value {position}, {shown(token)}, is infinite or beyond 64 bits; "
            "rescale the series, or write ? for a missing value"
        )
    return value


def strip_padding(series: Values) -> Values:
    """Drop the timesteps at the end of (T, F) at which everything is missing; keep at least one.

    For formats with a fixed number of columns, which can only pad what is shorter.
    """
    if not np.isnan(series[-1]).all():
        return series
    held = np.flatnonzero(~np.isnan(series).all(axis=1))
    return series[: held[-1] + 1 if held.size else 1]


def narrow(series: Sequence[Values]) -> list[Values]:
    """The B series (T_i, F) in 32 bits where that loses nothing of them, else as they came.

    Nothing is lost where rounding moves no value by more than 1/16,384 of what its feature spans
    in its own series: an offset of a billion, or values near the smallest there are, keep 64 bits.
    All series of a file are held alike.
    """
    if not series or not _fits(series):
        return list(series)
    return [one.astype(np.float32) for one in series]


def _fits(series: Sequence[Values]) -> bool:
    features = series[0].shape[1]
    low, high = np.full(features, np.inf), np.full(features, -np.inf)
    worst = np.zeros(features)
    for chunk in _chunks(series):
        values = np.concatenate(chunk)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.abs(values - values.astype(np.float32))
        starts = np.cumsum([0, *map(len, chunk[:-1])])
        # fmin and fmax pass missing values over; a feature that is missing throughout stays NaN.
        bottom, top = (f.reduceat(values, starts, axis=0) for f in (np.fmin, np.fmax))
        error = np.fmax.reduceat(moved, starts, axis=0)
        span = top - bottom
        if (np.isinf(error) | (error > _ROUNDING * span) & (span > 0)).any():
            return False
        low, high = np.fmin(low, np.fmin.reduce(bottom)), np.fmax(high, np.fmax.reduce(top))
        worst = np.fmax(worst, np.fmax.reduce(error))
    # Series that never change tell themselves apart by their level alone.
    return not ((worst > _ROUNDING * (high - low)) & (high > low)).any()


def _chunks(series: Sequence[Values]) -> Iterator[list[Values]]:
    chunk: list[Values] = []
    held = 0
    for one in series:
        chunk.append(one)
        held += len(one)
        if held >= _CHUNK:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
