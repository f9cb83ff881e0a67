"""Estimates on the screen: a table, the time of all, and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import grid, table

if TYPE_CHECKING:
    from tsprompt_cli.estimating import Row

__all__ = ["estimates_shown", "total_seconds"]


def total_seconds(rows: Sequence[Row], jobs: int) -> tuple[float, bool]:
    """Seconds of all runs, so many at a time, and whether that is all of it."""
    known = [(row.seconds, row.runs) for row in rows if row.seconds is not None]
    work = sum(seconds * runs for seconds, runs in known)
    longest = max((seconds for seconds, _ in known), default=0.0)
    return max(work / jobs, longest), not any(row.unknown for row in rows)


def estimates_shown(rows: Sequence[Row], jobs: int) -> list[Any]:
    """All that is to be said of them."""
    from tsprompt.base.numbers import bytes_of, duration
    from tsprompt.errors import counted

    total, whole = total_seconds(rows, jobs)
    runs = sum(row.runs for row in rows)
    at_once = f", {jobs} at a time" if jobs > 1 else ""
    least = "about" if whole else "at least"
    lines = [
        ("time", f"{least} {duration(total)} for {counted(runs, 'run')}{at_once}; nothing was run")
    ]
    free = [row.estimate.free_bytes for row in rows if row.estimate]
    if free:
        lines.append(
            ("memory", f"{bytes_of(min(free))} are free; beside each need stand model and series")
        )
    files = max((row.estimate.scratch_bytes for row in rows if row.estimate), default=0)
    if files:
        lines.append(("scratch", f"{bytes_of(files)} of features go to a file (--scratch-dir)"))
    lines += _notes(rows)
    return [_table(rows), grid(lines)]


def _notes(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What is left out of the time, and what would be refused; each once."""
    left_out: dict[str, list[str]] = {}
    for row in rows:
        for why in row.unknown:
            left_out.setdefault(why, []).append(row.method)
        if row.estimate and row.estimate.refused:
            left_out.setdefault(row.estimate.refused, []).append(f"{row.dataset}, {row.method}")
    told = [(f"{', '.join(dict.fromkeys(names))}: {why}") for why, names in left_out.items()]
    return [("unknown" if not number else "", one) for number, one in enumerate(told)]


def _table(rows: Sequence[Row]) -> Any:
    from tsprompt.base.names import for_terminal
    from tsprompt.base.numbers import bytes_of, count, seconds

    heads = (
        "runs",
        "train",
        "test",
        "prompts",
        "tokens",
        "memory",
        "fit\nseconds",
        "predict\nseconds",
    )
    made = table("set", "method", *heads, right=heads, title="Estimated, each run")
    for row in rows:
        own = row.estimate
        least = "≥ " if row.unknown and row.seconds is not None else ""
        cells = (
            ("–",) * 5 + (seconds(row.seconds), "–")
            if own is None
            else (
                count(own.cases),
                count(own.test_cases),
                count(own.prompts),
                count(own.tokens),
                bytes_of(own.memory_bytes) + (" !" if own.refused else ""),
                least + seconds(own.fit_seconds),
                seconds(own.predict_seconds),
            )
        )
        made.add_row(for_terminal(row.dataset), for_terminal(row.method), str(row.runs), *cells)
    return made
