"""What series must look like to be those that a model was fitted on, and what looks implausible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsprompt.data.cases import Cases, IntArray, order_of
from tsprompt.errors import Advice, InputError, Piece, Setting, counted, notice

__all__ = ["Expected", "tell_of_train"]

_SHOWN = 3
"""Cases that a notice names."""
_FAR = 2
"""How many times longer than the longest of train, or shorter than the shortest, is far."""


@dataclass(frozen=True)
class Expected:
    """What a fit remembers of the form of its train."""

    n_features: int
    """F."""
    shortest: int | None = None
    """T of the shortest case; None where it was not kept."""
    longest: int | None = None
    """T of the longest."""
    features: tuple[str, ...] | None = None
    """(F,) names of the features; None where they had none."""
    times: tuple[str, ...] | None = None
    """(T,) names of the timesteps, where train was a table with a column for each."""

    @classmethod
    def of(cls, train: Cases) -> Expected:
        """What these cases look like."""
        lengths = train.lengths
        return cls(
            train.n_features,
            int(lengths.min()),
            int(lengths.max()),
            train.features,
            train.times,
        )

    def aligned(
        self, cases: Cases, argument: str = "X", train: str = "the model was fitted with"
    ) -> Cases:
        """The same cases, features and timesteps in the order of train as far as both have names;
        `train` is how errors begin to say what train has.

        Raises
        ------
        InputError
            A feature or timestep is missing or unknown, or the number of features is another.
        """
        if self.features and cases.features and not _counted(self.features, cases.features):
            cases = cases.select(self.features, argument)
        if cases.n_features != self.n_features:
            raise InputError(
                f"{argument} has {counted(cases.n_features, 'feature')}, {train} "
                f"{self.n_features}; ",
                *self._remedy(cases, argument),
            )
        if self.times and cases.times and not _one_begins(self.times, cases.times):
            order = order_of(cases.times, self.times, f"{argument}: column", "columns")
            cases = cases.map(lambda values: values[:, order])
        return cases

    def _remedy(self, cases: Cases, argument: str) -> tuple[Piece, ...]:
        swapped = (cases.lengths == self.n_features).all()
        if swapped and self.longest and cases.n_features <= _FAR * self.longest:
            return (
                "its axes seem to be (cases, features, timesteps); timesteps come before features",
                Advice(f": give {argument}.transpose(0, 2, 1)"),
            )
        return ("give the same features in the same order",)

    def tell(self, cases: Cases, argument: str = "X") -> None:
        """Say what is implausible about cases to be predicted."""
        _tell_of_empty(cases, argument)
        if self.shortest is None or self.longest is None:
            return
        lengths, short, long = cases.lengths, self.shortest, self.longest
        train = f"{long}" if short == long else f"{short} to {long}"
        if short == long and (np.abs(lengths - long) == 1).all() and len(set(lengths)) == 1:
            notice(
                f"{argument}: all series have {counted(lengths[0], 'timestep')} and those of "
                f"train {train}: is a label or an id read as a value, or a value as one of these?"
            )
        far = np.flatnonzero((lengths * _FAR < short) | (lengths > _FAR * long))
        if len(far):
            notice(
                f"{argument}: {len(far)} of {len(cases)} series are far shorter or longer than "
                f"those of train ({train} timesteps): {_shown(cases, far, lengths)}"
            )


def tell_of_train(cases: Cases, *, by_position: bool, axes: str = "BTF") -> None:
    """Say what is implausible about cases to learn from; `by_position`: nothing but its position
    said what an axis is."""
    longest = int(cases.lengths.max())
    if by_position and cases.n_features > longest:
        order, other = ("cases, timesteps, features", "BFT")
        if axes == "BFT":
            order, other = ("cases, features, timesteps", "BTF")
        notice(
            f"X was read as ({order}): {counted(cases.n_features, 'feature')} of "
            f"{counted(longest, 'timestep')}. If its axes stand in the other order, as channels "
            "do before timesteps in sktime and aeon, use ",
            Setting("axes", other),
        )
    _tell_of_empty(cases, "X")
    _tell_of_constant(cases)


def _tell_of_empty(cases: Cases, argument: str) -> None:
    """Say which cases have no value at all."""
    known = np.zeros(len(cases), dtype=bool)
    for index, values in cases.chunks():
        known[index] = np.isfinite(values).any(axis=(1, 2))
    empty = np.flatnonzero(~known)
    if len(empty):
        notice(
            f"{argument}: {len(empty)} of {len(cases)} cases have no value at all, and look like "
            f"train's mean: {_shown(cases, empty)}"
        )


def _tell_of_constant(cases: Cases) -> None:
    """Say which features never change."""
    low = np.full(cases.n_features, np.inf)
    high = np.full(cases.n_features, -np.inf)
    for _, values in cases.chunks():
        known = np.isfinite(values)
        low = np.minimum(low, np.where(known, values, np.inf).min(axis=(0, 1)))
        high = np.maximum(high, np.where(known, values, -np.inf).max(axis=(0, 1)))
    still = np.flatnonzero(low >= high)
    if len(still):
        names = cases.features or tuple(map(str, range(cases.n_features)))
        named = ", ".join(names[f] for f in still[:_SHOWN])
        more = f" and {len(still) - _SHOWN} more" if len(still) > _SHOWN else ""
        notice(
            f"X: feature {named}{more} has one value, or none, in all of train, and tells no two "
            "cases apart"
        )


def _shown(cases: Cases, which: IntArray, lengths: IntArray | None = None) -> str:
    """The first of these cases by number, name and length."""
    texts = []
    for i in which[:_SHOWN]:
        text = f"case {i}" + (f" ({cases.ids[i]})" if cases.ids else "")
        texts.append(text + (f" has {lengths[i]}" if lengths is not None else ""))
    more = f" and {len(which) - _SHOWN} more" if len(which) > _SHOWN else ""
    return ", ".join(texts) + more


def _counted(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether names that are not the same on both sides are only counted on one: `0`, `var_1`."""
    return set(names) != set(others) and any(_is_count(one) for one in (names, others))


def _is_count(names: tuple[str, ...]) -> bool:
    return any(
        names == tuple(f"{prefix}{i}" for i in range(len(names)))
        for prefix in ("", "var_", "dim_", "channel_", "feature_")
    )


def _one_begins(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether the longer of both begins with the shorter: series of another length."""
    shared = min(len(names), len(others))
    return names[:shared] == others[:shared]
