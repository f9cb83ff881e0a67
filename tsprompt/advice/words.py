"""What a curve and an advice say, in sentences: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from tsprompt.advice.advise import Advice, Level
from tsprompt.advice.curve import Curve, Ending
from tsprompt.advice.means import Mean
from tsprompt.advice.power_law import LEAST_SIZES, Forecast
from tsprompt.advice.strategies import DEFAULT
from tsprompt.base.numbers import share, signed

__all__ = ["advice_words", "between", "curve_words"]


def between(one: Mean | Forecast, *, sign: bool = False) -> str:
    """Such as `(0.91 to 0.97)`; empty where there is no interval."""
    spell = signed if sign else share
    if one.low is None or one.high is None:
        return ""
    return f"({spell(one.low)} to {spell(one.high)})"


# --- a curve ---


def curve_words(curve: Curve) -> list[str]:
    """For each method: where its curve flattens, and what twice the cases would bring."""
    told = [_ending(curve, one) for one in curve.endings]
    if told and all(one.more is None for one in curve.endings):
        told.append(
            f"What more cases would bring is not said: a power law takes {LEAST_SIZES} sizes or "
            "more, so that one is left to contradict it."
        )
    return told


def _ending(curve: Curve, ending: Ending) -> str:
    last = curve.of(ending.method)[-1]
    at_all = f"{share(last.accuracy.value)} at all {last.size}"
    flat = ending.flat_from
    text = f"flat from {flat} cases on ({at_all})" if flat else f"still rises ({at_all})"
    text = f"{ending.method}: {text}."
    return f"{text} {_more(ending)}".strip()


def _more(ending: Ending) -> str:
    """What the power law says, and how well it would have said what is known."""
    more, check = ending.more, ending.check
    if more is None:
        return ""
    text = f"Twice as many, {more.size}: {share(more.accuracy)} {between(more)}".rstrip()
    text += " by a power law"
    if check is not None:
        text += (
            f", which from {check.based_on} cases would have said {share(check.accuracy)} "
            f"{between(check)}".rstrip()
            + f" for {check.size}"
        )
    return f"{text}."


# --- advice ---


def advice_words(advice: Advice) -> list[str]:
    """What to use, how sure that is, and where fewer cases would say otherwise."""
    if not advice.levels:
        return [
            "Nothing can be said yet: it takes two splits of the default and of another strategy "
            "at one level; run it for longer."
        ]
    last = advice.levels[-1]
    chosen = advice.strategy(last.chosen)
    named = "the default" if last.chosen == DEFAULT else last.chosen
    what = f"{_cases(last)}: use {named}, which fits {chosen.about}."
    told = [what, _evidence(last), _certainty(last)]
    others = [one for one in advice.levels[:-1] if one.chosen != last.chosen]
    if others:
        fewer = "; ".join(f"{one.called}: {one.chosen}" for one in others)
        told.append(f"With fewer cases the same rule says otherwise: {fewer}.")
    return told


def _cases(level: Level) -> str:
    if level.few is None:
        return f"For all there is ({level.n_learn:.0f} cases to learn from in each split)"
    return f"For {level.few} cases a class"


def _evidence(level: Level) -> str:
    """The means that matter."""
    best, default = level.row(level.best), level.row(DEFAULT)
    text = f"{_named(level.best)} has the highest mean, {share(best.accuracy.value)}"
    near = [one for one in level.level if one != level.best]
    if near:
        text += f"; within one standard error of it: {_listed(near)}"
    text += (
        f". Of these {_named(level.chosen)} is the cheapest"
        if near
        else "; no other is within one standard error of it"
    )
    if DEFAULT not in (level.best, level.chosen):
        text += f". The default has {share(default.accuracy.value)}"
    return f"{_begun(text)}."


def _certainty(level: Level) -> str:
    """Whether the splits tell the chosen one from the default, or the default from the best."""
    other = level.best if level.chosen == DEFAULT else level.chosen
    if other == DEFAULT:
        others = [one for one in level.rows if one.strategy != DEFAULT]
        other = max(others, key=lambda row: row.accuracy.value).strategy
    difference = level.row(other).to_default
    if difference is None or difference.low is None or difference.high is None:
        return "How sure that is can't be said: they share too few splits."
    text = f"{_named(other)} minus the default: {signed(difference.value)} "
    text += f"{between(difference, sign=True)} over {difference.runs} splits"
    noise = difference.low <= 0 <= difference.high
    text += ", which is within noise" if noise else ", which is beyond noise"
    text += f"; one case of those held out in a split is {share(1 / level.n_held)}."
    return _begun(text)


def _begun(text: str) -> str:
    """As a sentence begins; names keep their spelling."""
    return f"T{text[1:]}" if text.startswith("the ") else text


def _named(strategy: str) -> str:
    return "the default" if strategy == DEFAULT else strategy


def _listed(names: Sequence[str]) -> str:
    named = [_named(one) for one in names]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
