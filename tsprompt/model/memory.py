"""Memory is asked about first: what a fit or a prediction needs, and what there is.

The need is what comes on top of the language model and of the series as they were handed in. It is
made of what grows with the number of cases; `benchmarks/memory.py` compares it with what processes
really took.

| letter | counts |
|---|---|
| B | cases |
| S | steps of a case |
| W | tokens of a step |
| R | features that one reading makes of a case |
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from tsprompt.base.numbers import bytes_of
from tsprompt.base.scratch import BLOCK_BYTES, Scratch
from tsprompt.errors import ConfigError, Piece, Setting, counted, notice
from tsprompt.heads.ridge import SUMMED_FEATURES
from tsprompt.heads.verbalizer import ScoringHead
from tsprompt.model.design import Design
from tsprompt.reading.distinct import HELD_BYTES
from tsprompt.reading.reader import KEPT_BYTES, Reader
from tsprompt.readouts import readouts

__all__ = [
    "STORED_BYTES",
    "Need",
    "Shape",
    "available",
    "check_fit",
    "check_predict",
    "file_bytes",
    "need_of",
    "place_fit",
]

Shape = tuple[int, int, int]
"""B, the longest T, and F."""

_FLOAT = 4
_WORK = 224 << 20
"""What a pass takes however few cases there are: pieces of series and tokens, a batch in each
layer, and the allocator's reserve."""
_SOLVED_CASES = 4_000
"""Cases whose inner products the ridge head holds at the most."""
_SOLVED_TABLES = 6
"""Tables (n, n) of float64 that solving takes at once."""
_COLUMNS = 2_048
"""Features that a head standardises at once."""
_LEAST = 1 << 29
"""Where less than this is needed, nothing is asked: 512 MiB."""
STORED_BYTES = 1 << 30
"""Features of train that take more than this, 1 GiB, are not held in memory: they go to a scratch
folder, and are read from there in blocks. So are those that memory has no room for."""
_CHUNK = 3 << 28
"""What a pass takes that lays features into files: tokens of some cases, and their features."""
_CASE = 640
"""What is noted of each case besides: what tells its rows apart, its label and its targets."""
_PRODUCTS = 3
"""Tables (R, R) of float64 that solving by sums takes at once."""


@dataclass(frozen=True)
class Need:
    """What one fit or prediction is made of, as far as memory goes."""

    cases: int
    """B."""
    values: int
    """Numbers of the longest series, T * F."""
    token_bytes: int
    """All tokens of a case under one prompt."""
    width: int
    """R."""
    readings: int
    """How many of them there are."""
    ridge: bool
    """Whether the head solves for inner products of cases."""
    fits: bool
    """Whether tokens of all cases are held at once, and a head is fitted."""
    step_bytes: int = 0
    """What is kept of each case's steps, where the model reads them alone."""
    said: int = 0
    """Numbers of a case that a head for words makes of the features, and learns from."""
    stored: bool = False
    """Whether the features of train lie in files."""
    rounded: bool = False
    """Whether they lie there as bfloat16."""

    @property
    def bytes(self) -> int:
        """The peak, in bytes."""
        if self.stored:
            return self._stored_bytes
        one = self.cases * self.width * _FLOAT
        prepared = 2 * self.cases * self.values * _FLOAT
        joined = one * self.readings
        # A reading's features: row by row, joined, in the order of cases.
        reading = 3 * one + self.cases * self.step_bytes
        if self.fits:
            tokens = self.cases * self.token_bytes
            # Those of the prompt before are let go when those of this one are complete.
            reading += tokens + (min(tokens, KEPT_BYTES) if self.readings > 1 else 0)
        else:
            reading += min(self.cases * self.token_bytes, HELD_BYTES)
        return prepared + joined + max(reading, self._head) + _WORK

    @property
    def feature_bytes(self) -> int:
        """All features."""
        return self.cases * self.width * self.readings * _FLOAT

    @property
    def file_bytes(self) -> int:
        """What files take: the features, those of one reading apart, and what a head makes of them:
        of all cases, and of those that it learns from while others judge it."""
        apart = self.feature_bytes // self.readings if self.readings > 1 else 0
        features = (self.feature_bytes + apart) // (2 if self.rounded else 1)
        return features + 2 * self.cases * self.said * _FLOAT

    @property
    def _stored_bytes(self) -> int:
        prepared = 2 * self.cases * self.values * _FLOAT
        columns = self.readings * self.width
        head = 4 * BLOCK_BYTES
        if self.ridge:
            deciding = min(self.cases, _SOLVED_CASES)
            head += 2 * deciding * columns * _FLOAT + _SOLVED_TABLES * deciding**2 * 8
            if columns <= SUMMED_FEATURES:
                head = max(head, _PRODUCTS * columns**2 * 8 + 8 * BLOCK_BYTES)
        return prepared + self.cases * _CASE + max(head, _CHUNK) + _WORK

    @property
    def _head(self) -> int:
        if not self.fits:
            return 0
        columns = self.readings * self.width
        if not self.ridge:
            # Standardised, and divided into what it learns from and what it validates on.
            return 3 * self.cases * columns * _FLOAT
        solved = min(self.cases, _SOLVED_CASES)
        part = 2 * self.cases * min(columns, _COLUMNS) * _FLOAT
        return _SOLVED_TABLES * solved**2 * 8 + part


def check_fit(
    design: Design, reader: Reader, layers: tuple[int, ...], shape: Shape, classes: int
) -> Need:
    """What a fit on cases of this shape and of C classes needs, its features in a file where that
    must be.

    Raises
    ------
    ConfigError
        Memory has no room for it; the text says what it needs, what there is, and what would fit.
    """
    need = need_of(design, reader, layers, shape, classes, fits=True)
    much = need.feature_bytes > STORED_BYTES
    large = much or (need.bytes >= _LEAST and need.bytes > available())
    held, stays = (_holds(design) if large else None), ""
    if held:
        stays = f"; {held} can't learn from features that lie in a file"
    elif large:
        stored = dataclasses.replace(need, stored=True)
        need = stored if much or stored.bytes < need.bytes else need
    _refuse(need, "this fit", _smaller_fits(need, shape), stays)
    return need


def place_fit(
    need: Need, folder: str | Path | None = None, dtype: str | None = None
) -> tuple[Scratch | None, dict[str, float]]:
    """Where the features of a fit lie, None: in memory; and what is to be told of it. `folder` and
    `dtype` are those of `Scratch`.

    Raises
    ------
    ConfigError
        The scratch folder can't be written to.
    TspromptError
        It has no room for the features.
    """
    if not need.stored:
        return None, {}
    scratch = Scratch(folder, dtype)
    rounded = scratch.dtype == torch.bfloat16
    scratch.check_room(dataclasses.replace(need, rounded=rounded).file_bytes)
    much = need.feature_bytes > STORED_BYTES
    reason = f"more than {bytes_of(STORED_BYTES)}" if much else "for which memory has no room"
    notice(
        f"the features of {need.cases:,} cases take {bytes_of(need.feature_bytes)}, {reason}: they "
        f"go to a scratch file in {scratch.folder}{', as bfloat16' if rounded else ''}, which is "
        "gone when the fit ends"
    )
    share = 0.5 if rounded else 1.0
    return scratch, {"features in a scratch file, GiB": share * need.feature_bytes / 2**30}


def file_bytes(need: Need) -> int:
    """What the files of a fit take, as the environment has them written.

    Raises
    ------
    ConfigError
        The scratch folder can't be written to.
    """
    if not need.stored:
        return 0
    rounded = Scratch().dtype == torch.bfloat16
    return dataclasses.replace(need, rounded=rounded).file_bytes


def _holds(design: Design) -> str | None:
    """What of a design can't learn from features that lie in a file; None: all of it can."""
    if design.scope == "step":
        return "a model that reads each step alone"
    parts = (("head", design.head), ("combination", design.combination), ("tuner", design.tuner))
    return next((f"the {kind} {one.name!r}" for kind, one in parts if not one.streams), None)


def check_predict(
    design: Design, reader: Reader, layers: tuple[int, ...], shape: Shape, classes: int
) -> bool:
    """See that a prediction of cases of this shape can be held; gives whether it always can, as it
    takes little.

    Raises
    ------
    ConfigError
        It can't; the text says what it needs, what there is, and how many cases would fit.
    """
    need = need_of(design, reader, layers, shape, classes, fits=False)
    _refuse(need, "this prediction", iter(()))
    return need.bytes < _LEAST


def need_of(
    design: Design,
    reader: Reader,
    layers: tuple[int, ...],
    shape: Shape,
    classes: int,
    *,
    fits: bool,
) -> Need:
    """What reading cases of this shape and of C classes takes."""
    count, timesteps, features = shape
    backbone, tokenizer = reader.backbone, design.tokenizer
    width = tokenizer.width(features)
    steps = _steps(design, reader, timesteps, width)
    cost = 8 if tokenizer.discrete else _FLOAT * backbone.hidden_size
    alone = reader.scope == "step"
    state = backbone.state_size
    speaks = isinstance(design.head, ScoringHead)
    return Need(
        cases=count,
        values=timesteps * features,
        # On an accelerator tokens stay there.
        token_bytes=steps * width * cost if backbone.device.type == "cpu" else 0,
        width=design.context.most_rows(classes)
        * _width(
            design,
            len(layers),
            steps if alone else steps * width,
            state,
            backbone.family.spoken.read,
        ),
        readings=design.n_prompts * design.tuner.n_found,
        ridge=design.head.name == "ridge",
        fits=fits,
        said=backbone.family.spoken.read * state if speaks else 0,
        step_bytes=steps * len(layers) * state * _FLOAT if alone else 0,
    )


def _steps(design: Design, reader: Reader, timesteps: int, width: int) -> int:
    """S, as the tokenizer will cut a series."""
    room = design.strategy.max_steps(reader.backbone.positions, reader.length, width)
    limits = [design.tokenizer.steps, room if reader.scope == "series" else None, timesteps]
    limit = max(1, min(one for one in limits if one is not None))
    return math.ceil(timesteps / math.ceil(timesteps / limit))


def _width(design: Design, layers: int, tokens: int, state: int, said: int) -> int:
    """R, by what the readout makes of nothing; `said`: states of an answer."""
    if design.readout.reads_words or design.readout.needs_texts:
        return layers * state
    spec = design.readout.spec(full=True)
    return _pooled_width(spec, design.scope, layers, (tokens, said), state)


@lru_cache(maxsize=64)
def _pooled_width(spec: str, scope: str, layers: int, counts: tuple[int, int], state: int) -> int:
    """The same of the readout that a text builds: asked for with each prediction."""
    readout = readouts.build(spec)
    tokens, said = counts
    data = torch.zeros(2, layers, tokens, state)
    mask = data if scope == "step" else torch.zeros(2, layers, said, state)
    readout.fit(data.transpose(1, 2).flatten(0, 1))
    return int(readout.pool(data, mask).shape[1])


def _smaller_fits(need: Need, shape: Shape) -> Iterator[tuple[Need, tuple[Piece, ...]]]:
    """Other choices, the most alike first, and how they are spelled."""
    for prompts in range(need.readings - 1, 0, -1):
        smaller = dataclasses.replace(need, readings=prompts)
        yield smaller, (Setting("n_prompts", prompts),)
    mask = dataclasses.replace(need, width=max(1, need.width // 12), readings=1)
    yield mask, (Setting("n_prompts", 1), " with ", Setting("readout", "mask"))


def _refuse(
    need: Need, what: str, smaller: Iterator[tuple[Need, tuple[Piece, ...]]], more: str = ""
) -> None:
    if need.bytes < _LEAST:
        return
    there = available()
    if need.bytes <= there:
        return
    text: list[Piece] = [
        f"{what} needs about {bytes_of(need.bytes)} of memory, and {bytes_of(there)} are free: "
        f"{counted(need.cases, 'case')} with {counted(need.readings * need.width, 'feature')} each"
        f"{', which go to a file' if need.stored else ''}{more}"
    ]
    fitting = next(((one, how) for one, how in smaller if one.bytes <= there), None)
    if fitting:
        text += ["; it would fit with ", *fitting[1], f" (about {bytes_of(fitting[0].bytes)})"]
    count = _most_cases(need, there)
    if count and need.fits:
        text.append(f"; of the cases, about {count:,} would fit")
    elif count:
        text.append(f"; predict about {counted(count, 'case')} at a time")
    elif not fitting:
        text.append("; free some memory")
    raise ConfigError(*text)


def _most_cases(need: Need, there: int) -> int:
    """How many cases would fit, in round numbers."""
    low, high = 0, need.cases
    while high - low > 1:
        middle = (low + high) // 2
        fits = dataclasses.replace(need, cases=middle).bytes <= there
        low, high = (middle, high) if fits else (low, middle)
    digits = 10 ** max(0, len(str(low)) - 2)
    return low // digits * digits


def available(root: Path = Path("/")) -> int:
    """Bytes that may still be taken: of the machine, and of the control groups of this process."""
    import psutil  # type: ignore[import-untyped]

    return min([int(psutil.virtual_memory().available), *_control_groups(root)])


def _control_groups(root: Path) -> Iterator[int]:
    """What is left in each control group of memory above this process, of version 1 or 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = (*line.split(":", 2), "", "")[:3]
        if "memory" in controllers.split(","):
            base, files = root / "sys/fs/cgroup/memory", ("limit_in_bytes", "usage_in_bytes")
        elif not controllers:
            base, files = root / "sys/fs/cgroup", ("max", "current")
        else:
            continue
        folder = base / own.lstrip("/")
        # In a container the groups above are not to be seen, and its own is the mounted one.
        for place in [folder, *folder.parents]:
            left = _left(place, *files)
            if left is not None:
                yield left
            if place == base:
                break


def _left(folder: Path, limit: str, usage: str) -> int | None:
    try:
        most = (folder / f"memory.{limit}").read_text(encoding="ascii").strip()
        used = int((folder / f"memory.{usage}").read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if most == "max":
        return None
    # Files that were read and can be dropped count as used, and are not.
    figures = dict(zip(stat[::2], stat[1::2], strict=False))
    dropped = int(figures.get("total_inactive_file", figures.get("inactive_file", 0)))
    return max(0, int(most) - used + dropped)
