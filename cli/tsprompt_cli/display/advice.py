"""A learning curve and an advice in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsprompt.base.names import for_terminal
from tsprompt.errors import counted
from tsprompt_cli.output import grid, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsprompt.advice import Advice, Curve, Judged, Level

__all__ = ["advice_shown", "curve_shown"]


def curve_shown(curve: Curve) -> Iterator[Any]:
    """A row for each number of cases, a column for each method, and what they say."""
    from tsprompt.advice import curve_words

    title = f"{curve.dataset}: accuracy on test by the number of train cases"
    methods = list(curve.methods)
    made = table("train cases", *methods, right=("train cases", *methods), title=title)
    points = {(one.method, one.size): one.accuracy for one in curve.points}
    for size in sorted({one.size for one in curve.points}):
        cells = [_point(points.get((method, size))) for method in methods]
        made.add_row(f"{size:,}", *cells, style="bold" if size == curve.n_train else "")
    yield made
    yield ""
    yield from (for_terminal(one) for one in curve_words(curve))
    yield ""
    yield for_terminal(_legend(curve), "dim")


def _legend(curve: Curve) -> str:
    draws = counted(curve.seeds, "draw")
    text = f"Means over {draws} of nested parts of train"
    if curve.seeds > 1:
        text += ", with 95 % intervals over the draws (Student)"
    return (
        f"{text}. All are scored on {counted(curve.n_test, 'case')} of test: another "
        f"test set of that size would move the best figure by up to about ±{curve.test_error:.3f}. "
        "Flat is where no mean is below that at all cases by more than one standard error of the "
        "difference, or one case of test."
    )


def _point(mean: Any) -> str:
    """Such as `0.933 0.910–0.956`: three methods fit into 80 columns, and where they don't, the
    line breaks before the interval."""
    from tsprompt.base.numbers import share

    if mean is None:
        return "–"
    if mean.low is None or mean.high is None:
        return share(mean.value)
    return f"{share(mean.value)} {share(mean.low)}–{share(mean.high)}"


def _with_interval(mean: Any) -> str:
    from tsprompt.advice.words import between
    from tsprompt.base.numbers import share

    return f"{share(mean.value)} {between(mean)}".rstrip()


def advice_shown(advice: Advice, command: str) -> Iterator[Any]:
    """What to use first, then the evidence, level by level."""
    from tsprompt.advice import advice_words

    yield from (
        for_terminal(one, "" if number else "bold")
        for number, one in enumerate(advice_words(advice))
    )
    for level in advice.levels:
        yield ""
        yield _level(advice, level)
    if advice.levels:
        yield for_terminal(
            "→ is what the rule chooses: the cheapest within one standard error of the highest "
            "mean; = are the others within it. Strategies stand in the order of what they cost. "
            "Intervals are 95 %, and allow for splits that overlap (Nadeau and Bengio 2003). Test "
            "was not read.",
            "dim",
        )
    if advice.left_out:
        yield ""
        yield grid([("left out", one) for one in advice.left_out])
    if advice.chosen is not None:
        yield ""
        yield grid([("next", f"{command} {advice.strategy(advice.chosen).flags()}".strip())])


def _level(advice: Advice, level: Level) -> Any:
    title = (
        f"{advice.dataset}, {level.called}: {level.n_learn:.0f} cases to learn from, "
        f"{level.n_held:.0f} to judge by, {counted(advice.splits, 'split')} of train"
    )
    heads = ("accuracy", "minus the default", "seconds", "splits")
    made = table("", "strategy", "fitted", *heads, right=heads, title=title)
    for row in level.rows:
        made.add_row(*_row(level, row), style="bold" if row.strategy == level.chosen else "")
    return made


def _row(level: Level, row: Judged) -> tuple[Any, ...]:
    from tsprompt.advice.words import between
    from tsprompt.base.numbers import seconds, signed

    mark = "→" if row.strategy == level.chosen else "=" if row.strategy in level.level else ""
    apart = row.to_default
    difference = "" if apart is None else f"{signed(apart.value)} {between(apart, sign=True)}"
    return (
        mark,
        for_terminal(row.strategy),
        for_terminal(row.about),
        _with_interval(row.accuracy),
        difference.rstrip(),
        seconds(row.seconds),
        str(row.accuracy.runs),
    )
