"""How tables and pages spell numbers; what isn't there is a dash."""

from __future__ import annotations

import math

__all__ = [
    "between",
    "bytes_of",
    "chances",
    "count",
    "duration",
    "file_bytes",
    "p_value",
    "percent",
    "rank",
    "seconds",
    "share",
    "signed",
    "span",
]


def share(value: float | None) -> str:
    """0.987, or a dash."""
    return f"{value:.3f}" if _there(value) else "–"


def between(low: float | None, high: float | None) -> str:
    """0.924 to 0.986, or a dash."""
    return f"{share(low)} to {share(high)}" if _there(low) and _there(high) else "–"


def signed(value: float | None) -> str:
    """+0.012, or a dash."""
    return f"{value:+.3f}".replace("-", "−") if _there(value) else "–"


def span(low: float | None, high: float | None) -> str:
    """-0.002 to +0.006, or a dash."""
    return f"{signed(low)} to {signed(high)}" if _there(low) and _there(high) else "–"


def percent(value: float | None) -> str:
    """97 %, or a dash."""
    return f"{100 * value:.0f} %" if value is not None and _there(value) else "–"


def chances(better: float | None, level: float | None, worse: float | None) -> str:
    """97/3/0, in per cent, or a dash."""
    if better is None or level is None or worse is None or not _there(better):
        return "–"
    return f"{100 * better:.0f}/{100 * level:.0f}/{100 * worse:.0f}"


def rank(value: float | None) -> str:
    """2.5, or a dash."""
    return f"{value:.1f}" if _there(value) else "–"


def seconds(value: float | None) -> str:
    """1.2, or a dash."""
    return f"{value:.1f}" if _there(value) else "–"


def duration(value: float) -> str:
    """40 seconds, 12 minutes, 3.5 hours."""
    if value < 90:
        return f"{value:.0f} seconds"
    return f"{value / 60:.0f} minutes" if value < 5_400 else f"{value / 3_600:.1f} hours"


def bytes_of(value: int) -> str:
    """512 MiB, 1.5 GiB."""
    return f"{value / 2**30:,.1f} GiB" if value >= 2**30 else f"{value / 2**20:,.0f} MiB"


def file_bytes(value: float | None) -> str:
    """900 B, 12.3 kB, 4.5 MB, as lists of files have them; a dash if there is none."""
    if value is None or not _there(value):
        return "–"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} B"


def p_value(value: float | None) -> str:
    """0.031, `<0.001`, or a dash."""
    if value is None or not _there(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def count(value: float | None) -> str:
    """1,234 up to 999,999; then 1.2 M, so that columns stay narrow; a dash if there is none."""
    if value is None or not _there(value):
        return "–"
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:,.0f}"


def _there(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
