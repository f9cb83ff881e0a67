"""`pet`: patterns, each with a language model of its own, label cases for one classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones.template import Prompt
from tsprompt.backbones.trainable_copy import TunedBackbone
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.base.state import Figures, Index
from tsprompt.combinations.soft_labels import Chances, drawn, joined, others
from tsprompt.data import Cases
from tsprompt.errors import Setting
from tsprompt.heads import heads
from tsprompt.heads.lesson import Labels
from tsprompt.heads.verbalizer import Verbalizer
from tsprompt.heads.weighing import standardiser
from tsprompt.tuners.base import Choices, Found, Problem, Taught, Tuner, tuners
from tsprompt.tuners.case_tokens import CaseTokens
from tsprompt.tuners.masked_loss import check_masks
from tsprompt.tuners.pattern_model import Examples, PatternModel, descend, endless

__all__ = ["Pet"]


@tuners.register("pet")
@dataclass
class Pet(Tuner):
    """Pattern-exploiting training, PET, and its iterative form (Schick and Schuetze 2021).

    Each draw of the prompt is a pattern. A copy of the language model is fine-tuned under it, by
    the cross-entropy of the scores of the classes' words at the mask and a little of the loss on
    hidden tokens, ``(1 - alpha) L_CE + alpha L_MLM``. The patterns' scores of the cases without a
    label are averaged, each weighted by its accuracy on train before training, and become soft
    labels by a softmax at the temperature. From these another copy learns to classify without a
    pattern, by distillation (Hinton et al. 2015); it alone is kept.

    With several `generations` (iPET) the patterns' models are trained anew, from the pretrained
    weights, on train and on cases that some of the other patterns have labelled: as many of each
    class as keep its share in train, drawn with a probability in proportion to how sure they are.
    The set grows by `factor`.

    Without cases that lack a label, those of train play them.
    """

    placebo: ClassVar[str] = "the direction of each step of every model"
    trains_model: ClassVar[bool] = True
    uses_unlabelled: ClassVar[bool] = True
    teaches: ClassVar[bool] = True
    reads_answer: ClassVar[bool] = True
    unjudged: ClassVar[str | None] = "it learned from labels that models gave who knew the cases"
    quick: ClassVar[dict[str, Any]] = {
        "verbalizer": "label-words:scores=tied",
        "patterns": 2,
        "steps": 3,
        "final_steps": 6,
    }

    verbalizer: str = "label-words"
    """Whose words stand for the classes at the mask: a head with words, with its options; of these
    `words` and `scores` count, since nothing is fitted but the language model."""
    patterns: int = 4
    """Patterns: so many draws of the prompt."""
    steps: int = 30
    """Steps in which each pattern's model is fine-tuned."""
    batch: int = 4
    """Cases with a label in a step."""
    free_batch: int = 4
    """Cases in a step whose tokens are hidden."""
    alpha: float = 1e-4
    """Weight of the masked-language loss; 0: there is none."""
    hidden: float = 0.15
    """Share of the tokens that are hidden for it."""
    temperature: float = 2.0
    """What scores are divided by before they are soft labels."""
    generations: int = 1
    """How often the patterns' models are trained: 1 is PET, more is iPET."""
    factor: float = 5.0
    """How many times as many cases each generation learns from as the one before."""
    share: float = 0.25
    """Share of the other patterns that label for one."""
    final_steps: int = 60
    """Steps of the last model, which learns from the soft labels."""
    final_batch: int = 8
    """Cases in each of them."""
    learning_rate: float = 1e-2
    """Step size of the classifier on top of the last model; the models' own is that of `train`."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        sizes_: list[Index]
        accuracies_: Figures

    def __post_init__(self) -> None:
        counts = (self.patterns, self.steps, self.batch, self.free_batch, self.generations)
        require(
            min(*counts, self.final_steps, self.final_batch) >= 1, "pet: counts must be 1 or more"
        )
        require(0 <= self.alpha < 1, "pet: alpha is 0 or more and lies below 1")
        require(0 < self.hidden < 1, "pet: hidden lies between 0 and 1")
        require(self.temperature > 0, "pet: temperature must be positive")
        require(self.factor > 1, "pet: factor must be above 1")
        require(0 < self.share <= 1, "pet: share lies above 0 and is 1 or less")
        require(self.learning_rate > 0, "pet: learning_rate must be positive")
        require(
            self.generations == 1 or self.patterns > 1,
            "pet: with one pattern there is no other that could label for it; use patterns=2 or "
            "more, or generations=1",
        )

    def check(self, design: Choices) -> None:
        """See that there are words at a mask to learn from, and words to hide.

        Raises
        ------
        ConfigError
            There are not.
        """
        self._verbalizer()
        require(
            design.scope == "series",
            "pet: a pattern has one mask for a series; use ",
            Setting("scope", "series"),
        )
        require(
            design.readout.name == "mask",
            "pet: patterns answer at the mask; use ",
            Setting("readout", "mask"),
            f", not {design.readout.name!r}",
        )
        require(
            not self.alpha or design.tokenizer.discrete,
            f"pet: the masked-language loss asks which word stood under a mask, and the tokens of "
            f"{design.tokenizer.name!r} are no words; use alpha=0, or the tokenizer bins or digits",
        )

    def _verbalizer(self) -> Verbalizer:
        head = heads.build(self.verbalizer)
        able = [name for name in heads if issubclass(heads[name], Verbalizer)]
        if not isinstance(head, Verbalizer):
            require(False, f"pet: verbalizer={self.verbalizer!r} is not one of: {', '.join(able)}")
        assert isinstance(head, Verbalizer)
        return head

    def find(self, problem: Problem) -> list[Found]:
        """The last model, without a pattern, and the soft labels that it has learned from."""
        base = problem.reader.backbone
        assert isinstance(base, TunedBackbone), "the choices have been checked"
        if self.alpha:
            check_masks(base, self.name)
        known = len(problem.labels[: problem.learn])
        free = problem.unlabelled
        self_taught = free is None or not len(free)
        pool = problem.train if self_taught or free is None else free
        both = problem.train if self_taught else Cases.joined(problem.train, pool)
        tokens = CaseTokens(problem.reader, problem.tokenizer, both)
        numbers = torch.arange(len(pool)) + (0 if self_taught else known)
        patterns = _Patterns(self, problem, base, tokens, pool=pool, numbers=numbers)
        soft = patterns.teach()
        self.accuracies_, self.sizes_ = patterns.accuracies, patterns.sizes
        found = self._distilled(problem, tokens, numbers, soft)
        true = np.eye(problem.n_classes)[problem.labels[:known]]
        if self_taught:
            found.taught = Taught((true + soft) / 2, found.features[:0])
        else:
            features = problem.reader.features(found.reading, pool, "unlabelled")
            found.taught = Taught(np.concatenate([true, soft]), features)
        problem.reader.forget()
        return [found]

    def _distilled(
        self, problem: Problem, tokens: CaseTokens, numbers: Tensor, soft: Chances
    ) -> Found:
        """Train the last model on soft labels (U, C) of cases (U,)."""
        reader = problem.reader
        first = problem.read(Prompt(None), "last model")
        reading, target = first.reading, torch.from_numpy(soft).to(reader.backbone.device)
        with seeded_torch(derive(problem.seed, "pet", "last")), reader.backbone.learning():
            classifier = Classifier(first.features, problem.n_classes).to(reader.backbone.device)

            def loss(places: Tensor) -> Tensor:
                said = reader.hidden(
                    tokens.of(numbers[places]), reading.prompt, reading.layers, reading.context
                )
                scores = classifier(reading.readout.pool(*said))
                return distillation(scores, target[places.to(target.device)], self.temperature)

            batches = ([(part, loss)] for part in endless(numbers, tokens, self.final_batch))
            groups: list[dict[str, Any]] = [
                {"params": [*classifier.parameters()], "lr": self.learning_rate},
                {"params": [*reader.backbone.trained.values()]},
            ]
            rate = reader.backbone.trained_rate
            descend(groups, rate, batches, self.final_steps, "training the last model")
        found = problem.read(Prompt(None), "last model, trained")
        found.trained = reader.backbone.n_trained
        return found

    def report(self) -> dict[str, float]:
        """How good each pattern was before training, and what each generation learned from."""
        told = {
            f"accuracy of pattern {number} before training": accuracy
            for number, accuracy in enumerate(self.accuracies_, start=1)
        }
        if self.generations > 1:
            for number, size in enumerate(self.sizes_, start=1):
                told[f"cases of generation {number}"] = float(size)
        return told


class _Patterns:
    """All patterns, and what they say of a pool of cases."""

    def __init__(
        self,
        options: Pet,
        problem: Problem,
        base: TunedBackbone,
        tokens: CaseTokens,
        *,
        pool: Cases,
        numbers: Tensor,
    ) -> None:
        """`numbers` (U,) are those of the pool's cases among the tokens'."""
        self.options, self.problem, self.base = options, problem, base
        self.tokens, self.pool, self.numbers = tokens, pool, numbers
        self.prompts = [problem.draw(number) for number in range(options.patterns)]
        new = [not any(map(one.equals, self.prompts[:k])) for k, one in enumerate(self.prompts)]
        require(
            all(new),
            f"pet: the prompt {problem.prompt.name!r} has no {options.patterns} different "
            "patterns; ask for fewer (patterns=), or give more, as with the prompt 'patterns'",
        )
        self.known = Examples.of(problem)
        self.accuracies: list[float] = []
        """Of each pattern on train, before training."""
        self.sizes = [len(self.known.labels)]
        """Cases that the first pattern's model learned from in each generation."""
        self.chosen: list[list[tuple[Labels, Labels]]] = []
        """For each generation after the first and each pattern: cases of the pool, and the labels
        that others gave them."""

    def teach(self) -> Chances:
        """Soft labels (U, C) of the pool."""
        options, count = self.options, len(self.prompts)
        counts = np.bincount(self.known.labels.numpy(), minlength=self.problem.n_classes)
        said = [self._said(k, 0) for k in range(count)]
        weights = [accuracy for _, accuracy in said]
        self.accuracies = weights
        for generation in range(1, options.generations):
            scores = [one for one, _ in said]
            wanted = np.rint((options.factor**generation - 1) * counts).astype(np.intp)
            given = []
            for k in range(count):
                rng = generator(self.problem.seed, "pet", "teachers", k, generation)
                some = others(k, count, options.share, rng)
                given.append(drawn(joined(scores, weights, some, 1.0), wanted, rng))
            self.chosen.append(given)
            self.sizes.append(len(self.known.labels) + len(given[0][0]))
            said = [self._said(k, generation, own) for k, own in enumerate(given)]
        scores = [one for one, _ in said]
        return joined(scores, weights, list(range(count)), options.temperature)

    def _said(self, number: int, generation: int, given: Any = None) -> tuple[Chances, float]:
        """One pattern's scores (U, C) of the pool, once its model is trained, and its accuracy on
        train before that. No two patterns' models are in memory at once."""
        options = self.options
        model = PatternModel(self.problem, self.prompts[number], options._verbalizer(), self.base)
        examples = self.known
        if given is not None:
            cases, labels = map(torch.from_numpy, given)
            examples = examples.with_more(self.numbers[cases], labels)
        model.train(
            examples,
            self.tokens,
            self.numbers,
            steps=options.steps,
            batch=options.batch,
            free_batch=options.free_batch,
            alpha=options.alpha,
            share=options.hidden,
            seed=derive(self.problem.seed, "pet", number, generation),
        )
        scores = model.scores(self.pool)
        tokens_run, seconds = model.costs()
        self.problem.reader.tokens_run += tokens_run
        self.problem.reader.seconds += seconds
        return scores, model.accuracy


class Classifier(nn.Module):
    """Scores (b, C) that are linear in features (b, R), in units of their spread before training.

    It starts at nought, as do all its scores.
    """

    mean: Tensor
    unit: Tensor

    def __init__(self, features: Tensor, n_classes: int) -> None:
        super().__init__()
        mean, unit = standardiser(features)
        self.register_buffer("mean", mean)
        self.register_buffer("unit", unit)
        self.linear = nn.Linear(len(mean), n_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Of features (b, R)."""
        out: Tensor = self.linear((features - self.mean) / self.unit)
        return out


def distillation(scores: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """``T^2 KL(soft || softmax(scores / T))`` of scores and soft labels (b, C) at a temperature T
    (Hinton et al. 2015)."""
    own = (scores / temperature).log_softmax(dim=1)
    return temperature**2 * functional.kl_div(own, soft.to(own), reduction="batchmean")
