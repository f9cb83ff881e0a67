"""`demonstrations`: labelled train cases beside the query."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import FRAME
from tsprompt.backbones.vocabulary import find_words, named_or_drawn
from tsprompt.base.part import Part, require, require_one_of, several
from tsprompt.base.seeds import generator
from tsprompt.base.state import Between, Count, Seed, numbers
from tsprompt.contexts.base import Context, Pairs, Tokenise, Write, contexts, needs_mask
from tsprompt.data import Cases, IntArray
from tsprompt.errors import ConfigError, InputError, Setting, counted
from tsprompt.heads.lesson import Labels
from tsprompt.strategies import Strategy

__all__ = ["Demonstrations"]

_PARTS = 4
"""Equal parts of a case, whose mean tokens say what it is similar to."""
_SAME = 1e-3
"""Cases nearer than this, relative to how far they lie from the mean, are one and the same."""


@contexts.register("demonstrations")
@dataclass
class Demonstrations(Context):
    """Solved examples: ``[CLS] x [MASK] [SEP] a word-a [SEP] b word-b [SEP]``.

    After LM-BFF (Gao et al. 2021): beside each query stand train cases of every class, in the
    query's own template, with the word of their class in the place of the mask. They are drawn for
    each query among the cases of the class that are most similar to it, and never are the query
    itself. Each member of an ensemble of prompts draws anew. Similarity is the cosine between the
    mean tokens of four equal parts of the cases, with train's mean taken away: the language model
    is not asked.

    The draw is a random function of those means, fixed by the seed: what a case is shown does not
    depend on the cases that are read with it.
    """

    scopes: ClassVar[tuple[str, ...]] = ("series",)
    names_answers: ClassVar[bool] = True
    shows_cases: ClassVar[bool] = True

    per_class: int = 1
    """The most cases of each class; fewer where a class has no more, or `least_steps` asks."""
    share: float = 0.5
    """Share of the cases of a class, the most similar ones, that are drawn from."""
    words: tuple[str, ...] | None = None
    """A word for each class, in the order of the sorted labels; None: the labels themselves, where
    they are words of the vocabulary, and random words where they are not."""
    prompted: bool = True
    """Whether the prompt is repeated around each of them, as in LM-BFF."""
    place: str = "after"
    """Where they stand: `after` the query (LM-BFF), or `before` it (GPT-3, Brown et al. 2020), as a
    model that reads from left to right needs: there each is followed by its word, as the query will
    be by the answer."""
    pool: int = 64
    """Train cases of each class, drawn at random, that they are taken from."""
    least_steps: int = 1
    """Rather than that a case has fewer steps than this, fewer cases of each class are shown."""

    behind_ = 0
    """Whether the word stands behind a demonstration, instead of in the mask's place."""

    class State(Part.State):
        """What fitting has learned."""

        behind_: NotRequired[Annotated[int, Between(int, least=0, most=1)]]
        ids_: Annotated[Tensor, numbers("int64", "C", least=0, below="V")]
        shown_: Count
        index_: Annotated[Tensor, numbers("int64", "n", least=0)]
        labels_: Annotated[Tensor, numbers("int64", "n", least=0, below="C")]
        lengths_: Annotated[Tensor, numbers("int64", "n", least=1)]
        values_: Annotated[Tensor, numbers("float32", "T", "F")]
        order_: Annotated[Tensor, numbers("int64", "O", least=0, below="O")]
        seed_: Seed

    def __post_init__(self) -> None:
        self.words = None if self.words is None else several(self.words)
        require(self.per_class >= 1, "demonstrations: per_class must be 1 or more")
        require(0 < self.share <= 1, "demonstrations: share lies above 0, and at most at 1")
        require(self.pool >= 2, "demonstrations: pool must be 2 or more")
        require(self.least_steps >= 1, "demonstrations: least_steps must be 1 or more")
        require(isinstance(self.prompted, bool), "demonstrations: prompted is true or false")
        require_one_of(self, "place", ("after", "before"))
        self.met_shelf: _Shelf | None = None

    @property
    def word_ids(self) -> Tensor:
        """Those of the classes."""
        return self.ids_

    def fit(
        self,
        backbone: Backbone,
        *,
        classes: list[str],
        train: tuple[Cases, Labels],
        seed: int,
        spoken: list[int] | None = None,
    ) -> None:
        """Words for the classes; each class needs two cases, for a case is not shown itself."""
        needs_mask(self.name, backbone)
        self.behind_ = int(backbone.family.causal)
        require(
            self.place == "before" or not self.behind_,
            f"demonstrations: {backbone.name} reads from left to right and answers before it comes "
            "to what stands after the query; use ",
            Setting("context", "demonstrations:place=before"),
        )
        counts = np.bincount(train[1][train[1] >= 0], minlength=len(classes))
        rare = [classes[i] for i in np.flatnonzero(counts < 2)]
        if rare:
            raise InputError(
                f"of the class {', '.join(rare)} there are fewer than 2 training cases to learn "
                "from, but beside each case another one of every class is shown; give more cases, "
                "or shots, (those that are held out for validation don't count), or use ",
                Setting("context", "none"),
            )
        self.ids_ = torch.tensor(self._choose_words(backbone, classes, seed, spoken))
        self.shown_ = int(min(self.per_class, self.pool - 1, counts.min() - 1))

    def _choose_words(
        self, backbone: Backbone, classes: list[str], seed: int, spoken: list[int] | None
    ) -> list[int]:
        if self.words is None:
            drawn = named_or_drawn(classes, backbone, generator(seed, "label words"))
            return drawn if spoken is None else spoken
        require(
            len(self.words) == len(classes),
            f"demonstrations: {counted(len(self.words), 'word')} for "
            f"{counted(len(classes), 'class')}; give one for each of: {', '.join(classes)}",
        )
        ids = find_words(self.words, "demonstrations", backbone)
        require(
            spoken is None or spoken == ids,
            "demonstrations: its words are not those that the head takes for the classes; give "
            "words to the head alone",
        )
        return ids

    def max_steps(self, strategy: Strategy, backbone: Backbone, length: int, width: int) -> int:
        """So that query and demonstrations fit; shows fewer where `least_steps` asks for it."""
        for count in range(self.shown_, 0, -1):
            self.shown_ = count
            least = self._positions(strategy, length, width, 0)
            each = self._positions(strategy, length, width, 1) - least
            steps = (backbone.positions - least) // each
            if steps >= self.least_steps:
                return steps
        if steps < 1:
            raise ConfigError(
                f"demonstrations: a case and one of each of {len(self.ids_)} classes take "
                f"{least + each} positions, even with one step each; {backbone.name} has "
                f"{backbone.positions}. Use a shorter prompt or prompted=false, a tokenizer with "
                "fewer tokens per step, or another backbone"
            )
        return steps

    def _positions(self, strategy: Strategy, length: int, width: int, steps: int) -> int:
        """Positions of a query of S steps together with its demonstrations."""
        query = len(FRAME) + strategy.slots(length, steps) + steps * width
        return query + self.shown_ * len(self.ids_) * self._each(strategy, length, width, steps)

    def _each(self, strategy: Strategy, length: int, width: int, steps: int) -> int:
        """Positions of a demonstration of S steps: it has no `[CLS]`, and its word has the mask's
        place, or one behind it."""
        prompt = strategy.slots(length, steps) if self.prompted else 0
        return len(FRAME) - 1 + prompt + steps * width + self.behind_

    def extra(self, strategy: Strategy, length: int, rows: Tensor, beside: IntArray) -> IntArray:
        """Those of the demonstrations of each row."""
        assert self.met_shelf is not None, "it meets the model first"
        each = {
            steps: self._each(strategy, length, rows.shape[2], steps)
            for steps in self.met_shelf.tokens
        }
        sizes = np.array([each[steps] for steps in self.met_shelf.steps.tolist()], dtype=np.intp)
        total: IntArray = np.array(sizes, dtype=np.intp)[beside].sum(axis=1)
        return total

    def _draw(
        self, cases: Cases, labels: Labels, number: IntArray, rng: np.random.Generator
    ) -> None:
        """Draw the pool, and the order of the demonstrations."""
        own = [
            rng.permutation(np.flatnonzero(labels == k))[: self.pool] for k in range(len(self.ids_))
        ]
        chosen = np.concatenate(own)
        taken = cases.take(chosen)
        self.index_ = torch.from_numpy(number[chosen])
        self.labels_ = torch.from_numpy(labels[chosen])
        self.lengths_ = torch.from_numpy(taken.lengths)
        self.values_ = torch.from_numpy(np.concatenate(list(taken)))
        self.order_ = torch.from_numpy(rng.permutation(self.shown_ * len(self.ids_)))
        self.seed_ = int(rng.integers(2**31))
        self.met_shelf = None

    def meet(self, backbone: Backbone, *, tokenise: Tokenise) -> None:
        """Tokenise the pool, once."""
        if self.met_shelf is None:
            series = self.values_.split(self.lengths_.tolist())
            pool = Cases([one.numpy() for one in series])
            self.met_shelf = _Shelf(list(tokenise(pool)), self.seed_, backbone)

    def choose(self, tokens: Tensor, own: IntArray | None, backbone: Backbone) -> IntArray:
        """(b, C * per_class) numbers in the pool, in the order in which they are shown.

        Equal cases are shown equal ones, but in train never themselves.
        """
        assert self.met_shelf is not None, "it meets the model first"
        near, chance, same = self.met_shelf.compare(_signatures(tokens, backbone))
        itself = torch.zeros_like(same)
        if own is not None:
            itself = torch.from_numpy(own)[:, None] == self.index_
        picked = []
        for label in range(len(self.ids_)):
            column = torch.from_numpy(np.flatnonzero(self.labels_.numpy() == label))
            barred = (itself | same)[:, column]
            # Where a whole class is alike, a case can't be told from its equals.
            few = (~barred).sum(dim=1, keepdim=True) < self.shown_
            barred = torch.where(few, itself[:, column], barred)
            picked.append(column[self._pick(near[:, column], chance[:, column], barred)])
        return torch.cat(picked, dim=1)[:, self.order_].numpy()

    def _pick(self, near: Tensor, chance: Tensor, barred: Tensor) -> Tensor:
        """(b, per_class) of n cases of one class: the luckiest among the most similar ones."""
        place = near.masked_fill(barred, -math.inf).argsort(dim=1, descending=True, stable=True)
        rank = place.argsort(dim=1)
        count = (self.share * (~barred).sum(dim=1, keepdim=True)).ceil().clamp(min=self.shown_)
        return chance.masked_fill(rank >= count, -math.inf).topk(self.shown_, dim=1).indices

    def join(
        self, query: Tensor, beside: IntArray, write: Write, backbone: Backbone
    ) -> Iterator[tuple[IntArray, Tensor, int]]:
        """The query, and behind or before it its demonstrations."""
        assert self.met_shelf is not None, "it meets the model first"
        written, row_of = self._write(np.unique(beside), write, backbone)
        steps = self.met_shelf.steps[beside]
        kinds, kind_of = np.unique(steps, axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            part = np.flatnonzero(kind_of.ravel() == number)
            shown = [
                written[int(length)][torch.from_numpy(row_of[beside[part, k]])]
                for k, length in enumerate(kind)
            ]
            rows = query if len(part) == len(query) else query[torch.from_numpy(part)]
            if self.place == "after":
                yield part, torch.cat([rows, *shown], dim=1), 0
            else:
                joined = torch.cat([rows[:, :1], *shown, rows[:, 1:]], dim=1)
                yield part, joined, joined.shape[1] - rows.shape[1]

    def _write(
        self, numbers: IntArray, write: Write, backbone: Backbone
    ) -> tuple[dict[int, Tensor], IntArray]:
        """Demonstrations (u, L - 1, D) of cases of the pool, by their steps; where each is."""
        assert self.met_shelf is not None
        written: dict[int, Tensor] = {}
        row_of = np.zeros(len(self.index_), dtype=np.intp)
        steps = self.met_shelf.steps[numbers]
        for length in np.unique(steps):
            own = numbers[steps == length]
            row_of[own] = np.arange(len(own))
            template, filled = write(self.met_shelf.take(own), self.prompted)
            words = backbone.embed(self.ids_[self.labels_[torch.from_numpy(own)]])
            if self.behind_:
                filled = torch.cat([filled, words[:, None].to(filled)], dim=1)
            else:
                filled[:, template.mask] = words
            written[int(length)] = filled[:, 1:]
        return written, row_of

    def shown(self, query: Pairs, bare: Pairs, backbone: Backbone) -> Pairs:
        """Demonstrations in the order in which they are shown, their steps as a1, a2 .. b1, b2."""
        labels = torch.arange(len(self.ids_)).repeat_interleave(self.shown_)[self.order_]
        tail: Pairs = []

        def without(pairs: Pairs) -> Pairs:
            """Without the place behind all others at which a decoder of its own answers."""
            apart = backbone.family.answers_apart and pairs[-1][0] == "answer"
            return pairs[:-1] if apart else pairs

        for number, label in enumerate(labels.tolist()):
            letter = _LETTERS[number % len(_LETTERS)]
            word = "context", backbone.words.word(int(self.ids_[label]))
            for kind, text in without(query if self.prompted else bare)[1:]:
                if kind == "data":
                    tail.append((kind, letter + text.removeprefix("x")))
                elif self.behind_:
                    tail.append(("frame" if kind == "answer" else kind, text))
                else:
                    tail.append(word if kind in ("mask", "frame") else (kind, text))
            tail += [word] * self.behind_
        own = without(query)
        shown = [*own, *tail] if self.place == "after" else [own[0], *tail, *own[1:]]
        return [*shown, *query[len(own) :]]


_LETTERS = "abcdefghijklmnopqrstuvw"


def _signatures(tokens: Tensor, backbone: Backbone) -> Tensor:
    """(b, Q) what cases (b, S, W[, D]) are compared by, float64 on the processor."""
    vectors = tokens if tokens.is_floating_point() else backbone.embed(tokens)
    by_entry = vectors.mean(dim=2).transpose(1, 2)
    pooled = functional.adaptive_avg_pool1d(by_entry, _PARTS)
    return pooled.flatten(1).to("cpu").to(torch.float64)


class _Shelf:
    """The pool in tokens, and what its cases are compared by."""

    def __init__(
        self, chunks: list[tuple[IntArray, Tensor]], seed: int, backbone: Backbone
    ) -> None:
        count = sum(len(index) for index, _ in chunks)
        self.steps = np.zeros(count, dtype=np.intp)
        """(n,) S of each case."""
        self._row = np.zeros(count, dtype=np.intp)
        gathered: dict[int, list[Tensor]] = {}
        first = _signatures(chunks[0][1][:1], backbone)
        signatures = first.new_empty(count, first.shape[1])
        for index, tokens in chunks:
            steps = tokens.shape[1]
            self.steps[index] = steps
            self._row[index] = sum(map(len, gathered.get(steps, ()))) + np.arange(len(index))
            gathered.setdefault(steps, []).append(tokens)
            signatures[torch.from_numpy(index)] = _signatures(tokens, backbone)
        self.tokens = {steps: torch.cat(parts) for steps, parts in gathered.items()}
        """S -> (n', S, W[, D])."""
        self._center = signatures.mean(dim=0)
        self._apart = signatures - self._center
        self._unit = functional.normalize(self._apart, dim=1)
        draws = generator(seed, "luck").standard_normal(signatures.shape)
        self._luck = torch.from_numpy(draws)

    def take(self, numbers: IntArray) -> Tensor:
        """Tokens (u, S, W[, D]) of cases of equally many steps."""
        tokens = self.tokens[int(self.steps[numbers[0]])]
        return tokens[torch.from_numpy(self._row[numbers]).to(tokens.device)]

    def compare(self, signatures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, n) similarity, luck, and whether they are the same, of cases (b, Q) and the pool."""
        apart = signatures - self._center
        unit = functional.normalize(apart, dim=1)
        distance = torch.cdist(apart, self._apart)
        same = distance <= _SAME * self._apart.norm(dim=1)
        return unit @ self._unit.T, unit @ self._luck.T, same
