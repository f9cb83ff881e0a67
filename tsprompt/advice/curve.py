"""Accuracy against the number of train cases: which runs it takes, and what they say.

Each run learns from a stratified part of train, which lies in the next larger one, and is scored
on test. So a curve describes; nothing is chosen by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.advice.means import Mean, mean_of
from tsprompt.advice.power_law import LEAST_SIZES, Forecast, forecast
from tsprompt.advice.subsets import class_counts, cut, growing_order, spaced_sizes
from tsprompt.benchmark import Cell, Method, Record
from tsprompt.data import Dataset
from tsprompt.errors import ConfigError, Setting

__all__ = ["Curve", "CurvePlan", "Ending", "Point"]


@dataclass(frozen=True)
class Point:
    """A method at a number of train cases."""

    method: str
    kind: str
    size: int
    accuracy: Mean


@dataclass(frozen=True)
class Ending:
    """How the curve of a method ends."""

    method: str
    flat_from: int | None = None
    """The least size from which on no mean is below that of all cases by more than one standard
    error (of the difference) and one case of test; None where only all cases are as good."""
    more: Forecast | None = None
    """What twice the cases would bring."""
    check: Forecast | None = None
    """What the same law, without the largest size, would have said of it."""


@dataclass(frozen=True)
class Curve:
    """A learning curve of several methods."""

    dataset: str
    n_train: int
    n_test: int
    n_classes: int
    seeds: int
    points: list[Point]
    endings: list[Ending]
    failures: list[str]
    """Runs that failed, and why."""

    @property
    def methods(self) -> dict[str, str]:
        """Methods and their kinds, in the order of the plan."""
        return {one.method: one.kind for one in self.points}

    def of(self, method: str) -> list[Point]:
        """The points of a method, the least size first."""
        return [one for one in self.points if one.method == method]

    @property
    def test_error(self) -> float:
        """About how far another test set of this size would move the best figure: half of a 95 %
        interval of a proportion."""
        best = max((one.accuracy.value for one in self.points), default=0.0)
        # One case more and one less of each kind, so that 1.000 is not taken for certain (Agresti
        # and Coull 1998).
        share = (best * self.n_test + 2) / (self.n_test + 4)
        return 1.96 * math.sqrt(share * (1 - share) / (self.n_test + 4))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        points = [
            {"method": one.method, "kind": one.kind, "size": one.size, **one.accuracy.as_dict()}
            for one in self.points
        ]
        kept = ("dataset", "n_train", "n_test", "n_classes", "seeds", "failures")
        about = {name: getattr(self, name) for name in kept}
        return {**about, "points": points, "endings": [asdict(one) for one in self.endings]}


@dataclass(frozen=True)
class CurvePlan:
    """The runs of a learning curve."""

    name: str
    """Of the set."""
    draw: Callable[[int], Dataset]
    """Gives a split of the set into train and test by its number."""
    methods: tuple[Method, ...]
    sizes: tuple[int, ...]
    """Numbers of train cases, rising; the last is all of train."""
    seeds: int
    """How often parts of train are drawn, and models fitted on them."""
    splits: bool = False
    """Whether each of them has a split of its own, too."""

    @classmethod
    def of(
        cls,
        draw: Callable[[int], Dataset],
        methods: Sequence[Method],
        *,
        sizes: Sequence[int] | None = None,
        seeds: int = 5,
        splits: bool = False,
    ) -> CurvePlan:
        """A plan for the set that `draw` gives.

        Raises
        ------
        ConfigError
            A size is out of range, or there are no seeds.
        InputError
            Train has one class only.
        """
        if seeds < 1:
            raise ConfigError(Setting("seeds"), f" is {seeds}; it must be 1 or more")
        first = draw(0)
        counts = class_counts(first.train.labels, first.name)
        spaced = tuple(spaced_sizes(counts, sizes))
        return cls(first.name, draw, tuple(methods), spaced, seeds, splits)

    def cells(self) -> list[Cell]:
        """All runs, the small ones first. What no seed changes is run once with all of train."""
        return [
            Cell(self._called(size), method, seed, seed if self.splits else 0)
            for size in self.sizes
            for seed in range(self.seeds)
            for method in self.methods
            if method.seeded or seed == 0 or size < self.sizes[-1] or self.splits
        ]

    def load(self, cell: Cell) -> Dataset:
        """The set of a run: train cut down, test whole."""
        size = self._sizes[cell.dataset]
        dataset = self.draw(cell.resample)
        labels = dataset.train.labels
        taken = None if size == self.sizes[-1] else size
        return cut(dataset, cell.dataset, np.sort(growing_order(labels, cell.seed)[:taken]))

    def _called(self, size: int) -> str:
        return f"{self.name}, {size} of {self.sizes[-1]} train cases"

    @property
    def _sizes(self) -> dict[str, int]:
        return {self._called(size): size for size in self.sizes}

    def read(self, records: Sequence[Record]) -> Curve:
        """What the runs say; runs that are not there yet are left out."""
        first = self.draw(0)
        n_test = len(first.test)
        own = [record for record in records if record.ok]
        points = [
            Point(method.name, method.kind, size, mean_of(found, least=0.0, most=1.0))
            for method in self.methods
            for size in self.sizes
            if (found := list(self._accuracy(own, method.name, size).values()))
        ]
        return Curve(
            self.name,
            len(first.train),
            n_test,
            len(set(first.train.labels.tolist())),
            self.seeds,
            points,
            [
                one
                for method in self.methods
                if (one := self._ending(own, method.name, points, n_test))
            ],
            [
                f"{one.dataset}, {one.method}, seed {one.seed}: {one.error}"
                for one in records
                if not one.ok
            ],
        )

    def _accuracy(self, records: Sequence[Record], method: str, size: int) -> dict[int, float]:
        """By seed."""
        called = self._called(size)
        return {
            one.seed: float(one.accuracy or 0.0)
            for one in records
            if one.method == method and one.dataset == called
        }

    def _ending(
        self, records: Sequence[Record], method: str, points: Sequence[Point], n_test: int
    ) -> Ending | None:
        """How a curve ends that has reached all of train."""
        own = [one for one in points if one.method == method]
        if not own or own[-1].size != self.sizes[-1] or len(own) < 2:
            return None
        sizes = [one.size for one in own]
        runs = self._runs(records, method, sizes)
        check = None
        if len(sizes) > LEAST_SIZES:
            check = forecast(sizes[:-1], runs[:, :-1], sizes[-1])
        return Ending(method, flat_from(own, n_test), forecast(sizes, runs, 2 * sizes[-1]), check)

    def _runs(
        self, records: Sequence[Record], method: str, sizes: Sequence[int]
    ) -> npt.NDArray[np.float64]:
        """Accuracies (R, S) of the seeds that have all sizes; one that no seed changes has one run
        with all of train, which counts for each."""
        columns = [self._accuracy(records, method, size) for size in sizes]
        if len(columns[-1]) == 1:
            columns[-1] = dict.fromkeys(columns[0], next(iter(columns[-1].values())))
        whole = [seed for seed in columns[0] if all(seed in one for one in columns)]
        return np.array([[one[seed] for one in columns] for seed in whole]).reshape(-1, len(sizes))


def flat_from(points: Sequence[Point], n_test: int) -> int | None:
    """The least size from which on more cases have brought nothing that can be told.

    That is one standard error of the difference between the two means, after the rule of Breiman
    et al. (1984), or one case of test, whichever is more. None where only all cases are as good as
    all cases.
    """
    last = points[-1].accuracy
    found = None
    for one in reversed(points[:-1]):
        own = one.accuracy
        error = max(math.hypot(own.se or 0.0, last.se or 0.0), 1 / n_test)
        if last.value - own.value > error + 1e-12:
            break
        found = one.size
    return found
