"""A fit whose cases are read by many workers: sums over cases come back, and no features.

The driver learns what needs few cases or only their values: scales, tokenizers, readouts. A model
of that goes to the workers; each gets some cases, or is told where they lie (see `located`), reads
them, and adds up what the ridge needs (see `adding`). Sums of two workers are added on one of them,
and so on, until one is left.

| letter | counts |
|---|---|
| B | cases of train |
| n | cases that choose the penalty and the temperature |
| R | features of a case |
| C | classes |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.base.backends import Backend, Reduction
from tsprompt.combinations import Evidence, Task
from tsprompt.combinations.concatenate import Concatenate
from tsprompt.data import Cases, IntArray
from tsprompt.errors import ConfigError, Setting
from tsprompt.heads import Lesson
from tsprompt.heads.ridge import Ridge, targets
from tsprompt.model.adding import SentModel, Share, add_up, merged, read_train
from tsprompt.model.design import Design
from tsprompt.model.fitted import Fitted
from tsprompt.model.located import Located, TrainFiles, located
from tsprompt.model.memory import available
from tsprompt.model.training_data import TrainingData

__all__ = ["Spread", "check_spread", "fit_by_sums"]

_LEAST = 4_096
"""Cases of a task at least, unless it is said otherwise; and as many as two times R, so that sums
take no more than the features would that they stand for."""
_TABLES = 4
"""Tables (R, R) of float64 that adding two sums, and solving, take at once."""
_TRIED = 64
"""Cases by which a model is fitted that workers read with; its head is not used."""


@dataclass(frozen=True)
class Spread:
    """Who reads the cases of a fit."""

    backend: Backend
    block_cases: int | None = None
    """Cases of a task; None: as many as there are features, two times, or 4,096."""
    threads: int | None = None
    """Threads of each worker; None: as many as it has cores."""
    device: str = "auto"
    """Where workers run the language model."""
    files: TrainFiles | None = None
    """Where the cases lie, for workers that read them; None: they are sent."""


def check_spread(parts: Design, data: TrainingData) -> None:
    """See that a fit can be made from sums over cases.

    Raises
    ------
    ConfigError
        A part must see all features at once, or read all cases itself.
    """
    for kind, part, remedy in (
        ("head", parts.head, "ridge"),
        ("combination", parts.combination, "concatenate"),
    ):
        if not part.takes_sums:
            raise _refused(
                f"the {kind} {part.name!r} needs the features of all cases", kind, remedy
            )
    for kind, name in (("tuner", parts.tuner.name), ("context", parts.context.name)):
        if name != "none":
            raise _refused(f"the {kind} {name!r} reads cases again and again", kind, "none")
    if parts.scope != "series":
        raise _refused("cases whose steps are read alone can't be shared out", "scope", "series")
    if data.zero_shot or data.development or data.unlabelled is not None:
        raise ConfigError(
            "a fit on workers learns from labelled cases of train alone: leave out a development "
            "sample, unlabelled cases and ",
            Setting("shots"),
        )


def _refused(why: str, setting: str, value: str) -> ConfigError:
    return ConfigError(f"{why}, and workers send sums; use ", Setting(setting, value))


def fit_by_sums(
    data: TrainingData, fitted: Fitted, spread: Spread, seed: int, choices: dict[str, Any]
) -> Evidence:
    """Fit the combination's head on what workers add up; give what the driver sees of train: the n
    cases that chose the penalty, with their features.

    Parameters
    ----------
    data
        Cases as they were given, without preprocessing.
    fitted
        All but its head is fitted.
    seed
        Of the head.
    choices
        As `saving.save` has them.

    Raises
    ------
    ConfigError
        The sums don't fit into memory.
    WorkerLostError
        A task took worker after worker down with it.
    """
    tried = np.random.default_rng(seed).permutation(len(data.cases))[:_TRIED]
    features = read_train(fitted, data.cases.take(tried))
    width = features.shape[1]
    _check_room(width)
    few = _evidence(data, fitted, tried, features)
    combination, head = fitted.design.combination, fitted.design.head.fresh()
    assert isinstance(combination, Concatenate)
    assert isinstance(head, Ridge)
    combination.fit(few, head, seed)
    whole = few.lesson(seed)
    lesson = dataclasses.replace(
        whole,
        features=features[:1].expand(len(data.cases), width),  # only its shape is looked at
        labels=data.labels,
        weights=data.weights,
    )
    some = head.deciding(lesson).numpy()
    size = spread.block_cases or max(_LEAST, 2 * width)
    parts: Sequence[tuple[slice, Cases | Located]] = _sent(data.cases, size)
    if spread.files is not None:
        parts = located(spread.files, data.cases, size)
    tasks = [(share,) for share in _shares(lesson, parts, some)]

    def told(done: int) -> None:
        progress.report("cases read by workers", done, len(tasks))

    shared = SentModel.of(fitted, choices, spread.device, spread.threads)
    found = spread.backend.reduce(Reduction(add_up, tasks, merged, shared, told))
    sample = torch.from_numpy(found.features[np.argsort(found.deciding)])
    head.fit_sums(lesson, found.sums(), sample)
    combination.keep(head)
    fitted.reader.tokens_run += found.tokens
    fitted.reader.seconds += found.seconds
    return _evidence(data, fitted, some, sample)


def _evidence(data: TrainingData, fitted: Fitted, rows: IntArray, features: Tensor) -> Evidence:
    """What is known of some cases of train."""
    width = features.shape[1] // len(fitted.readings)
    return Evidence(
        features=features,
        members=[one.member for one in fitted.readings],
        tasks=[Task.whole(len(data.classes))] * len(fitted.readings),
        labels=data.labels[rows],
        n_classes=len(data.classes),
        optional=torch.cat([one.readout.optional(width) for one in fitted.readings]),
        weights=None if data.weights is None else data.weights[rows],
    )


def _check_room(width: int) -> None:
    """See that tables of R x R numbers can be held."""
    need, there = _TABLES * 8 * width**2, available()
    if need > there:
        raise ConfigError(
            f"sums over cases of {width:,} features need {need / 2**30:.1f} GiB of memory, here "
            f"and on each worker, and {there / 2**30:.1f} GiB are free; use fewer prompts or layers"
        )


def _sent(cases: Cases, size: int) -> list[tuple[slice, Cases | Located]]:
    """All cases, so many at a time."""
    parts = (slice(at, min(at + size, len(cases))) for at in range(0, len(cases), size))
    return [(part, cases[part]) for part in parts]


def _shares(
    lesson: Lesson, parts: Sequence[tuple[slice, Cases | Located]], some: IntArray
) -> Iterator[Share]:
    """What each task is told of its cases; `some` (n,) choose the penalty."""
    aims, counted = targets(lesson).numpy(), lesson.train_weights
    for part, cases in parts:
        weights = None if counted is None else counted[part]
        own = some[(some >= part.start) & (some < part.stop)]
        yield Share(cases, aims[part], weights, own - part.start, own)
