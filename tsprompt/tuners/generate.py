"""`generate`: templates that a T5 writes around the words of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones.writer import Gaps, Writer, open_writer
from tsprompt.base.part import require
from tsprompt.base.seeds import derive, generator
from tsprompt.errors import Setting
from tsprompt.heads.lesson import Labels
from tsprompt.tokenizers.digits import Digits
from tsprompt.tuners.base import Problem, tuners
from tsprompt.tuners.templates import TemplateSearch, words_of

__all__ = ["Generate", "Written", "fill_gaps"]

_TEXT = 256
"""The most tokens that are read of a case, as in the paper's code."""
_GAPS = 2


@tuners.register("generate")
@dataclass
class Generate(TemplateSearch):
    """Templates that are written by a T5, as in LM-BFF (Gao, Fisch and Chen 2021, section 5.2).

    A case is put into words, its values as the tokenizer `digits` writes them, beside the word y of
    its class, with a gap <X> before that word and a gap <Y> behind it:

        +42,-07,..,+11, <X> y <Y>        and        <X> y <Y> +42,-07,..,+11,

    T5 was trained to fill such gaps. A beam search looks for what suits all cases at once: of the
    words t1, t2, .. that fill both gaps, those with the largest

        sum over cases (x, y) of the sum over j of log P(t_j | t_1, .., t_j-1, x, y).

    With `{series}` in the place of the values and `[MASK]` in that of the word this is a template.
    Each of the two forms gives half of the templates that are compared.
    """

    needs: ClassVar[str] = "a T5 that writes: --tuner generate:model=FOLDER"
    quick: ClassVar[dict[str, Any]] = {"draws": 3, "beam": 3, "longest": 8, "words": 2}

    model: str = "t5-base"
    """The T5 that writes: a folder, or a name on the hub. It is asked while the prompt is sought,
    and a saved model does not need it."""
    beam: int = 30
    """Beginnings that are followed at once."""
    words: int = 6
    """The most tokens of T5 in each of the two gaps; where there are as many, the gap ends."""
    per_class: int | None = 16
    """The most cases of each class that the sum is over, drawn at random; None: all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model = str(self.model)
        counts = (self.beam, self.words, 1 if self.per_class is None else self.per_class)
        require(min(counts) >= 1, "generate: counts must be 1 or more")

    def propose(self, problem: Problem, learn: Labels) -> Iterator[str]:
        """What the T5 writes, the likeliest first; the two forms take turns."""
        option = Setting("tuner", "generate:model=FOLDER")
        writer = open_writer(self.model, str(problem.reader.backbone.device), option)
        chosen = self._some(problem, learn)
        cases = problem.cases.take(chosen)
        train = problem.cases.take(learn)
        texts = Digits.writing(train, _TEXT).texts(cases)
        words = words_of(problem)
        labels = [words[number] for number in problem.labels[chosen]]
        forms = [
            self._written(writer, list(zip(texts, labels, strict=True)), before=before)
            for before in (True, False)
        ]
        yield from filter(None, chain.from_iterable(zip_longest(*forms)))

    def _some(self, problem: Problem, learn: Labels) -> Labels:
        """The cases of train that are read."""
        rng = generator(derive(problem.seed, "generate", problem.member))
        own = problem.labels[learn]
        parts = [rng.permutation(learn[own == label])[: self.per_class] for label in np.unique(own)]
        return np.sort(np.concatenate(parts))

    def _written(self, writer: Writer, pairs: list[tuple[str, str]], *, before: bool) -> list[str]:
        """Templates in which the series stands `before` the mask, or behind it."""
        first, second = writer.sentinel(0), writer.sentinel(1)
        inputs = []
        for text, label in pairs:
            series = writer.encode(text)[:_TEXT]
            asked = [first, *writer.encode(label), second]
            inputs.append([*series, *asked] if before else [*asked, *series])
        found = fill_gaps(
            Gaps(writer, [[*one, writer.end] for one in inputs]).next,
            start=[writer.start, first],
            closing=[{second, writer.end}, {writer.sentinel(2), writer.end}],
            banned=_signs(writer) - {second, writer.sentinel(2), writer.end},
            beam=self.beam,
            words=self.words,
        )
        texts = []
        for one in found:
            x, y = map(writer.decode, one.gaps[:_GAPS])
            order = ("{series}", x, "[MASK]", y) if before else (x, "[MASK]", y, "{series}")
            texts.append(" ".join(filter(None, order)))
        return texts


def _signs(writer: Writer) -> set[int]:
    """What is no word: special tokens, sentinels, and what is nothing but a space."""
    vocabulary = writer.vocabulary
    empty = {number for word, number in vocabulary.get_vocab().items() if not word.strip("▁ ")}
    more = {number for word, number in vocabulary.get_vocab().items() if "<extra_id_" in word}
    return {*map(int, vocabulary.all_special_ids), *empty, *more}


@dataclass(frozen=True)
class Written:
    """What has been written so far in the gaps, one after the other."""

    score: float = 0.0
    """Sum of the log-likelihoods of all that was written, what closes gaps among it."""
    tokens: tuple[int, ...] = ()
    """All of it."""
    gaps: tuple[list[int], ...] = field(default=([],))
    """What stands in each gap that is closed, and in the one that is open; behind the last of them
    comes one that is not to be filled."""

    @property
    def done(self) -> bool:
        """Whether all gaps are closed."""
        return len(self.gaps) > _GAPS

    def and_then(self, word: int, score: float, *, closes: bool) -> Written:
        """With one more word."""
        *full, last = self.gaps
        gaps = (*full, last, []) if closes else (*full, [*last, word])
        return Written(self.score + score, (*self.tokens, word), gaps)


def fill_gaps(
    ask: Callable[[list[list[int]]], Tensor],
    *,
    start: list[int],
    closing: list[set[int]],
    banned: set[int],
    beam: int,
    words: int,
) -> list[Written]:
    """What fills two gaps, the likeliest first, by a beam search.

    transformers' own search follows the beginnings of each text by themselves; here all texts are
    to be filled alike.

    Parameters
    ----------
    ask
        Gives scores (n, V) of each next word after n beginnings of one length.
    start
        What is there before the first word.
    closing
        For each gap the words that close it.
    banned
        Words that are never written.
    words
        The most words in a gap.
    """
    beams, step = [Written()], 0
    steps = _GAPS * (words + 1)
    while not all(one.done for one in beams):
        live = [one for one in beams if not one.done]
        scores = ask([[*start, *one.tokens] for one in live])
        scores[:, list(banned)] = -torch.inf
        grown = [one for one in beams if one.done]
        for one, own in zip(live, scores, strict=True):
            closes = closing[len(one.gaps) - 1]
            if len(one.gaps[-1]) == words:
                others = torch.ones(len(own), dtype=torch.bool)
                others[list(closes)] = False
                own[others] = -torch.inf
            best = own.topk(min(beam, len(own)))
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            grown += [
                one.and_then(word, score, closes=word in closes)
                for word, score in pairs
                if np.isfinite(score)
            ]
        beams = sorted(grown, key=lambda one: -one.score)[:beam]
        step += 1
        progress.report("writing templates", step, steps)
    progress.report("writing templates", steps, steps)
    return [one for one in beams if any(one.gaps)]
