"""What every context says: which words it brings, where they stand, and what else is read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import FRAME, Template
from tsprompt.base.part import Part, require
from tsprompt.base.registry import Registry
from tsprompt.combinations import Combination
from tsprompt.data import Cases, IntArray
from tsprompt.errors import Setting
from tsprompt.heads import Head
from tsprompt.heads.lesson import Labels
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer

__all__ = [
    "NO_CONTEXT",
    "Context",
    "Joined",
    "NoContext",
    "Pairs",
    "Tokenise",
    "Train",
    "Write",
    "contexts",
    "needs_mask",
]

contexts: Registry[Context] = Registry("context")

Tokenise = Callable[[Cases], Iterator[tuple[IntArray, Tensor]]]
"""Gives the positions (b,) of cases of one length, and their tokens (b, S, W[, D])."""
Write = Callable[[Tensor, bool], tuple[Template, Tensor]]
"""Lays out the template of tokens (b, S, W[, D]), with the prompt or without, and fills it:
embeddings (b, L, D)."""
Pairs = list[tuple[str, str]]
"""(slot kind, text) of every position."""


@dataclass(frozen=True)
class Train:
    """What a context is fitted on."""

    classes: list[str]
    """Their names, sorted."""
    cases: Cases
    """As the tokenizer gets them."""
    labels: Labels
    """Class numbers (B,)."""
    seed: int
    words: list[int] | None = None
    """A word for each class, by its id, if the head has words of its own."""


class Joined(NamedTuple):
    """Rows that the model reads."""

    part: IntArray
    """(r',) which rows of the queries they are: of query q the numbers ``q * rows_each`` and on."""
    rows: Tensor
    """(r', L', D)."""
    shift: int = 0
    """By how much the query's positions have moved, those behind its first."""
    answer: int | None = None
    """Where the answer stands; None: where the query's template has it."""


@dataclass
class Context(Part):
    """Stands in the input besides prompt and data.

    A context may put marks between the slots of the template (`arrange`, `markers`), and further
    tokens before or behind it (`choose`, `join`).
    """

    scopes: ClassVar[tuple[str, ...]] = ("series", "step")
    """The scopes that it has a meaning with."""
    names_answers: ClassVar[bool] = False
    """Whether it brings words that the mask may name."""
    gives_pairs: ClassVar[bool] = False
    """Whether each query is read several times, in pairs whose order says which class is asked."""

    @property
    def shows_cases(self) -> bool:
        """Whether it shows train cases, with their labels, beside others."""
        return False

    @property
    def rows_each(self) -> int:
        """In how many rows each query is read."""
        return 1

    def most_rows(self, classes: int) -> int:
        """In how many rows each query is read at the most, with so many classes: known before it
        has seen train."""
        return 1

    @property
    def lays_out_all(self) -> bool:
        """Whether nothing is read before or behind the template."""
        return type(self).join is Context.join

    @property
    def word_ids(self) -> Tensor | None:
        """(Q,) vocabulary ids of these words, once it has met the language model."""
        return None

    def check(
        self, scope: str, strategy: Strategy, tokenizer: Tokenizer, combination: Combination
    ) -> None:
        """See that it goes together with the other parts.

        Raises
        ------
        ConfigError
            It does not.
        """
        require(
            scope in self.scopes,
            Setting("context", self.name),
            " has no meaning with ",
            Setting("scope", scope),
            ", where the model reads one step of a case at a time; use ",
            Setting("scope", self.scopes[0]),
            " or ",
            Setting("context", "none"),
        )

    def check_head(self, head: Head) -> None:
        """See that the head can read what is said.

        Raises
        ------
        ConfigError
            It can't.
        """
        require(
            not head.needs_pairs or self.gives_pairs,
            f"the head {head.name!r} judges pairs, one or several for each class; use ",
            Setting("context", "pairs"),
        )

    def fit(self, backbone: Backbone, train: Train) -> None:
        """Choose its words.

        Parameters
        ----------
        train
            Cases, as the tokenizer gets them, and what is known of them.

        Raises
        ------
        ConfigError
            The vocabulary lacks a word that was asked for, or the model has no mask.
        InputError
            Train has too few cases.
        """

    def max_steps(self, strategy: Strategy, backbone: Backbone, length: int, width: int) -> int:
        """The most steps of W tokens that a case may have, with prompts of this length.

        Raises
        ------
        ConfigError
            The context leaves no room for a single step.
        """
        return strategy.max_steps(backbone.positions, length, width)

    def drawn(
        self,
        cases: Cases,
        labels: Labels,
        rng: np.random.Generator,
        part: IntArray | None = None,
    ) -> Context:
        """A copy with random choices of its own, for one member of the ensemble.

        Parameters
        ----------
        cases
            Train, as the tokenizer gets it.
        labels
            (B,) class numbers.
        part
            Which cases are read as train, and in which order, if not all: positions in train, and
            behind its end.
        """
        number = np.full(len(cases), -1, dtype=np.intp)
        part = np.arange(len(cases)) if part is None else part
        inside = part < len(cases)
        number[part[inside]] = np.flatnonzero(inside)
        own = copy.copy(self)
        own._draw(cases, labels, number, rng)
        return own

    def _draw(
        self, cases: Cases, labels: Labels, number: IntArray, rng: np.random.Generator
    ) -> None:
        """Choose from train; `number` (B,) is where a case is read, -1 if it is not."""

    def meet(self, backbone: Backbone, *, tokenise: Tokenise) -> None:
        """Get to know the language model, and how cases are tokenised for it, after `fit` and after
        `restore`, and before anything is read. Met once, it keeps what it needs."""

    def extra(self, strategy: Strategy, length: int, rows: Tensor, beside: IntArray) -> IntArray:
        """(r,) positions that it takes in rows (r, S, W[, D]), given what it chose (r, K)."""
        return np.zeros(len(rows), dtype=np.intp)

    # --- between the slots ---

    def arrange(self, template: Template) -> Template:
        """The template with places for its marks."""
        return template

    def markers(self, template: Template, backbone: Backbone) -> Tensor | None:
        """Vectors (M, D) of the marks of a template that was arranged."""
        return None

    def marker_words(self, template: Template, backbone: Backbone) -> list[str]:
        """The words of these marks."""
        return []

    # --- before and behind ---

    def choose(self, tokens: Tensor, own: IntArray | None, backbone: Backbone) -> IntArray:
        """(b, K) numbers of what is shown beside each of these cases (b, S, W[, D]).

        Parameters
        ----------
        own
            (b,) positions of the cases in train, if that is where they are from.
        """
        return np.zeros((len(tokens), 0), dtype=np.intp)

    def join(
        self, query: Tensor, beside: IntArray, write: Write, backbone: Backbone
    ) -> Iterator[Joined]:
        """What the model reads: rows (r', L', D) of one length, and which of the queries they are.

        Parameters
        ----------
        query
            (r, L, D) filled templates.
        beside
            (r, K) what `choose` gave.
        """
        yield Joined(np.arange(len(query)), query)

    def shown(self, query: Pairs, bare: Pairs, backbone: Backbone) -> Pairs:
        """All positions in words, given those of the query, with its prompt and without."""
        return query


@contexts.register("none")
@dataclass
class NoContext(Context):
    """Nothing but prompt and data."""


NO_CONTEXT = NoContext()
"""For whoever reads without a context."""


def needs_mask(part: str, backbone: Backbone) -> None:
    """Raise `ConfigError` unless the model answers at a mask between `[CLS]` and `[SEP]`."""
    require(
        backbone.family.frame == FRAME,
        Setting("context", part),
        f" puts its words around [MASK] and [SEP], and {backbone.name} is a model without them; "
        "use an encoder such as minilm, or ",
        Setting("context", "none"),
    )
