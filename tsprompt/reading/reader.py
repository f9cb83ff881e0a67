"""Readings: what the frozen language model says about cases under one prompt.

Only this folder runs the language model. Without gradients, each distinct row of tokens is run
once, however often it occurs: see `passes` and `together`.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone, BatchSize, side_by_side
from tsprompt.backbones.template import Prompt, Template, evenly
from tsprompt.base.accelerator import sent
from tsprompt.base.scratch import Scratch
from tsprompt.contexts import NO_CONTEXT, Context, NoContext
from tsprompt.data import Cases, IntArray
from tsprompt.reading.distinct import Distinct
from tsprompt.reading.fitting import fit_features
from tsprompt.reading.passes import Chunk, Pass, Said, by_case, by_query, nothing_beside
from tsprompt.reading.storing import store_features
from tsprompt.reading.together import read_passes
from tsprompt.readouts import Readout
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Joined, Tokenizer

__all__ = ["KEPT_BYTES", "READOUT_CASES", "Reader", "Reading", "Said"]

READOUT_CASES = 128
"""Train cases, drawn at random, on which a readout learns its quantiles."""
KEPT_BYTES = 1 << 30
"""Tokens are kept for the next prompt while they take less than this."""
_CHUNK_BYTES = 1 << 27
"""Tokens made at once."""


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
    scratch: Scratch | None = field(default=None, repr=False)
    """Where the features of a fit are laid; None: in memory."""
    _kept: tuple[Tokenizer, Cases, list[Chunk]] | None = field(default=None, repr=False)
    _together: tuple[Sequence[Tokenizer], list[tuple[list[int], Joined]]] = field(
        default=((), []), repr=False
    )
    """Tokenizers of late, and what makes the tokens of which of them."""

    def room(self, width: int, context: Context = NO_CONTEXT) -> int | None:
        """The most steps of W tokens that a case may have; None if there is no bound."""
        fits = context.max_steps(self.strategy, self.backbone, self.length, width)
        return fits if self.scope == "series" or fits < 1 else None

    def features(
        self, reading: Reading, cases: Cases, stage: str = "reading", *, keep: bool = False
    ) -> Tensor:
        """(B, R) features of cases; `keep` keeps their tokens for the next reading."""
        own = Pass(self, reading, cases, stage, keep=keep)
        if self.scratch is not None and own.series:
            return store_features(own, self.scratch)
        (done,) = read_passes([own])
        return done.features()

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
        sample[rng.permutation(count)[:READOUT_CASES]] = True
        learned[:count] = True
        own = Pass(self, reading, cases, stage, train=True)
        if self.scratch is not None and own.series:
            return store_features(own, self.scratch, np.flatnonzero(sample))
        chunks = list(self.keep_tokens(reading.tokenizer, cases))
        return fit_features(own, chunks, sample, learned)

    def fit_readout(
        self, reading: Reading, cases: Cases, rng: np.random.Generator, stage: str = "reading"
    ) -> None:
        """Fit the readout as `fit_features` does, and read no other cases than those it needs."""
        some = cases.take(np.sort(rng.permutation(len(cases))[:READOUT_CASES]))
        whole = np.ones(len(some), dtype=bool)
        own = Pass(self, reading, some, stage, train=True)
        fit_features(own, list(self.tokenise(reading.tokenizer, some)), whole, whole)

    def tokenise(self, tokenizer: Tokenizer, cases: Cases) -> Iterator[Chunk]:
        """Tokens of all cases; those of equal length come together."""
        cost = 8 if tokenizer.discrete else 4 * self.backbone.hidden_size
        for index, values in cases.groups():
            steps = tokenizer.steps_of(values.shape[1])
            rows = max(1, _CHUNK_BYTES // (steps * tokenizer.width(values.shape[2]) * cost))
            for start in range(0, len(index), rows):
                part = slice(start, start + rows)
                chunk = sent(values[part], self.backbone.device)
                yield index[part], self._transform(tokenizer, chunk)

    def _transform(self, tokenizer: Tokenizer, values: Tensor) -> Tensor:
        """Tokens of values (b, T, F); on several cores, some of the cases on each."""
        if min(self.batch.cores, len(values)) == 1:
            return tokenizer.transform(values, self.backbone)
        pieces = values.tensor_split(min(self.batch.cores, len(values)))
        made = side_by_side(
            [partial(tokenizer.transform, piece, self.backbone) for piece in pieces],
            self.batch.cores,
        )
        return torch.cat(made)

    def tokenise_together(
        self, tokenizers: Sequence[Tokenizer], cases: Cases
    ) -> Iterator[tuple[IntArray, list[Tensor]]]:
        """Tokens of few cases by each of several tokenizers; those that can do so make theirs at
        once."""
        how = self._ways_of(tokenizers)
        for index, values in cases.groups():
            here = sent(values, self.backbone.device)
            made: dict[int, Tensor] = {}
            for places, make in how:
                made |= zip(places, make(here), strict=True)
            yield index, [made[number] for number in range(len(tokenizers))]

    def _ways_of(self, tokenizers: Sequence[Tokenizer]) -> list[tuple[list[int], Joined]]:
        """What makes the tokens of which tokenizers; kept, for as long as these are asked for."""
        known, ways = self._together
        if len(known) == len(tokenizers) and all(map(operator.is_, known, tokenizers)):
            return ways
        alike: dict[Hashable, list[int]] = {}
        for number, one in enumerate(tokenizers):
            alike.setdefault(number if one.joins is None else (one.joins,), []).append(number)
        ways = list[tuple[list[int], Joined]]()
        for places in alike.values():
            first, *others = (tokenizers[number] for number in places)
            alone = partial(self._alone, first)
            ways.append((places, first.joined(others, self.backbone) if others else alone))
        self._together = tokenizers, ways
        return ways

    def _alone(self, tokenizer: Tokenizer, values: Tensor) -> list[Tensor]:
        return [tokenizer.transform(values, self.backbone)]

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

    def inputs(self, slots: int) -> int:
        """How many inputs a case is read in that each have some of the P slots for themselves; 0:
        there is one prompt."""
        own = self.scope == "step" and self.strategy.by_step and self.length
        return slots // self.length if own else 0

    def rows(self, tokens: Tensor) -> tuple[Tensor, IntArray]:
        """What the model reads at once: rows (r, S', W[, D]), and the step that each stands at."""
        if self.scope == "series":
            return tokens, np.zeros(len(tokens), dtype=np.intp)
        steps = np.tile(np.arange(tokens.shape[1]), len(tokens))
        return tokens.flatten(0, 1).unsqueeze(1), steps

    def slots(self, vectors: Tensor, steps: int, place: IntArray) -> Tensor:
        """What fills the prompt slots of rows with S' steps: (P', D), or (r, P', D) by place."""
        if len(vectors) and self.inputs(len(vectors)):
            own = vectors.unflatten(0, (-1, self.length))
            return own[sent(place, own.device)]
        return vectors[: self.strategy.slots(self.length, steps)]

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """S steps of W tokens and P slots as the strategy lays them out, in the model's frame."""
        template = self.strategy.template(steps, width, slots, prompt)
        family = self.backbone.family
        return template.framed(family.frame).with_masks(family.spoken.masks)

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
        template, query = self.lay_out(rows, place, prompt, vectors, context)
        beside = nothing_beside(rows) if beside is None else beside

        def write(tokens: Tensor, prompted: bool) -> tuple[Template, Tensor]:
            nowhere = np.zeros(len(tokens), dtype=np.intp)
            said = (prompt, vectors) if prompted else (Prompt(None), vectors[:0])
            return self.lay_out(tokens, nowhere, *said, context)

        parts, data, mask = [], [], []
        for part, embeddings, shift, answer in context.join(query, beside, write, self.backbone):
            states = self.backbone.run(embeddings, layers, prompt.deep)
            parts.append(part)
            said = self.pick(states, template, embeddings.shape[1], shift, answer)
            data.append(said[0])
            mask.append(said[1])
        if len(parts) == 1 and context.rows_each == 1:
            return data[0], mask[0]
        back = sent(np.argsort(np.concatenate(parts)), query.device)
        each = context.rows_each
        return by_query(torch.cat(data)[back], each), by_query(torch.cat(mask)[back], each)

    def pick(
        self,
        states: list[Tensor],
        template: Template,
        length: int | None = None,
        shift: int = 0,
        answer: int | None = None,
    ) -> Said:
        """What stands at the data tokens and at the mask of hidden states (r, L', D).

        Parameters
        ----------
        length
            Positions that were read, if others than those of the template.
        shift
            By how much the template's positions have moved, those behind its first.
        answer
            Where the answer stands, if not where the template has it.
        """
        data = _pick_positions(states, evenly(template.data.ravel() + shift, states[0].device))
        if answer is not None:
            return data, _pick_positions(states, slice(answer, answer + 1))
        own = self.backbone.answer(template)
        behind = own.start >= template.length  # of all that is read
        moved = (length or template.length) - template.length if behind else shift
        return data, _pick_positions(states, slice(own.start + moved, own.stop + moved))

    def wanted(self, template: Template, *, data: bool, answer: bool) -> tuple[IntArray, IntArray]:
        """The positions that are read: those of the data tokens and of the answer, if these are."""
        place = self.backbone.answer(template)
        told = np.arange(place.start, place.stop)
        return template.data.ravel() if data else told[:0], told if answer else told[:0]

    @staticmethod
    def picked(states: list[Tensor], data: int, answer: int) -> Said:
        """What stands at the data tokens and at the mask, of states (r, K, D) at so many positions
        of both, in this order."""
        return _stacked([one[:, :data] for one in states]), _stacked(
            [one[:, data : data + answer] for one in states]
        )

    def lay_out(
        self, rows: Tensor, place: IntArray, prompt: Prompt, vectors: Tensor, context: Context
    ) -> tuple[Template, Tensor]:
        """The template of rows (r, S', W[, D]), and what stands in it (r, L, D), but for what a
        context reads before or behind."""
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
        family = self.backbone.family
        query = len(family.frame) + slots.shape[-2] + rows.shape[1] * rows.shape[2]
        query += family.spoken.masks - 1
        beside = nothing_beside(rows) if beside is None else beside
        # A template that was found may be shorter than the room that was left for it.
        length = self.length if self.strategy.by_step else slots.shape[-2]
        return query + context.extra(self.strategy, length, rows, beside)

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
        rows, place = rows[sent(new, rows.device)], place[new]
        self.count(self.positions(rows, self.slots(vectors, rows.shape[1], place)))
        order, said = [], []
        for which, laid in prompt.laid_alike(place):
            order.append(np.arange(len(place))[which])
            said.append(self.read(rows[which], place[which], laid, vectors, layers)[1])
        mask = torch.cat(said)[sent(np.argsort(np.concatenate(order)), said[0].device)]
        each = mask.squeeze(2)[sent(numbers, mask.device)]
        return by_case(each.unflatten(0, tokens.shape[:2]))


def _pick_positions(states: list[Tensor], where: slice | Tensor) -> Tensor:
    """(r, N', K, D), float32, of K positions of hidden states (r, L, D), one for each layer."""
    return _stacked([state[:, where] for state in states])


def _stacked(states: list[Tensor]) -> Tensor:
    """(r, N', K, D), float32, of (r, K, D) for each layer."""
    if len(states) == 1:
        return states[0].unsqueeze(1).to(torch.float32)
    return torch.stack(states, dim=1).to(torch.float32)
