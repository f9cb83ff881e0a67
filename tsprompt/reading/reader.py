"""Readings: what the frozen language model says about cases under one prompt.

The only place that runs the language model. Without gradients, each distinct row of tokens is run
once, however often it occurs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones import Backbone, BatchSize, side_by_side
from tsprompt.backbones.template import Prompt, Template, evenly
from tsprompt.contexts import NO_CONTEXT, Context, NoContext
from tsprompt.data import Cases, IntArray
from tsprompt.reading.distinct import Distinct
from tsprompt.readouts import Readout
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer

__all__ = ["KEPT_BYTES", "Reader", "Reading", "Said"]

_READOUT_CASES = 128
"""Train cases, drawn at random, on which a readout learns its quantiles."""
KEPT_BYTES = 1 << 30
"""Tokens are kept for the next prompt while they take less than this."""
_CHUNK_BYTES = 1 << 27
"""Tokens made at once."""
_GATHER_CASES = 256
"""Cases whose step vectors are pooled at once."""

T = TypeVar("T")
Said = tuple[Tensor, Tensor]
"""Hidden states at the data tokens (b, N', K, D) and at the mask (b, N', M, D), N' layers."""
Chunk = tuple[IntArray, Tensor]
"""Positions of cases (b,) and their tokens (b, S, W) or (b, S, W, D)."""


@dataclass
class Reading:
    """One tokenizer draw, one prompt, and the readout fitted to what they make the model say."""

    tokenizer: Tokenizer
    prompt: Prompt
    readout: Readout
    layers: tuple[int, ...]
    """Layers that the readout reads."""
    member: int = 0
    """The member of the combination that it belongs to: it sees the cases as that one does."""
    context: Context = field(default_factory=NoContext)
    """Fitted."""


@dataclass
class Reader:
    """Lays out templates, runs the language model, and pools what it says."""

    backbone: Backbone
    strategy: Strategy
    length: int
    """Prompt tokens (for each step, if the strategy is by step)."""
    scope: str
    """`series`: the model reads all steps of a case at once; `step`: each step alone."""
    batch: BatchSize
    tokens_run: int = 0
    """Tokens that the language model has read so far."""
    seconds: float = 0.0
    """Time that reading them took."""
    _kept: tuple[Tokenizer, Cases, list[Chunk]] | None = field(default=None, repr=False)

    def room(self, width: int, context: Context = NO_CONTEXT) -> int | None:
        """The most steps of W tokens that a case may have; None if there is no bound."""
        fits = context.max_steps(self.strategy, self.backbone, self.length, width)
        return fits if self.scope == "series" or fits < 1 else None

    def features(
        self, reading: Reading, cases: Cases, stage: str = "reading", *, keep: bool = False
    ) -> Tensor:
        """(B, R) features of cases; `keep` keeps their tokens for the next reading."""
        tokens = self.keep_tokens if keep else self.tokenise
        return _Pass(self, reading, len(cases), stage).features(tokens(reading.tokenizer, cases))

    def fit_features(
        self,
        reading: Reading,
        cases: Cases,
        rng: np.random.Generator,
        stage: str = "reading",
        learn: int | None = None,
    ) -> Tensor:
        """Fit the readout on the first `learn` cases, or on all; give features (B, R) of all."""
        count = len(cases) if learn is None else learn
        sample, learned = np.zeros((2, len(cases)), dtype=bool)
        sample[rng.permutation(count)[:_READOUT_CASES]] = True
        learned[:count] = True
        return _Pass(self, reading, len(cases), stage, train=True).fit_features(
            list(self.keep_tokens(reading.tokenizer, cases)), sample, learned
        )

    def tokenise(self, tokenizer: Tokenizer, cases: Cases) -> Iterator[Chunk]:
        """Tokens of all cases; those of equal length come together."""
        cost = 8 if tokenizer.discrete else 4 * self.backbone.hidden_size
        for index, values in cases.groups():
            steps = tokenizer.steps_of(values.shape[1])
            rows = max(1, _CHUNK_BYTES // (steps * tokenizer.width(values.shape[2]) * cost))
            for start in range(0, len(index), rows):
                part = slice(start, start + rows)
                chunk = torch.from_numpy(values[part]).to(self.backbone.device)
                yield index[part], self._transform(tokenizer, chunk)

    def _transform(self, tokenizer: Tokenizer, values: Tensor) -> Tensor:
        """Tokens of values (b, T, F); on several cores, some of the cases on each."""
        pieces = values.tensor_split(min(self.batch.cores, len(values)))
        made = side_by_side(
            [partial(tokenizer.transform, piece, self.backbone) for piece in pieces],
            self.batch.cores,
        )
        return made[0] if len(made) == 1 else torch.cat(made)

    def keep_tokens(self, tokenizer: Tokenizer, cases: Cases) -> Iterator[Chunk]:
        """Like `tokenise`, but the answer is kept: another prompt needs the same tokens."""
        if self._kept and self._kept[0] is tokenizer and self._kept[1] is cases:
            yield from self._kept[2]
            return
        chunks: list[Chunk] = []
        size = 0
        for index, tokens in self.tokenise(tokenizer, cases):
            size += tokens.nbytes
            chunks = [*chunks, (index, tokens)] if size < KEPT_BYTES else []
            yield index, tokens
        self._kept = (tokenizer, cases, chunks) if size < KEPT_BYTES else None

    def forget(self) -> None:
        """Let go of the tokens that were kept for a next prompt."""
        self._kept = None

    def rows(self, tokens: Tensor) -> tuple[Tensor, IntArray]:
        """What the model reads at once: rows (r, S', W[, D]), and the step that each stands at."""
        if self.scope == "series":
            return tokens, np.zeros(len(tokens), dtype=np.intp)
        steps = np.tile(np.arange(tokens.shape[1]), len(tokens))
        return tokens.flatten(0, 1).unsqueeze(1), steps

    def slots(self, vectors: Tensor, steps: int, place: IntArray) -> Tensor:
        """What fills the prompt slots of rows with S' steps: (P', D), or (r, P', D) by place."""
        if self.scope == "step" and self.strategy.by_step and len(vectors):
            own = vectors.unflatten(0, (-1, self.length))
            return own[torch.from_numpy(place).to(own.device)]
        return vectors[: self.strategy.slots(self.length, steps)]

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """S steps of W tokens and P slots as the strategy lays them out, in the model's frame."""
        template = self.strategy.template(steps, width, slots, prompt)
        return template.framed(self.backbone.family.frame)

    def read(
        self,
        rows: Tensor,
        place: IntArray,
        prompt: Prompt,
        vectors: Tensor,
        layers: tuple[int, ...],
        *,
        context: Context = NO_CONTEXT,
        beside: IntArray | None = None,
    ) -> Said:
        """Run the model on rows: data (r, N', S' * W, D) and mask (r, N', 1, D).

        Where the model answers elsewhere than at a mask, its answer takes that place; (r, N', 0, D)
        where nobody reads it and it would take layers of its own.

        Gradients flow back to `vectors` (P, D), those of the prompt, if these ask for them.
        `beside` (r, K) is what the context has chosen for the rows.
        """
        template, query = self._lay_out(rows, place, prompt, vectors, context)
        beside = _nothing(rows) if beside is None else beside

        def write(tokens: Tensor, prompted: bool) -> tuple[Template, Tensor]:
            nowhere = np.zeros(len(tokens), dtype=np.intp)
            said = (prompt, vectors) if prompted else (Prompt(None), vectors[:0])
            return self._lay_out(tokens, nowhere, *said, context)

        answer = self.backbone.answer(template)
        parts, data, mask = [], [], []
        for part, embeddings, shift in context.join(query, beside, write, self.backbone):
            states = self.backbone.run(embeddings, layers, prompt.deep)
            parts.append(part)
            data.append(_pick_positions(states, evenly(template.data.ravel() + shift)))
            behind = answer.start >= template.length  # of all that is read
            moved = embeddings.shape[1] - template.length if behind else shift
            at = slice(answer.start + moved, answer.stop + moved)
            mask.append(_pick_positions(states, at))
        if len(parts) == 1:
            return data[0], mask[0]
        back = torch.from_numpy(np.argsort(np.concatenate(parts))).to(query.device)
        return torch.cat(data)[back], torch.cat(mask)[back]

    def _lay_out(
        self, rows: Tensor, place: IntArray, prompt: Prompt, vectors: Tensor, context: Context
    ) -> tuple[Template, Tensor]:
        """The template of rows (r, S', W[, D]), and what stands in it (r, L, D)."""
        used = self.slots(vectors, rows.shape[1], place)
        template = context.arrange(
            self.template(rows.shape[1], rows.shape[2], used.shape[-2], prompt)
        )
        marks = context.markers(template, self.backbone)
        return template, template.assemble(rows, used, self.backbone, marks)

    def introduce(self, reading: Reading) -> Context:
        """The reading's context, which has met the language model."""
        tokenise = partial(self.tokenise, reading.tokenizer)
        reading.context.meet(self.backbone, tokenise=tokenise)
        return reading.context

    def positions(
        self,
        rows: Tensor,
        slots: Tensor,
        context: Context = NO_CONTEXT,
        beside: IntArray | None = None,
    ) -> IntArray:
        """(r,) L of rows (r, S', W[, D]), of what fills their prompt slots (P', D) or (r, P', D),
        and of what the context has chosen (r, K)."""
        query = len(self.backbone.family.frame) + slots.shape[-2] + rows.shape[1] * rows.shape[2]
        beside = _nothing(rows) if beside is None else beside
        return query + context.extra(self.strategy, self.length, rows, beside)

    def count(self, positions: IntArray) -> None:
        """Add rows of L positions (r,) to the tokens run. `read` does not: it may run in
        threads."""
        if not self.backbone.passes_through:
            self.tokens_run += int(positions.sum())

    def hidden(
        self,
        tokens: Tensor,
        prompt: Prompt,
        layers: tuple[int, ...],
        context: Context = NO_CONTEXT,
        own: IntArray | None = None,
    ) -> Said:
        """What the model says about whole cases (b, S, W[, D]); for tuners that train a prompt.

        `context` has met the model; `own` (b,) are the positions of the cases in train.
        """
        rows, place = self.rows(tokens)
        vectors = prompt.fill(self.backbone)
        if self.scope == "series":
            beside = context.choose(tokens, own, self.backbone)
            slots = self.slots(vectors, rows.shape[1], place)
            self.count(self.positions(rows, slots, context, beside))
            return self.read(rows, place, prompt, vectors, layers, context=context, beside=beside)
        numbers, new = Distinct().add(rows, place if self.strategy.by_step else place * 0)
        kept = rows[torch.from_numpy(new).to(rows.device)]
        _, mask = self.read(kept, place[new], prompt, vectors, layers)
        self.count(self.positions(kept, self.slots(vectors, kept.shape[1], place[new])))
        each = mask.squeeze(2)[torch.from_numpy(numbers).to(mask.device)]
        return by_case(each.unflatten(0, tokens.shape[:2]))


def _nothing(rows: Tensor) -> IntArray:
    """(r, 0): nothing is chosen beside r rows."""
    return np.zeros((len(rows), 0), dtype=np.intp)


def _pick_positions(states: list[Tensor], where: slice | Tensor) -> Tensor:
    """(r, N', K, D), float32, of K positions of hidden states (r, L, D), one for each layer."""
    return torch.stack([state[:, where] for state in states], dim=1).to(torch.float32)


def by_case(vectors: Tensor) -> Said:
    """Mask vectors (b, S, N', D) of cases read step by step: they are data and mask at once."""
    said = vectors.transpose(1, 2)
    return said, said


def _whole(said: Said) -> Said:
    return said


class _Pass:
    """One pass over cases: only distinct rows are run, and what they say is kept by number."""

    def __init__(
        self, reader: Reader, reading: Reading, total: int, stage: str, *, train: bool = False
    ) -> None:
        self.reader, self.reading, self.total, self.stage = reader, reading, total, stage
        self.context = reader.introduce(reading)
        self.train = train
        self.done = 0.0
        self.vectors = reading.prompt.fill(reader.backbone)
        self.distinct = Distinct()
        self.numbers: list[tuple[IntArray, IntArray]] = []
        self.series = reader.scope == "series"

    def features(self, chunks: Iterator[Chunk]) -> Tensor:
        kept = [one for chunk in chunks for one in self._say(*chunk, self._keep)]
        return self._gather(kept)

    def fit_features(self, chunks: list[Chunk], sample: np.ndarray, learned: np.ndarray) -> Tensor:
        """The sample is read first, and held until the readout has learned from it. What it may
        not learn from is read last."""
        first = [said for part in _pick(chunks, sample) for said in self._say(*part, _whole)]
        readout = self.reading.readout
        if self.series:
            readout.fit(torch.cat([data.transpose(1, 2).flatten(0, 1) for data, _ in first]))
        cores = self.reader.batch.cores
        kept = side_by_side([partial(self._keep, said) for said in first], cores)
        kept += self._read(chunks, learned & ~sample)
        if not self.series:
            readout.fit(torch.cat(kept))
        return self._gather(kept + self._read(chunks, ~learned))

    def _read(self, chunks: list[Chunk], chosen: np.ndarray) -> list[Tensor]:
        return [one for part in _pick(chunks, chosen) for one in self._say(*part, self._keep)]

    def _say(self, index: IntArray, tokens: Tensor, keep: Callable[[Said], T]) -> Iterator[T]:
        """What is to be kept of what the model says about the new rows among these cases, in the
        order of numbers."""
        start = time.perf_counter()
        reader = self.reader
        rows, place = reader.rows(tokens)
        beside = _nothing(rows)
        if self.series:
            beside = self.context.choose(tokens, index if self.train else None, reader.backbone)
        at = place if reader.strategy.by_step else place * 0
        numbers, new = self.distinct.add(rows, np.column_stack([at, beside]))
        self.numbers.append((index, numbers))
        rows, place, beside = rows[torch.from_numpy(new).to(rows.device)], place[new], beside[new]
        slots = reader.slots(self.vectors, rows.shape[1], place)
        positions = reader.positions(rows, slots, self.context, beside)
        length = int(positions.max(initial=1))
        before, finished = self.done, 0

        def run(part: slice) -> tuple[int, float, T]:
            """How many rows, the share of the time that the model took, and what is kept."""
            begun = time.perf_counter()
            said = reader.read(
                rows[part],
                place[part],
                self.reading.prompt,
                self.vectors,
                self.reading.layers,
                context=self.context,
                beside=beside[part],
            )
            spent = time.perf_counter() - begun
            kept = keep(said)
            return len(said[1]), spent / (time.perf_counter() - begun), kept

        for count, share, kept in reader.batch.run(len(rows), length, run):
            reader.count(positions[finished : finished + count])
            finished += count
            reader.seconds += share * (time.perf_counter() - start)
            progress.report(
                self.stage, before + len(index) * finished / max(len(rows), 1), self.total
            )
            yield kept
            start = time.perf_counter()
        self.done = before + len(index)
        progress.report(self.stage, self.done, self.total)

    def _keep(self, said: Said) -> Tensor:
        """Of a row: its features (r, R); of a step read alone: its mask vectors (r, N', D)."""
        return self.reading.readout.pool(*said) if self.series else said[1].squeeze(2)

    def _gather(self, kept: list[Tensor]) -> Tensor:
        """Features (B, R) of all cases, from what is kept of their rows."""
        said = torch.cat(kept)
        cases = np.concatenate([index for index, _ in self.numbers])
        back = torch.from_numpy(np.argsort(cases)).to(said.device)
        if self.series:
            numbers = torch.from_numpy(np.concatenate([each for _, each in self.numbers]))
            return said[numbers.to(said.device)[back]]
        tables = [numbers.reshape(len(index), -1) for index, numbers in self.numbers]
        features = [
            self.reading.readout.pool(*by_case(said[part]))
            for table in tables
            for part in torch.from_numpy(table).to(said.device).split(_GATHER_CASES)
        ]
        return torch.cat(features)[back]


def _pick(chunks: list[Chunk], chosen: np.ndarray) -> Iterator[Chunk]:
    """The chosen cases (B,) of the chunks."""
    for index, tokens in chunks:
        keep = chosen[index]
        if keep.all():
            yield index, tokens
        elif keep.any():
            yield index[keep], tokens[torch.from_numpy(keep).to(tokens.device)]
