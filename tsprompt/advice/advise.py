"""Which training strategy for this much data: judged inside train alone.

Train is parted again and again, in proportion to the classes: most of it to learn from, the rest to
judge by. Of what is learned from, 5, 10 and 20 cases of each class are taken, and all. Every
strategy sees the same parts, so their differences are paired. Test is never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tsprompt.advice.means import Mean, mean_of
from tsprompt.advice.strategies import DEFAULT, TrainingStrategy
from tsprompt.advice.subsets import Labels, class_counts, cut, few_of_each, held_out
from tsprompt.benchmark import Cell, Record
from tsprompt.data import Dataset
from tsprompt.errors import ConfigError, InputError, Setting

__all__ = ["LEVELS", "Advice", "AdvicePlan", "Judged", "Level"]

LEVELS = (5, 10, 20, None)
"""Cases of each class; None: all that there are to learn from."""
_NOTHING = 1e-9
"""Differences of accuracies below this are rounding."""


@dataclass(frozen=True)
class Judged:
    """A strategy at a level."""

    strategy: str
    about: str
    accuracy: Mean
    """On cases of train that were held out."""
    to_default: Mean | None
    """Paired difference to the default, on the splits that both have."""
    seconds: float
    """To fit and to predict what was held out, mean over splits."""


@dataclass(frozen=True)
class Level:
    """All strategies at so many cases of each class."""

    few: int | None
    """Cases of each class; None: all."""
    n_learn: float
    """Cases to learn from, mean over splits."""
    n_held: float
    """And to judge by."""
    rows: list[Judged]
    chosen: str
    best: str
    """The one with the highest mean."""
    level: list[str]
    """Those within one standard error of the best, the cheapest first."""

    @property
    def called(self) -> str:
        """Such as `5 a class`."""
        return "all" if self.few is None else f"{self.few} a class"

    def row(self, strategy: str) -> Judged:
        """What is known of a strategy."""
        return next(one for one in self.rows if one.strategy == strategy)

    @property
    def beyond_noise(self) -> bool:
        """Whether the chosen one differs from the default by more than the splits differ."""
        difference = self.row(self.chosen).to_default
        if difference is None or difference.low is None or difference.high is None:
            return False
        return difference.low > 0 or difference.high < 0


@dataclass(frozen=True)
class Advice:
    """What to use, and why."""

    dataset: str
    n_train: int
    classes: dict[str, int]
    """Train cases of each class."""
    splits: int
    levels: list[Level]
    strategies: list[TrainingStrategy]
    left_out: list[str]
    """Levels, runs and strategies that are not in the tables, and why."""

    @property
    def chosen(self) -> str | None:
        """What to use for as many cases as there are; None where too little was run to say."""
        return self.levels[-1].chosen if self.levels else None

    def strategy(self, name: str) -> TrainingStrategy:
        """The strategy of this name."""
        return next(one for one in self.strategies if one.name == name)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each level and strategy, for tables."""
        return [
            {
                "level": level.called,
                "strategy": row.strategy,
                "fitted": row.about,
                "accuracy": row.accuracy.value,
                "se": row.accuracy.se,
                "low": row.accuracy.low,
                "high": row.accuracy.high,
                "minus_default": row.to_default.value if row.to_default else None,
                "minus_default_low": row.to_default.low if row.to_default else None,
                "minus_default_high": row.to_default.high if row.to_default else None,
                "seconds": row.seconds,
                "splits": row.accuracy.runs,
                "chosen": row.strategy == level.chosen,
            }
            for level in self.levels
            for row in level.rows
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        levels = [
            {**asdict(one), "called": one.called, "beyond_noise": one.beyond_noise}
            for one in self.levels
        ]
        chosen = None if self.chosen is None else self.strategy(self.chosen)
        kept = ("dataset", "n_train", "classes", "splits", "left_out")
        return {
            **{name: getattr(self, name) for name in kept},
            "chosen": self.chosen,
            "flags": None if chosen is None else chosen.flags(),
            "levels": levels,
        }


@dataclass(frozen=True)
class AdvicePlan:
    """The runs that advice takes."""

    dataset: Dataset
    """Only its train is read."""
    strategies: list[TrainingStrategy]
    splits: int
    seed: int
    parts: dict[tuple[int | None, int], Dataset]
    """By level and split: what is learned from, and as its test what was held out."""
    left_out: list[str] = field(default_factory=list)
    """Levels that train has too few cases for."""

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        strategies: Sequence[TrainingStrategy],
        *,
        levels: Sequence[int | None] = LEVELS,
        splits: int = 5,
        share: float = 0.25,
        seed: int = 0,
        groups: Labels | None = None,
    ) -> AdvicePlan:
        """A plan for a set.

        Parameters
        ----------
        levels
            Cases of each class to learn from; None: all.
        splits
            How often train is parted.
        share
            Of train that is held out to judge by.
        groups
            (B,) what must not stand on both sides.

        Raises
        ------
        ConfigError
            `splits`, `share` or a level is out of range.
        InputError
            Train has one class only, or too few cases of one.
        """
        _check(levels, splits, share)
        labels = dataset.train.labels
        class_counts(labels, dataset.name)
        pairs = held_out(labels, splits, share, seed, groups)
        parts, left_out = {}, []
        ordered = sorted(set(levels), key=lambda few: np.inf if few is None else few)
        for few in ordered:
            chosen = [
                few_of_each(labels, learn, few, seed + number)
                for number, (learn, _) in enumerate(pairs)
            ]
            if any(one is None for one in chosen):
                left_out.append(_too_few(labels, pairs, few))
                continue
            for number, ((_, held), learn) in enumerate(zip(pairs, chosen, strict=True)):
                assert learn is not None
                parts[few, number] = cut(dataset, _called(dataset), learn, held)
        if not parts:
            raise InputError(
                f"{dataset.name}: no level can be had: {'; '.join(left_out)}; give smaller ",
                Setting("levels"),
            )
        return cls(dataset, list(strategies), splits, seed, parts, left_out)

    def cells(self) -> list[Cell]:
        """All runs, split by split, so that what is there at any time can be compared."""
        return [
            Cell(_called(self.dataset), one.method, self.seed + number, number, few)
            for number in range(self.splits)
            for few in dict.fromkeys(few for few, _ in self.parts)
            for one in self.strategies
        ]

    def load(self, cell: Cell) -> Dataset:
        """What a run learns from, and what it is judged by."""
        return self.parts[cell.shots, cell.resample]

    def read(self, records: Sequence[Record]) -> Advice:
        """What the runs say; what is not there yet is left out."""
        levels = [
            found
            for few in dict.fromkeys(few for few, _ in self.parts)
            if (found := self._level(few, [one for one in records if one.shots == few]))
        ]
        return Advice(
            self.dataset.name,
            len(self.dataset.train),
            dict(class_counts(self.dataset.train.labels, self.dataset.name)),
            self.splits,
            levels,
            self.strategies,
            [*self.left_out, *_failures(records)],
        )

    def _level(self, few: int | None, records: Sequence[Record]) -> Level | None:
        """The strategies that have two splits or more; None where the default has not, or where
        it is alone."""
        found: dict[str, dict[int, Record]] = {one.name: {} for one in self.strategies}
        for record in records:
            if record.ok:
                found[record.method][record.resample] = record
        kept = {name: own for name, own in found.items() if len(own) > 1}
        own_parts = [part for (level, _), part in self.parts.items() if level == few]
        n_learn = float(np.mean([len(part.train) for part in own_parts]))
        n_held = float(np.mean([len(part.test) for part in own_parts]))
        overlap = n_held / (len(self.dataset.train) - n_held)
        if DEFAULT not in kept or len(kept) < 2:
            return None
        about = {one.name: one.about for one in self.strategies}
        rows = [
            Judged(
                name,
                about[name],
                mean_of(_accuracies(own), overlap=overlap, least=0.0, most=1.0),
                None if name == DEFAULT else _difference(own, kept[DEFAULT], overlap),
                float(np.mean([_seconds(one) for one in own.values()])),
            )
            for name, own in kept.items()
        ]
        best = max(rows, key=lambda row: row.accuracy.value).strategy
        near = [name for name, own in kept.items() if _near(kept[best], own, overlap)]
        return Level(few, n_learn, n_held, rows, near[0], best, near)


def _check(levels: Sequence[int | None], splits: int, share: float) -> None:
    if splits < 2:
        raise ConfigError(
            Setting("splits"), f" is {splits}; it takes 2 or more to know what is noise"
        )
    if not 0 < share < 1:
        raise ConfigError(Setting("held_out"), f" is {share:g}; it is a share between 0 and 1")
    if not levels:
        raise ConfigError(Setting("levels"), " names none; give some, such as 5,10,all")
    for few in levels:
        if few is not None and few < 2:
            raise ConfigError(
                Setting("levels"),
                f": {few} a class are too few to train a prompt and to stop in time; give 2 or "
                "more, or all",
            )


def _called(dataset: Dataset) -> str:
    return f"{dataset.name}, held out of train"


def _too_few(labels: Labels, pairs: Sequence[tuple[Any, Any]], few: int | None) -> str:
    """Which class lacks cases for a level."""
    least = {
        str(label): min(int(np.count_nonzero(labels[learn] == label)) for learn, _ in pairs)
        for label in np.unique(labels)
    }
    rare = min(least, key=lambda label: least[label])
    return (
        f"{few} a class: class {rare} has {least[rare]} to learn from once the cases to judge by "
        "are taken away"
    )


def _failures(records: Sequence[Record]) -> list[str]:
    """What went wrong, each thing once."""
    counts = Counter((one.method, str(one.error)) for one in records if not one.ok)
    return [
        f"{method}: {count} {'run' if count == 1 else 'runs'} failed: {error}"
        for (method, error), count in counts.items()
    ]


def _accuracies(runs: dict[int, Record]) -> list[float]:
    return [float(one.accuracy or 0.0) for one in runs.values()]


def _seconds(record: Record) -> float:
    return (record.fit_seconds or 0.0) + (record.predict_seconds or 0.0)


def _difference(own: dict[int, Record], other: dict[int, Record], overlap: float) -> Mean | None:
    """The mean difference on the splits that both have; None where they share none."""
    both = sorted(own.keys() & other.keys())
    if not both:
        return None
    apart = [(own[one].accuracy or 0.0) - (other[one].accuracy or 0.0) for one in both]
    return mean_of(apart, overlap=overlap, least=-1.0, most=1.0)


def _near(best: dict[int, Record], own: dict[int, Record], overlap: float) -> bool:
    """Whether a strategy is within one standard error (of the difference) of the best."""
    if own is best:
        return True
    behind = _difference(best, own, overlap)
    return behind is not None and behind.se is not None and behind.value <= behind.se + _NOTHING
