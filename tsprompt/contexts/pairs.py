"""`pairs`: two inputs, a query beside each train case that is shown, or beside the text of each
class.

| letter | counts |
|---|---|
| r | queries |
| K | second inputs of a query, those of all classes in turn: 0, 1, .. C - 1, 0, 1, .. |
| C | classes |
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import encode_text
from tsprompt.base.accelerator import sent
from tsprompt.base.part import Part, require
from tsprompt.base.state import Count, Index, Seed, numbers
from tsprompt.contexts.base import Joined, Pairs, Tokenise, Train, Write, contexts, needs_mask
from tsprompt.contexts.pool import Pool
from tsprompt.data import Cases, IntArray
from tsprompt.errors import ConfigError, Setting
from tsprompt.heads import Head
from tsprompt.heads.class_words import spell_words, texts_of_classes
from tsprompt.heads.lesson import Labels
from tsprompt.strategies import Strategy

__all__ = ["TwoInputs"]

_SERIES, _CLASS, _MASK, _SEP = "{series}", "{class}", "[MASK]", "[SEP]"
_MARKS = (_SERIES, _CLASS, _MASK, _SEP)
_QUERY, _SECOND = "query", "second"


@contexts.register("pairs")
@dataclass
class TwoInputs(Pool):
    """Two inputs in one: ``[CLS] x1 .. xS [SEP] a1 .. aS [SEP]``.

    Each query is read once for each of K second inputs, K rows: with train cases of every class, or
    with the text of each class. What the model says of a pair is read at [MASK], where the template
    has one (``{series} then {series} [MASK]``), and else at [CLS], where a BERT was trained to say
    whether the second follows the first (NSP-BERT, Sun et al. 2022). As in its training, what
    stands behind the first [SEP] is of the second segment (token type 1).

    Which train cases are shown, and what they are alike by: see `Pool`. A case is never paired with
    itself.
    """

    scopes: ClassVar[tuple[str, ...]] = ("series",)
    gives_pairs: ClassVar[bool] = True

    template: str = "{series} [SEP] {series}"
    """Words, `[SEP]` and perhaps `[MASK]` around two inputs: `{series}` and `{series}`, the second
    being a train case, or `{series}` and `{class}`, in either order."""
    texts: str | None = None
    """What stands for `{class}`: ``falling|a wave`` in the order of the sorted classes, or by name,
    ``1:falling|2:a wave``. None: the names of the classes."""

    class State(Part.State):
        """What fitting has learned."""

        classes_: Count
        texts_: NotRequired[list[list[Index]]]
        shown_: NotRequired[Count]
        index_: NotRequired[Annotated[Tensor, numbers("int64", "n", least=0)]]
        labels_: NotRequired[Annotated[Tensor, numbers("int64", "n", least=0, below="C")]]
        lengths_: NotRequired[Annotated[Tensor, numbers("int64", "n", least=1)]]
        values_: NotRequired[Annotated[Tensor, numbers("float32", "T", "F")]]
        order_: NotRequired[Annotated[Tensor, numbers("int64", "O", least=0, below="O")]]
        seed_: NotRequired[Seed]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.template, self.texts = str(self.template), spell_words(self.texts)
        counts = {mark: self.template.count(mark) for mark in _MARKS}
        require(
            (counts[_SERIES], counts[_CLASS]) in ((2, 0), (1, 1)),
            f"pairs: the template {self.template!r} needs {_SERIES} twice, or {_SERIES} and "
            f'{_CLASS} once each, as in "{_SERIES} {_SEP} {_SERIES}"',
        )
        require(
            counts[_MASK] <= 1, f"pairs: the template {self.template!r} has more than one {_MASK}"
        )
        require(
            self.texts is None or self.shows_texts,
            f"pairs: texts are for {_CLASS}, and the template {self.template!r} has none",
        )
        self.met_given = False
        """Whether it is told which second input each query has."""

    @property
    def shows_texts(self) -> bool:
        """Whether the second input is a text."""
        return _CLASS in self.template

    @property
    def asks_mask(self) -> bool:
        """Whether the answer stands at a mask; else at [CLS]."""
        return _MASK in self.template

    @property
    def shows_cases(self) -> bool:
        """Where the second input is no text."""
        return not self.shows_texts

    @property
    def n_classes(self) -> int:
        """C."""
        return self.classes_

    @property
    def rows_each(self) -> int:
        """K."""
        if self.met_given:
            return 1
        return self.classes_ * (1 if self.shows_texts else self.shown_)

    def most_rows(self, classes: int) -> int:
        """As in the base class."""
        return 1 if self.met_given else classes * (1 if self.shows_texts else self.per_class)

    def check_head(self, head: Head) -> None:
        """A head of pairs must ask where the answer stands."""
        if not head.needs_pairs:
            return
        asks = getattr(head, "asks_mask", self.asks_mask)
        require(
            asks == self.asks_mask,
            f"the head {head.name!r} asks what the model says "
            + (f"at {_MASK}" if asks else "of a next sentence, at [CLS]")
            + f", and the template of pairs, {self.template!r}, "
            + (f"has no {_MASK}" if asks else f"has a {_MASK}")
            + "; use ",
            Setting("head", "matching:scores=next" if asks else "matching:scores=tied"),
            f", or a template {'with' if asks else 'without'} one",
        )

    # --- fitting ---

    def fit(self, backbone: Backbone, train: Train) -> None:
        """Read the texts of the classes; or see how many cases of each can be shown."""
        needs_mask(self.name, backbone)
        if backbone.family.name != "encoder":
            raise ConfigError(
                f"pairs: {backbone.name} is no encoder, and two inputs are read at the [CLS] or "
                "[MASK] of one; use a BERT, or ",
                Setting("context", "none"),
            )
        self._meet_words(backbone)
        self.classes_ = len(train.classes)
        if not self.shows_texts:
            self._count_shown(train.labels, train.classes)
            return
        named = texts_of_classes(self.texts, train.classes, self.name)
        self.texts_ = [encode_text(own[0], backbone, self.name) for own in named]

    def _meet_words(self, backbone: Backbone) -> None:
        """Cut the words of the template into tokens."""
        words, first = backbone.words, True
        pieces: list[str | list[int]] = []
        for piece in re.split(f"({'|'.join(map(re.escape, _MARKS))})", self.template):
            if piece == _SERIES and first:
                first = False
                pieces.append(_QUERY)
            elif piece in (_SERIES, _CLASS):
                pieces.append(_SECOND)
            elif piece in (_MASK, _SEP):
                pieces.append([words.mask if piece == _MASK else words.sep])
            elif piece.strip():
                space = " " if piece[0].isspace() else ""
                pieces.append(encode_text(space + piece.strip(), backbone, self.name))
        self.met_pieces: list[str | list[int]] = [*pieces, [words.sep]]
        self.met_segment = backbone.second_segment
        """(D,) what the second segment adds to an embedding."""
        require(
            _SEP not in self.template or self.met_segment is not None,
            f"pairs: {backbone.name} knows no second segment (token type), which {_SEP} begins: it "
            "was not trained on pairs as BERT was; use a BERT, or a template without "
            f'{_SEP}, as "{_SERIES} then {_SERIES} {_MASK}"',
        )

    def _draw(
        self, cases: Cases, labels: Labels, number: IntArray, rng: np.random.Generator
    ) -> None:
        """Draw the pool, where cases are shown."""
        if not self.shows_texts:
            super()._draw(cases, labels, number, rng)

    def _order(self, rng: np.random.Generator) -> IntArray:
        """One of each class, then another one of each."""
        return np.arange(self.shown_ * self.classes_).reshape(self.classes_, -1).T.ravel()

    def meet(self, backbone: Backbone, *, tokenise: Tokenise) -> None:
        """Tokenise the pool, once."""
        self._meet_words(backbone)
        if not self.shows_texts:
            super().meet(backbone, tokenise=tokenise)

    def told(self, seconds: Cases) -> TwoInputs:
        """A copy that pairs each query with one second input, that of its own number.

        Raises
        ------
        ConfigError
            The second input is a text.
        """
        require(
            not self.shows_texts,
            f"two series are compared under a template with {_SERIES} twice, and that of the model "
            f"is {self.template!r}",
        )
        own = copy.copy(self)
        own.lengths_ = torch.from_numpy(seconds.lengths)
        own.values_ = torch.from_numpy(np.concatenate(list(seconds)))
        own.met_given, own.met_shelf = True, None
        return own

    # --- positions ---

    @property
    def _fixed(self) -> int:
        """Positions besides those of [CLS] and of both inputs."""
        return sum(len(one) for one in self.met_pieces if not isinstance(one, str))

    def max_steps(self, strategy: Strategy, backbone: Backbone, length: int, width: int) -> int:
        """What is left beside the second input, which may have as many."""
        self._meet_words(backbone)
        longest = max(map(len, self.texts_)) if self.shows_texts else 0
        each = 1 if self.shows_texts else 2

        def positions(steps: int) -> int:
            own = strategy.slots(length, steps) + each * steps * width
            return 1 + self._fixed + longest + own

        steps = (backbone.positions - positions(0)) // (positions(1) - positions(0))
        if steps < 1:
            raise ConfigError(
                f"pairs: two inputs take {positions(1)} positions, even with one step of a series; "
                f"{backbone.name} has {backbone.positions}. Use a shorter template or prompt, a "
                "tokenizer with fewer tokens per step, or another backbone"
            )
        return steps

    def extra(self, strategy: Strategy, length: int, rows: Tensor, beside: IntArray) -> IntArray:
        """Those of all K rows, less those of the query by itself."""
        steps, width = rows.shape[1:3]
        own = 1 + strategy.slots(length, steps) + steps * width
        if self.shows_texts:
            seconds = np.full(len(rows), sum(map(len, self.texts_)))
        else:
            assert self.met_shelf is not None, "it meets the model first"
            seconds = self.met_shelf.steps[beside].sum(axis=1) * width
        total = self.rows_each * (own + self._fixed) + seconds
        return np.asarray(total - (own + 2), dtype=np.intp)

    def arrange(self, template: Template) -> Template:
        """[CLS], prompt and data: mask and separators are the context's own."""
        return template.framed(("cls",))

    def choose(self, tokens: Tensor, own: IntArray | None, backbone: Backbone) -> IntArray:
        """(b, K) numbers in the pool; (b, 0) where texts are shown."""
        if self.shows_texts:
            return np.zeros((len(tokens), 0), dtype=np.intp)
        if self.met_given:
            assert own is not None, "each query has a number"
            return own[:, None]
        return super().choose(tokens, own, backbone)

    def join(
        self, query: Tensor, beside: IntArray, write: Write, backbone: Backbone
    ) -> Iterator[Joined]:
        """Each query with each of its second inputs."""
        asked = np.arange(len(query)) * self.rows_each
        if self.shows_texts:
            for number, text in enumerate(self.texts_):
                words = backbone.embed(torch.tensor(text))
                yield self._row(asked + number, query, words.expand(len(query), -1, -1), backbone)
            return
        assert self.met_shelf is not None, "it meets the model first"
        steps = self.met_shelf.steps[beside]
        for kind in np.unique(steps):
            rows, places = np.nonzero(steps == kind)
            shown, back = np.unique(beside[rows, places], return_inverse=True)
            _, written = write(self.met_shelf.take(shown), False)
            second = written[:, 1:][sent(back.ravel(), written.device)]
            own = query[sent(rows, query.device)]
            yield self._row(asked[rows] + places, own, second, backbone)

    def _row(self, part: IntArray, query: Tensor, second: Tensor, backbone: Backbone) -> Joined:
        """Rows of queries (r', L, D) and second inputs (r', L'', D), laid out by the template."""
        chunks, place, shift, answer, split = [query[:, :1]], 1, 0, 0, 0
        for piece in self.met_pieces:
            if piece == _QUERY:
                shift = place - 1
                chunks.append(query[:, 1:])
            elif piece == _SECOND:
                chunks.append(second.to(query))
            else:
                ids = torch.tensor(piece)
                chunks.append(backbone.embed(ids).to(query).expand(len(query), -1, -1))
                if piece == [backbone.words.mask]:
                    answer = place
            place += chunks[-1].shape[1]
            if piece == [backbone.words.sep] and not split:
                split = place
        rows = torch.cat(chunks, dim=1)
        if self.met_segment is not None and _SEP in self.template:
            rows[:, split:] += self.met_segment.to(rows)
        return Joined(part, rows, shift, answer)

    def shown(self, query: Pairs, bare: Pairs, backbone: Backbone) -> Pairs:
        """A query with its first second input, whose steps are a1, a2, ..; or with the text of the
        first class."""
        self._meet_words(backbone)
        told: Pairs = [("cls" if self.asks_mask else "answer", query[0][1])]
        for piece in self.met_pieces:
            if piece == _QUERY:
                told += query[1:]
            elif piece == _SECOND and self.shows_texts:
                told += [("context", backbone.words.word(one)) for one in self.texts_[0]]
            elif piece == _SECOND:
                told += [(kind, "a" + text.removeprefix("x")) for kind, text in bare[1:]]
            else:
                special = {backbone.words.mask: "mask", backbone.words.sep: "sep"}
                told += [
                    (special.get(one, "context"), backbone.words.word(one))
                    for one in map(int, piece)
                ]
        return told
