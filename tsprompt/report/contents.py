"""What a report says, whatever it is printed as: one summary, its statistics, what is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from tsprompt.benchmark.record import Record
from tsprompt.errors import ConfigError, Setting, counted, near_names
from tsprompt.report.ablations import Ablations, ablation_effects, settings_of
from tsprompt.report.equivalence import OUTCOMES, ROPE, practical_chances
from tsprompt.report.load import LeftOut, Results
from tsprompt.report.published import Published, published_results
from tsprompt.report.statistics import Comparison, compare_methods, too_few
from tsprompt.report.summary import (
    DECIMALS,
    OVERALL,
    accuracy_matrix,
    apart_from_overall,
    summarise,
)

__all__ = ["Failure", "Report", "make_report"]


_LISTED_PAIRS = 1_000
"""More pairs of methods than so many are read by no one, and make a page of megabytes."""


@dataclass(frozen=True)
class Failure:
    """Runs of one method that ended in the same way."""

    method: str
    error: str
    runs: int
    sets: list[str]

    def __str__(self) -> str:
        return f"{self.method}, {counted(self.runs, 'run')} on {', '.join(self.sets)}: {self.error}"


@dataclass(frozen=True)
class Report:
    """Records, and all that tables and figures are made of."""

    folder: Path
    """Where the results lie."""
    records: list[Record]
    """Those that the tables rest on; published results are among them."""
    summary: pd.DataFrame
    """As `summarise` makes it; its overall rows are over the sets that all methods have."""
    accuracy: pd.DataFrame
    """Mean accuracies: a row for each set, a column for each method; NaN where there is none."""
    complete: list[str]
    """The sets that all methods have, but for those that have none."""
    compared: pd.DataFrame
    """What tests are over, without gaps: a row for each complete set, or each family of them."""
    comparison: Comparison | None
    """None where there is too little to compare; a sentence in the heading says why."""
    reference: str | None
    """The method that others are compared with: the one asked for, or the model ranked best."""
    heading: list[str]
    """Sentences on what is compared with what."""
    left_out: list[LeftOut]
    rope: float = ROPE
    """Differences in accuracy up to this are level."""
    asked: str | None = None
    """The reference, if it was asked for: ablations without a model's name are then its own."""
    family_of: Callable[[str], str] | None = None
    """What a set comes of, where tests count sets of one source as one."""

    @property
    def methods(self) -> list[str]:
        """In the order of the summary."""
        return [str(name) for name in self.accuracy.columns]

    @property
    def unit(self) -> str:
        """What tests are over: sets, or families of them."""
        return "sets" if self.compared.index.equals(pd.Index(self.complete)) else "families of sets"

    @property
    def failures(self) -> list[Failure]:
        """Runs that did not go through."""
        found: dict[tuple[str, str], list[str]] = {}
        for record in self.records:
            if not record.ok:
                found.setdefault((record.method, record.error or record.status), []).append(
                    record.dataset
                )
        return [
            Failure(method, error, len(sets), list(dict.fromkeys(sets)))
            for (method, error), sets in found.items()
        ]

    @cached_property
    def overall(self) -> pd.DataFrame:
        """A row for each method, the best mean rank first; how the reference compares with it.

        Columns: those of the summary, and difference, se, wins, ties, losses, p, p_holm, and the
        chances p_better, p_level and p_worse, seen from the reference.
        """
        rows = self.summary[self.summary["dataset"] == OVERALL].copy()
        rows = rows.sort_values("rank", kind="stable").reset_index(drop=True)
        compared = ["difference", "se", "wins", "ties", "losses", "p", "p_holm"]
        names = [*compared, *OUTCOMES]
        found = []
        for method in rows["method"]:
            if self.comparison is None or self.reference in (None, method):
                found.append(dict.fromkeys(names, float("nan")))
            else:
                pair = self.comparison.pair(str(self.reference), str(method))
                chances = zip(OUTCOMES, self._chances(str(method)), strict=True)
                found.append({**{name: float(pair[name]) for name in compared}, **dict(chances)})
        return rows.join(pd.DataFrame(found, columns=pd.Index(names)))

    @cached_property
    def ablations(self) -> list[Ablations]:
        """What each part of each model adds, where there are ablations."""
        kinds = {one.method: one.kind for one in self.records}
        settings = settings_of(self.records)
        return ablation_effects(self.accuracy, kinds, self.asked, settings, self.family_of)

    @cached_property
    def listed_pairs(self) -> pd.DataFrame:
        """The pairs of `comparison` that a page lists, or where there are more than 1,000,
        those of the reference alone."""
        if self.comparison is None:
            return pd.DataFrame()
        pairs = self.comparison.pairs
        own = (pairs["a"] == self.reference) | (pairs["b"] == self.reference)
        return pairs[own] if len(pairs) > _LISTED_PAIRS else pairs

    @property
    def unlisted(self) -> str | None:
        """What is said of the pairs that are not listed, where some are not."""
        count = 0 if self.comparison is None else len(self.comparison.pairs)
        if count == len(self.listed_pairs):
            return None
        return (
            f"Of {count:,} pairs those with {self.reference} are listed; --reference names another "
            "method, and --json FILE has them all."
        )

    def _chances(self, method: str) -> tuple[float, float, float]:
        """That the reference is better in practice than a method, level with it, or worse."""
        difference = (self.compared[self.reference] - self.compared[method]).round(DECIMALS)
        return practical_chances(difference.to_numpy(dtype=float), self.rope)


def make_report(
    results: Results,
    *,
    against: Sequence[str] | None = None,
    reference: str | None = None,
    rope: float = ROPE,
    family_of: Callable[[str], str] | None = None,
) -> Report:
    """Put a report together.

    Parameters
    ----------
    against
        Published methods to set beside the results; an empty list: a handful; None: none.
    reference
        The method that the others are compared with.
    rope
        Differences in accuracy up to this are level: half the width of the region of practical
        equivalence.
    family_of
        The family that a set belongs to. Tests then are over families: sets that come of one source
        count as one, by the mean of their accuracies, since what holds for one of them holds for
        the others. None: every set counts.

    Raises
    ------
    ConfigError
        There are no such published results, no method is called as the reference is, or the region
        is none that accuracies can have.
    """
    if not 0 <= rope < 1:
        raise ConfigError(
            Setting("rope", rope),
            " is no difference between accuracies; give one of 0 or more and below 1, such as 0.01",
        )
    records = [apart_from_overall(_with_shots(record)) for record in results.records]
    records, notes = _common_resamples(records)
    published = None if against is None else published_results(records, against)
    heading = [_what(records)]
    if published is not None:
        heading.append(_beside(published, records))
        records = [record for record in records if record.dataset in published.sets]
        records += published.records
    records.sort(key=lambda record: record.dataset)
    summary = summarise(records)
    accuracy = accuracy_matrix(summary)
    somewhere = [str(name) for name in accuracy.columns[accuracy.notna().any()]]
    complete = [str(name) for name in accuracy.index[accuracy[somewhere].notna().all(axis=1)]]
    heading += _lacking(accuracy, somewhere, complete)
    # A method that failed on all sets must not take the others' means away.
    counted = [one for one in records if one.dataset in {*complete} and one.method in {*somewhere}]
    summary = pd.concat(
        [summary[summary["dataset"] != OVERALL], _overall(counted)], ignore_index=True
    )
    whole = accuracy.loc[complete, somewhere]
    if family_of is not None:
        families = whole.groupby(family_of, sort=False).mean()
        heading.append(_related(whole, families))
        whole = families
    few = too_few(whole)
    if few:
        heading.append(few)
    comparison = None if few else compare_methods(whole)
    chosen = _reference(summary, list(accuracy.columns), reference)
    return Report(
        folder=results.folder,
        records=records,
        summary=summary,
        accuracy=accuracy,
        complete=complete,
        compared=whole,
        comparison=comparison,
        reference=chosen,
        heading=[*heading, *notes],
        left_out=results.left_out,
        rope=rope,
        asked=None if reference is None else chosen,
        family_of=family_of,
    )


def _with_shots(record: Record) -> Record:
    """Runs with train cut down are a row of their own."""
    if record.shots is None:
        return record
    return dataclasses.replace(record, method=f"{record.method} ({record.shots} shots)")


def _common_resamples(records: list[Record]) -> tuple[list[Record], list[str]]:
    """Only the resamples of a set that all methods with a run on it have; and a word about it."""
    have: dict[str, dict[str, set[int]]] = {}
    for record in records:
        have.setdefault(record.dataset, {}).setdefault(record.method, set()).add(record.resample)
    common = {name: set.intersection(*methods.values()) for name, methods in have.items()}
    kept = [record for record in records if record.resample in common[record.dataset]]
    none = sorted(name for name, shared in common.items() if not shared)
    fewer = {record.dataset for record in records} - {*none}
    fewer &= {record.dataset for record in records if record.resample not in common[record.dataset]}
    notes = []
    if fewer:
        notes.append(
            f"On {counted(len(fewer), 'set')} only those resamples count that all methods have, "
            f"which leaves out {counted(len(records) - len(kept), 'run')}."
        )
    if none:
        notes.append(f"Left out, since no resample was run with all methods: {', '.join(none)}.")
    return kept, notes


def _what(records: Iterable[Record]) -> str:
    records = list(records)
    sets = len({record.dataset for record in records})
    methods = len({record.method for record in records})
    resamples = sorted({record.resample for record in records})
    seeds = len({record.seed for record in records})
    if resamples == [0]:
        split = f"the archive's own split, {counted(seeds, 'seed')}"
    elif resamples == list(range(len(resamples))):
        split = f"resamples 0 to {resamples[-1]}"
    else:
        split = f"resamples {', '.join(map(str, resamples))}"
    return (
        f"{counted(len(records), 'run')} of {counted(methods, 'method')} on "
        f"{counted(sets, 'set')}; {split}. All figures are of test, means over runs."
    )


def _beside(published: Published, records: Iterable[Record]) -> str:
    ours = {record.dataset for record in records}
    there, all_ = len(published.sets), len(ours)
    which = f"the {there} of {all_} sets" if there < all_ else f"the {counted(there, 'set')}"
    kinds = []
    if published.default_split:
        kinds.append(f"the archive's own split ({counted(len(published.default_split), 'set')})")
    if published.resampled:
        kinds.append(
            f"means over 30 resamples ({counted(len(published.resampled), 'set')}; our own are "
            "over the resamples that were run)"
        )
    return (
        f"Beside published results (tsml-eval) on {which} that both have: {' and '.join(kinds)}."
        + (f" Not among them: {', '.join(sorted(ours - published.sets))}." if there < all_ else "")
    )


def _lacking(accuracy: pd.DataFrame, somewhere: list[str], complete: list[str]) -> list[str]:
    told = []
    nowhere = [str(name) for name in accuracy.columns if name not in somewhere]
    if nowhere:
        told.append(f"No run went through of: {', '.join(nowhere)}.")
    if len(complete) < len(accuracy):
        gaps = accuracy[somewhere].isna().sum().sort_values(ascending=False, kind="stable")
        names = ", ".join(f"{name} ({count})" for name, count in gaps[gaps > 0].items())
        where = f"the {len(complete)} of {len(accuracy)} sets" if complete else "none of the sets:"
        that = "that all methods have" if complete else "there is none that all methods have"
        told.append(f"Means, ranks and tests are over {where} {that}. Sets lacking: {names}.")
    return told


def _related(whole: pd.DataFrame, families: pd.DataFrame) -> str:
    return (
        f"Tests count sets that come of one source as one, by the mean of their accuracies: "
        f"differences, wins and p values are over {len(families)} families of {len(whole)} sets. "
        "Mean accuracies and ranks are over sets."
    )


def _overall(records: list[Record]) -> pd.DataFrame:
    rows = summarise(records)
    return rows[rows["dataset"] == OVERALL] if len(rows) else rows


def _reference(summary: pd.DataFrame, methods: list[str], asked: str | None) -> str | None:
    if asked is not None:
        named = {name.casefold(): name for name in methods}
        if asked.casefold() not in named:
            raise ConfigError(f"no method is called {asked!r}; {near_names(asked, methods)}")
        return named[asked.casefold()]
    rows = summary[summary["dataset"] == OVERALL].sort_values("rank", kind="stable")
    models = rows[rows["kind"] == "model"]
    ranked = [str(name) for name in (models if len(models) else rows)["method"]]
    return next(iter([*ranked, *methods]), None)
