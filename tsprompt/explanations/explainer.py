"""Asks a fitted model why: prepares the questions, and puts the parts of an answer together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.data import Cases, IntArray
from tsprompt.errors import ConfigError, InputError, Setting, TspromptNotice, counted, near_names
from tsprompt.explanations.ablation import Asked
from tsprompt.explanations.exact import divides
from tsprompt.explanations.explanation import Explanation, Neighbour
from tsprompt.explanations.grid import Grid, default_stretches
from tsprompt.explanations.references import REFERENCES, Fill, fixed, interpolated
from tsprompt.explanations.scores import Contrast
from tsprompt.explanations.train import Train
from tsprompt.explanations.ways import METHODS, Shares, exactly, one_by_one, shapley
from tsprompt.model.fitted import Fitted

__all__ = ["BATCH", "Explainer"]

BATCH = 8
"""Cases that are asked about together."""
Near = list[list[Neighbour]]


class Explainer:
    """Explains what one fitted model says. What it needs of train is read once.

    Parameters
    ----------
    fitted
        The model.
    train
        Its train cases and their labels (n,); None: they are not at hand, and no nearest cases are
        given.
    method, reference, stretches, orders, nearest
        See `explain`.

    Raises
    ------
    ConfigError
        A method or reference is unknown, or this model or what is at hand does not allow it.
    InputError
        Train has a class that the model does not know, or other features.
    """

    def __init__(
        self,
        fitted: Fitted,
        train: tuple[Cases, npt.NDArray[np.generic]] | None = None,
        *,
        method: str | None = None,
        reference: str | None = None,
        stretches: int | None = None,
        orders: int = 10,
        nearest: int = 3,
    ) -> None:
        self.fitted = fitted
        self.method = _one_of("method", method or "shapley", METHODS)
        self.reference = _one_of("reference", reference or "interpolate", REFERENCES)
        for name, value, least in (
            ("stretches", stretches, 1),
            ("orders", orders, 1),
            ("nearest", nearest, 0),
        ):
            if value is not None and value < least:
                raise ConfigError(Setting(name, value), f" is too few; give {least} or more")
        self.stretches, self.orders, self.nearest = stretches, orders, nearest
        self.train = None if train is None else _known(fitted, *train)
        self._check()

    def _check(self) -> None:
        why = divides(self.fitted) if self.method == "exact" else None
        if why is not None:
            others = Setting("method", "shapley"), " or ", Setting("method", "ablation")
            raise ConfigError(f"this model can't be divided exactly: {why}; use ", *others)
        if self.reference == "other" and self.train is None:
            raise ConfigError(
                Setting("reference", "other"),
                " takes values of train cases, which a saved model does not hold; give ",
                Setting("train"),
            )

    def explain(self, cases: Cases) -> Iterator[Explanation]:
        """Explain one case after the other, a batch at a time.

        Raises
        ------
        InputError
            The cases have other features than train.
        """
        cases = self.fitted.expected.aligned(cases)
        self.fitted.expected.tell(cases)
        filled = self.fitted.design.preprocessing.fill(cases)
        count = self.stretches or default_stretches(cases.n_features)
        count = min(count, int(cases.lengths.min()))
        for start in range(0, len(cases), BATCH):
            part = np.arange(start, min(start + BATCH, len(cases)))
            with _told_already():
                yield from self._batch(cases.take(part), filled.take(part), part, count)

    def _batch(
        self, cases: Cases, filled: Cases, numbers: IntArray, stretches: int
    ) -> list[Explanation]:
        features = self.fitted.features(filled)
        chances = self.fitted.design.combination.probabilities(features)
        contrast = Contrast.of(chances)
        own, other = self._near(filled, features, contrast)
        asked = Asked(
            fitted=self.fitted,
            cases=filled,
            grids=[Grid.even(filled, i, stretches) for i in range(len(filled))],
            fills=self._fills(filled, other),
            contrast=contrast,
        )
        found = self._shares(asked)
        near = [(*a[: self.nearest], *b[: self.nearest]) for a, b in zip(own, other, strict=True)]
        return [
            Explanation(
                number=int(numbers[i]),
                id=None if cases.ids is None else cases.ids[i],
                values=cases[i],
                predicted=self.fitted.classes[contrast.predicted[i]],
                runner_up=self.fitted.classes[contrast.runner_up[i]],
                probability=float(chances[i, contrast.predicted[i]]),
                runner_up_probability=float(chances[i, contrast.runner_up[i]]),
                score=float(contrast.scores(chances)[i]),
                base=float(found.base[i]),
                grid=found.grids[i],
                cells=found.cells[i],
                by_feature=found.by_feature[i],
                feature_names=found.feature_names[i],
                method=self.method,
                reference=found.reference[i],
                features_by=found.features_by,
                nearest=near[i],
            )
            for i in range(len(cases))
        ]

    def _shares(self, asked: Asked) -> Shares:
        if self.method == "exact":
            return exactly(asked)
        if self.method == "ablation":
            return one_by_one(asked)
        return shapley(asked, self.orders)

    def _near(self, cases: Cases, features: Tensor, contrast: Contrast) -> tuple[Near, Near]:
        """Train cases of the predicted class and of the runner-up, for each case."""
        least = 1 if self.reference == "other" else 0
        count = max(self.nearest, least)
        if self.train is None or not count:
            nothing: Near = [[] for _ in range(len(cases))]
            return nothing, nothing
        return (
            self.train.nearest(cases, features, contrast.predicted, count),
            self.train.nearest(cases, features, contrast.runner_up, count),
        )

    def _fills(self, cases: Cases, other: Near) -> list[Fill]:
        """What takes the place of missing stretches, for each case."""
        mean = self.fitted.design.preprocessing.train_mean()
        if self.reference == "interpolate":
            return [interpolated(mean)] * len(cases)
        if self.reference == "mean":
            return [self._mean_fill(mean, len(one)) for one in cases]
        return [
            fixed(near[0].values, REFERENCES["other"])
            if near
            else fixed(mean[None], "train's mean of each feature, for train has no such case")
            for near in other
        ]

    def _mean_fill(self, mean: npt.NDArray[np.float64], timesteps: int) -> Fill:
        series = None if self.train is None else self.train.mean_series(timesteps)
        if series is not None:
            return fixed(series, "train's mean at each timestep")
        return fixed(mean[None], "train's mean of each feature")


def _one_of(name: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise ConfigError(Setting(name, value), f" is unknown; {near_names(value, known)}")
    return value


def _known(fitted: Fitted, cases: Cases, labels: npt.NDArray[np.generic]) -> Train:
    """Train, with its labels as the model numbers them."""
    spelt = [str(one) for one in labels.tolist()]
    if len(spelt) != len(cases):
        raise InputError(f"train: {counted(len(spelt), 'label')} for {counted(len(cases), 'case')}")
    numbers = {str(one): number for number, one in enumerate(fitted.classes.tolist())}
    for one in spelt:
        if one not in numbers:
            raise InputError(f"train: the model knows no class {one!r}; {near_names(one, numbers)}")
    aligned = fitted.expected.aligned(cases, "train")
    return Train(fitted, aligned, np.array([numbers[one] for one in spelt], dtype=np.intp))


@contextmanager
def _told_already() -> Iterator[None]:
    """What is made of cases that the user has been told of is nothing to tell of again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        yield
