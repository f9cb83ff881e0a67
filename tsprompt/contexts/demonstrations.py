"""`demonstrations`: labelled train cases beside the query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import FRAME
from tsprompt.backbones.vocabulary import find_words, named_or_drawn
from tsprompt.base.accelerator import sent
from tsprompt.base.part import Part, require, require_one_of, several
from tsprompt.base.seeds import generator
from tsprompt.base.state import Between, Count, Seed, numbers
from tsprompt.contexts.base import Joined, Pairs, Train, Write, contexts, needs_mask
from tsprompt.contexts.pool import Pool
from tsprompt.data import IntArray
from tsprompt.errors import ConfigError, Setting, counted
from tsprompt.strategies import Strategy

__all__ = ["Demonstrations"]

_LETTERS = "abcdefghijklmnopqrstuvw"


@contexts.register("demonstrations")
@dataclass
class Demonstrations(Pool):
    """Solved examples: ``[CLS] x [MASK] [SEP] a word-a [SEP] b word-b [SEP]``.

    After LM-BFF (Gao et al. 2021): beside each query stand train cases of every class, in the
    query's own template, with the word of their class in the place of the mask. Which ones, and
    what they are alike by: see `Pool`.
    """

    scopes: ClassVar[tuple[str, ...]] = ("series",)
    names_answers: ClassVar[bool] = True
    words: tuple[str, ...] | None = None
    """A word for each class, in the order of the sorted labels; None: the labels themselves, where
    they are words of the vocabulary, and random words where they are not."""
    prompted: bool = True
    """Whether the prompt is repeated around each of them, as in LM-BFF."""
    place: str = "after"
    """Where they stand: `after` the query (LM-BFF), or `before` it (GPT-3, Brown et al. 2020), as a
    model that reads from left to right needs: there each is followed by its word, as the query will
    be by the answer."""
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
        super().__post_init__()
        require(self.least_steps >= 1, "demonstrations: least_steps must be 1 or more")
        require(isinstance(self.prompted, bool), "demonstrations: prompted is true or false")
        require_one_of(self, "place", ("after", "before"))

    @property
    def shows_cases(self) -> bool:
        """That is what it does."""
        return True

    @property
    def n_classes(self) -> int:
        """One word for each."""
        return len(self.ids_)

    @property
    def word_ids(self) -> Tensor:
        """Those of the classes."""
        return self.ids_

    def fit(self, backbone: Backbone, train: Train) -> None:
        """Words for the classes; each class needs two cases, for a case is not shown itself."""
        needs_mask(self.name, backbone)
        self.behind_ = int(backbone.family.causal)
        require(
            self.place == "before" or not self.behind_,
            f"demonstrations: {backbone.name} reads from left to right and answers before it comes "
            "to what stands after the query; use ",
            Setting("context", "demonstrations:place=before"),
        )
        self._count_shown(train.labels, train.classes)
        self.ids_ = torch.tensor(self._choose_words(backbone, train))

    def _choose_words(self, backbone: Backbone, train: Train) -> list[int]:
        classes = train.classes
        if self.words is None:
            drawn = named_or_drawn(classes, backbone, generator(train.seed, "label words"))
            return drawn if train.words is None else train.words
        require(
            len(self.words) == len(classes),
            f"demonstrations: {counted(len(self.words), 'word')} for "
            f"{counted(len(classes), 'class')}; give one for each of: {', '.join(classes)}",
        )
        ids = find_words(self.words, "demonstrations", backbone)
        require(
            train.words is None or train.words == ids,
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

    def join(
        self, query: Tensor, beside: IntArray, write: Write, backbone: Backbone
    ) -> Iterator[Joined]:
        """The query, and behind or before it its demonstrations."""
        assert self.met_shelf is not None, "it meets the model first"
        written, row_of = self._write(np.unique(beside), write, backbone)
        steps = self.met_shelf.steps[beside]
        kinds, kind_of = np.unique(steps, axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            part = np.flatnonzero(kind_of.ravel() == number)
            shown = [
                _rows(written[int(length)], row_of[beside[part, k]])
                for k, length in enumerate(kind)
            ]
            rows = query if len(part) == len(query) else _rows(query, part)
            if self.place == "after":
                yield Joined(part, torch.cat([rows, *shown], dim=1))
            else:
                joined = torch.cat([rows[:, :1], *shown, rows[:, 1:]], dim=1)
                yield Joined(part, joined, joined.shape[1] - rows.shape[1])

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


def _rows(table: Tensor, which: IntArray) -> Tensor:
    return table[sent(which, table.device)]
