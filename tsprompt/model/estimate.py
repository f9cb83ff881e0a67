"""What a fit will read, hold and take on this machine, said before it.

Cases, tokens and memory are counted. Time is that of a trial: a tokenizer and one reading of a few
train cases, in the layout that the fit will have, and the head's algebra on random numbers, each
multiplied by how often it comes. No label is read, no prompt is sought, and nothing is kept.

What goes on for as long as it helps (training, searching) has no time that could be known; what
an estimate leaves out, it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from tsprompt.base.seeds import generator
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.heads.dual import Asked, Solved
from tsprompt.heads.ridge import CHOICE_CASES, EXACT_CASES, Ridge
from tsprompt.model.design import Design, make_reader
from tsprompt.model.memory import available, check_fit, file_bytes, need_of
from tsprompt.model.open_backbone import open_backbone
from tsprompt.reading.reader import READOUT_CASES, Reader
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tokenizers.base import FIT_CASES
from tsprompt.tuners import Problem

__all__ = ["Asks", "Estimate", "estimate"]

_TRIAL_CASES = 24
"""Train cases of the trial; twice as many, and so on, while it takes less than..."""
_TRIAL_SECONDS = 0.2
_MOST_TRIAL_CASES = 192
_TRIAL_VALUES = 200_000
"""Numbers that they may have together; four cases are always taken."""
_ALGEBRA = 384
"""Rows of the head's problem on random numbers."""
_COLUMNS = 2_048

Clock = Callable[[], float]


@dataclass(frozen=True)
class Asks:
    """What a fit and the prediction of test would be asked for."""

    train: Cases
    """Cases that are read: train, or what is unlabelled where it is empty."""
    n_test: int
    n_classes: int
    seed: int = 0
    more: int = 0
    """Further cases that are read, but not learned from by label."""


@dataclass(frozen=True)
class Estimate:
    """What one fit and its prediction of test will take."""

    cases: int
    """Train cases that are read, under each prompt."""
    test_cases: int
    prompts: int
    """How many prompts they are read under."""
    tokens: int | None
    """Tokens that the language model reads, of train and test; None: unknown."""
    memory_bytes: int
    """What the fit needs on top of the language model and the series."""
    scratch_bytes: int
    """What files take, where features do not stay in memory."""
    free_bytes: int
    fit_seconds: float | None
    """None: not even a part of it is known."""
    predict_seconds: float | None
    unknown: tuple[str, ...]
    """What `fit_seconds` leaves out, since nobody knows it before: they are the least then."""
    refused: str | None
    """Why the fit would be refused for lack of memory."""

    @property
    def seconds(self) -> float | None:
        """Fit and prediction."""
        if self.fit_seconds is None or self.predict_seconds is None:
            return None
        return self.fit_seconds + self.predict_seconds


def estimate(
    settings: dict[str, Any],
    asks: Asks,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_tokens: int | None = None,
    clock: Clock = time.perf_counter,
) -> Estimate:
    """Say what a fit with these settings will take.

    Parameters
    ----------
    settings
        All choices, as `tsprompt.recipes.resolve` gives them.
    clock
        Gives seconds; another one, such as `time.process_time`, is for benchmarks.

    Raises
    ------
    ConfigError
        The choices are unknown or contradict each other.
    BackboneError
        The language model can't be had.
    """
    parts = Design.build(settings)
    parts.settle(asks.train)
    layers = parts.choose_layers()
    started = clock()
    backbone = open_backbone(parts, asks.seed, device=device, dtype=dtype)
    import scipy.optimize  # noqa: F401  (the fit will import it too)

    opened = clock() - started
    reader = make_reader(parts, backbone, batch_tokens)
    longest = parts.preprocessing.length or int(asks.train.lengths.max())
    shape = len(asks.train) + asks.more, longest, asks.train.n_features
    need, refused = need_of(parts, reader, layers, shape, asks.n_classes, fits=True), None
    try:
        need = check_fit(parts, reader, layers, shape, asks.n_classes)
    except ConfigError as error:
        refused = str(error)
    tokens = fit_seconds = predict_seconds = None
    if not _bars_trial(parts):
        bench, readings = _Bench(parts, reader, layers, asks, clock), need.readings
        trial = bench.trial()
        of_head = bench.ridge_seconds(trial, shape[0], readings)
        fit_seconds = opened + trial.fit_seconds(shape[0], parts.n_prompts, readings) + of_head
        predict_seconds = readings * asks.n_test * trial.read
        tokens = round(readings * (shape[0] + asks.n_test) * trial.tokens)
    return Estimate(
        cases=shape[0],
        test_cases=asks.n_test,
        prompts=need.readings,
        tokens=tokens,
        memory_bytes=need.bytes,
        scratch_bytes=file_bytes(need),
        free_bytes=available(),
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        unknown=(*_bars_trial(parts), *_goes_on(parts, shape[0])),
        refused=refused,
    )


def _bars_trial(parts: Design) -> tuple[str, ...]:
    """What must be fitted before even a few cases could be read."""
    found = []
    if type(parts.strategy).fit_transform is not Strategy.fit_transform:
        found.append(f"the strategy {parts.strategy.name!r} is trained first")
    if parts.context.name != "none":
        found.append(f"the context {parts.context.name!r} stands beside each case")
    return tuple(found)


def _goes_on(parts: Design, count: int) -> tuple[str, ...]:
    """What takes as long as it helps, or is not timed."""
    found = []
    if parts.train.tunes_model:
        found.append(f"train {parts.train.name!r} trains the language model")
    if parts.tuner.name != "none":
        found.append(f"the tuner {parts.tuner.name!r} seeks prompts for as long as it helps")
    if parts.prompt_from is not None:
        found.append("a prompt to start from is chosen by what the model says of train")
    if parts.combination.name != "concatenate":
        found.append(f"the combination {parts.combination.name!r} fits heads of its own")
    elif not isinstance(parts.head, Ridge):
        found.append(f"the head {parts.head.name!r} is fitted for as long as it helps")
    elif count > EXACT_CASES:
        found.append(
            f"the head 'ridge' goes over more than {EXACT_CASES:,} cases as often as it needs"
        )
    return tuple(found)


@dataclass(frozen=True)
class _Trial:
    """Seconds of the trial, each as often as it comes in a fit."""

    prepare: float
    """Preprocessing a case."""
    tokenizer: float
    """Fitting a tokenizer on as many cases as it learns from."""
    read: float
    """Reading a case under one prompt."""
    readout: float
    """Fitting a readout."""
    tokens: float
    """Tokens of a case under one prompt."""
    width: int
    """R of one reading."""
    optional: bool
    """Whether some of the R features are optional."""
    side_by_side: int
    """Tokenizers that are fitted at once."""

    def fit_seconds(self, count: int, draws: int, readings: int) -> float:
        """All of a fit on so many cases but opening the model and fitting the head."""
        drawn = self.tokenizer * draws / min(draws, self.side_by_side)
        return count * self.prepare + drawn + readings * (count * self.read + self.readout)


@dataclass(frozen=True)
class _Round:
    """What one round over a few cases took, in seconds, and what it made."""

    prepare: float
    tokenizer: float
    learn: float
    """Reading with a readout that learns."""
    read: float
    tokens: int
    width: int
    optional: bool

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.prepare + self.tokenizer + self.learn + self.read


@dataclass(frozen=True)
class _Bench:
    """What trials are made with."""

    parts: Design
    reader: Reader
    layers: tuple[int, ...]
    asks: Asks
    clock: Clock

    def trial(self) -> _Trial:
        """One of growing numbers of cases, after a first round that is not timed."""
        self.round(self._sample(2))
        count = _TRIAL_CASES
        while True:
            sample = self._sample(count)
            made = self.round(sample)
            count *= 2
            if made.seconds > _TRIAL_SECONDS or len(self._sample(count)) == len(sample):
                break
        few, cases = len(sample), len(self.asks.train)
        return _Trial(
            prepare=made.prepare / few,
            tokenizer=made.tokenizer * min(cases, FIT_CASES) / min(few, FIT_CASES),
            read=made.read / few,
            readout=max(0.0, made.learn - made.read) * min(cases, READOUT_CASES) / few,
            tokens=made.tokens / few,
            width=made.width,
            optional=made.optional,
            side_by_side=self.reader.batch.cores,
        )

    def _sample(self, count: int) -> Cases:
        """So many train cases or fewer, drawn at random, and the longest among them."""
        train = self.asks.train
        most = max(4, _TRIAL_VALUES // max(1, int(train.lengths.max()) * train.n_features))
        order = generator(self.asks.seed, "estimate").permutation(len(train))
        longest = int(np.argmax(train.lengths))
        order = np.concatenate([[longest], order[order != longest]])
        return train.take(order[: min(most, count, _MOST_TRIAL_CASES)])

    def round(self, cases: Cases) -> _Round:
        """Preprocess, fit a tokenizer, read with a readout that learns, read again."""
        parts, reader = self.parts, self.reader
        marks = [self.clock()]
        cases = parts.preprocessing.fit(cases).transform(cases)
        marks.append(self.clock())
        problem = self._problem(cases, tokenizers.build(parts.tokenizer))
        prompt = problem.draw(0)
        marks.append(self.clock())
        found = problem.read(prompt, "estimating")
        marks.append(self.clock())
        before = reader.tokens_run
        reader.features(found.reading, cases, "estimating")
        marks.append(self.clock())
        reader.forget()
        width = int(found.features.shape[1])
        optional = bool(found.reading.readout.optional(width).any())
        prepare, tokenizer, learn, read = (later - earlier for earlier, later in pairwise(marks))
        tokens = reader.tokens_run - before
        return _Round(prepare, tokenizer, learn, read, tokens, width, optional)

    def _problem(self, cases: Cases, tokenizer: Tokenizer) -> Problem:
        """As a tuner would be given it, with a tokenizer that is fitted here."""
        parts, reader, seed = self.parts, self.reader, self.asks.seed
        room = reader.room(tokenizer.width(cases.n_features), parts.context)
        rng = generator(seed, "tokenizer", 0)
        tokenizer.fit(cases, reader.backbone, max_steps=room, rng=rng, member=0)
        return Problem(
            member=0,
            cases=cases,
            labels=np.zeros(len(cases), dtype=np.intp),
            n_classes=self.asks.n_classes,
            reader=reader,
            tokenizer=tokenizer,
            prompt=parts.prompt,
            readout=parts.readout,
            head=parts.head,
            slots=parts.strategy.slots(reader.length, tokenizer.max_steps_),
            layers=self.layers,
            seed=seed,
        )

    def ridge_seconds(self, trial: _Trial, count: int, readings: int) -> float:
        """The ridge's inner products and solutions, from those of random numbers; 0 for others."""
        head, clock = self.parts.head, self.clock
        if not isinstance(head, Ridge):
            return 0.0
        rows = min(count, _ALGEBRA)
        rng = torch.Generator().manual_seed(0)
        part = torch.randn(rows, min(trial.width, _COLUMNS), generator=rng)
        targets = torch.randn(rows, self.asks.n_classes, generator=rng, dtype=torch.float64)
        asked, penalties = Asked(targets, None, None), [10.0**k for k in range(head.steps)]
        for _ in range(2):  # the first is not timed
            started = clock()
            gram = (((part - part.mean(dim=0)) / part.std(dim=0)) @ part.T).to(torch.float64)
            multiplied = clock()
            Solved(gram + gram.T, asked, penalties)
            solved = clock()
        exact = min(count, EXACT_CASES)
        columns = readings * trial.width / part.shape[1]
        products = (multiplied - started) * columns * (exact / rows) ** 2
        weighed = len(head.weights) if trial.optional else 0
        solutions = [exact] + [min(count, CHOICE_CASES)] * weighed
        return products + (solved - multiplied) * sum((one / rows) ** 3 for one in solutions)
