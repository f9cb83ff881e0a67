"""`policy`: a small network learns to write prompts that are rewarded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones.template import Prompt
from tsprompt.base.accelerator import sent
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.base.state import Figures, Index
from tsprompt.errors import Setting
from tsprompt.heads import heads
from tsprompt.prompts.base import FixedPrompt
from tsprompt.tuners.base import Choices, Found, Problem, Tuner, tuners
from tsprompt.tuners.rewards import gap_rewards, standardised
from tsprompt.tuners.training import MaskTrainer, TrainFeatures
from tsprompt.tuners.writer import States, Writer, soft_q_loss

__all__ = ["Judge", "Policy"]

_Words = tuple[int, ...]
_HELD = 4
"""Batches of held-out cases that judge a round's best prompt, at the most."""
_SHARE = 10
"""Of the rounds, the first and the last of so many parts are reported."""


@tuners.register("policy")
@dataclass
class Policy(Tuner):
    """Prompts written by a policy that is rewarded: RLPrompt (Deng et al. 2022).

    A perceptron on the states of the frozen language model writes a prompt word by word. Under the
    prompts of a round the model reads a batch of train, and the head's words at the mask give the
    probabilities of the classes: words, temperature and bias are those under the first draw, and
    nothing is fitted to a prompt. The reward is the piecewise gap between the right class and the
    best other, as z-scores over the prompts of the round for each input, of whose means over the
    inputs z-scores are taken again. The policy learns by soft Q-learning. The prompt of each round
    with the best reward is judged on a held-out part of train, and the best of them wins.
    """

    hears_words: ClassVar[bool] = True
    placebo: ClassVar[str] = "the words: the policy is rewarded, and does not learn"

    quick: ClassVar[dict[str, Any]] = {
        "hidden": 8,
        "rounds": 4,
        "vocabulary": 20,
        "cases": 6,
        "learning_rate": 0.3,
    }

    rounds: int = 60
    """How often the policy learns."""
    batch: int = 8
    """Prompts that are written in a round."""
    cases: int = 16
    """Train cases that the prompts of a round are rewarded on."""
    vocabulary: int = 200
    """Whole words that it may use, drawn at random."""
    wrong: float = 180.0
    """What the gap counts where another class is preferred (lambda 1)."""
    right: float = 200.0
    """What it counts where the right one is (lambda 2)."""
    scale: float = 10.0
    """What z-scores are multiplied by: the larger, the more a reward outweighs openness."""
    learning_rate: float = 1e-2
    """Step size of Adam."""
    hidden: int = 512
    """Units of the perceptron."""
    follows: float = 0.1
    """How much of the way to what was learned the values' target goes in a round."""
    validation: float = 0.25
    """Share of train that is held out."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        means_: Figures
        held_: Figures
        distinct_: Index

    def __post_init__(self) -> None:
        counts = (self.rounds, self.hidden, self.cases)
        require(min(counts) >= 1, "policy: rounds, hidden and cases must be 1 or more")
        require(self.batch >= 2, "policy: batch must be 2 or more, for rewards to differ")
        require(self.vocabulary >= 2, "policy: vocabulary must be 2 or more")
        require(min(self.wrong, self.right) > 0, "policy: wrong and right must be positive")
        require(self.scale > 0, "policy: scale must be positive")
        require(self.learning_rate > 0, "policy: learning_rate must be positive")
        require(0 < self.follows <= 1, "policy: follows lies above 0 and is 1 or less")
        require(0 < self.validation < 1, "policy: validation lies between 0 and 1")

    def check(self, design: Choices) -> None:
        """See that there are words at the mask to ask.

        Raises
        ------
        ConfigError
            There are not.
        """
        able = [name for name in heads if heads[name].has_words]
        require(
            design.head.has_words,
            f"policy rewards prompts by the words of the classes at the mask, and the head "
            f"{design.head.name!r} has none; use one of: {', '.join(able)}, with ",
            Setting("readout", "mask"),
        )

    @property
    def held_share(self) -> float:
        """The option."""
        return self.validation

    def find(self, problem: Problem) -> list[Found]:
        """The prompt that is rewarded best on the held-out part."""
        backbone = problem.reader.backbone
        rng = generator(problem.seed, "policy's words", problem.member)
        ids = torch.from_numpy(rng.permutation(backbone.words.plain)[: self.vocabulary])
        found = problem.read(problem.draw(0), f"prompt {problem.member + 1}")
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            judge = Judge(problem, self, found)
            states = States(backbone, max(problem.layers))
            writer = Writer(states, ids, self.hidden, self.follows)
            best = self.learn(writer, judge, len(found.reading.prompt), placebo=problem.placebo)
        words = best.kept
        assert words is not None  # every reward is a number
        return [problem.read(judge.prompt(words), "best prompt")]

    def learn(
        self, writer: Writer, judge: Judges, slots: int, *, placebo: bool = False
    ) -> Best[_Words | None]:
        """Train a writer of prompts of P words; in a `placebo` it stays as it is, and writes as
        many at random.

        Returns
        -------
        The words of the prompt with the best held-out reward; its loss is that with its sign
        turned.
        """
        self.means_: list[float] = []
        """Mean reward of each round's prompts, above the first draw's."""
        self.held_: list[float] = []
        """Held-out reward of each round's best prompt."""
        best: Best[_Words | None] = Best(None)
        optimiser = torch.optim.Adam(writer.perceptron.parameters(), lr=self.learning_rate)
        judged: dict[_Words, float] = {}
        distinct: set[_Words] = set()
        for number in range(self.rounds):
            places = writer.write(self.batch, slots)
            written = [tuple(own) for own in writer.ids[places].tolist()]
            distinct.update(written)
            rewards = judge.batch(written)
            self.means_.append(float(rewards.mean()))
            top = written[int(rewards.mean(dim=1).argmax())]
            if top not in judged:
                judged[top] = judge.held_out(top)
            self.held_.append(judged[top])
            if best.offer(-judged[top]):
                best.kept = top
            if not placebo:
                self._step(writer, places, self.scale * _scores(rewards), optimiser)
            progress.report("writing prompts", number + 1, self.rounds)
        self.distinct_ = len(distinct)
        return best

    def _step(
        self, writer: Writer, places: Tensor, rewards: Tensor, optimiser: torch.optim.Optimizer
    ) -> None:
        device = writer.vectors.device
        writer.follow()
        loss = soft_q_loss(*writer.values(places), places.to(device), rewards.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def report(self) -> dict[str, float]:
        """How the rewards of a round have changed, and how many prompts were read."""
        part = max(1, self.rounds // _SHARE)
        return {
            "distinct prompts": float(self.distinct_),
            "mean reward of the first rounds, above the first draw's": float(
                np.mean(self.means_[:part])
            ),
            "mean reward of the last rounds, above the first draw's": float(
                np.mean(self.means_[-part:])
            ),
            "best held-out reward, above the first draw's": max(self.held_),
        }


def _scores(rewards: Tensor) -> Tensor:
    """(K,) of rewards (K, b): the mean z-score of a prompt over the inputs, and of these means the
    z-scores again, as in the authors' code: the mean of many inputs does not say less than of few.
    """
    return standardised(standardised(rewards).mean(dim=1, keepdim=True)).squeeze(1)


class Judges(Protocol):
    """What rewards prompts."""

    def batch(self, written: list[_Words]) -> Tensor:
        """Rewards (K, b) of K prompts on the inputs of a batch."""

    def held_out(self, words: _Words) -> float:
        """Mean reward of a prompt on inputs that no batch has."""


class Judge:
    """Rewards prompts by what the head's words at the mask say of train under them."""

    def __init__(self, problem: Problem, tuner: Policy, first: Found) -> None:
        """`first` is what the model says under the first draw, from which the words have their
        temperatures and biases."""
        self.tuner, self.placed = tuner, first.reading.prompt
        assert self.placed.ids is not None  # the prompts that list this tuner are words
        self.first: _Words = tuple(self.placed.ids.tolist())
        """The words of the first draw."""
        self.features = TrainFeatures(problem, first)
        self.trainer = MaskTrainer(problem, tuner, first.features)
        held = self.trainer.validate.cpu()
        self.held = held[torch.randperm(len(held))[: _HELD * tuner.cases]]
        """Cases (n,) that no prompt is rewarded on."""
        self._known: dict[_Words, Tensor] = {}
        """For prompts that were tried, rewards (B,); not a number where a case was not read."""

    def prompt(self, words: _Words) -> Prompt:
        """These words in the slots."""
        return Prompt(torch.tensor(words), before=self.placed.before, mask=self.placed.mask)

    def batch(self, written: list[_Words]) -> Tensor:
        """Rewards (K, b) on a batch of the cases to learn from, above those of the first draw on
        the same cases, whatever classes they are of."""
        cases = self.features.batches(self.trainer.learn, self.tuner.cases)[0]
        gained = torch.stack([self.rewards(words, cases) for words in written])
        return gained - self.rewards(self.first, cases)

    def held_out(self, words: _Words) -> float:
        """Mean reward on held-out cases, of which at most four batches are asked, above that of the
        first draw."""
        parts = self.features.batches(self.held, self.tuner.cases)
        gained = [self.rewards(words, part) - self.rewards(self.first, part) for part in parts]
        return float(torch.cat(gained).mean())

    def rewards(self, words: _Words, cases: Tensor) -> Tensor:
        """(b,), each as much as its case counts; a case is read once under a prompt."""
        known = self._known.setdefault(words, torch.full((len(self.trainer.labels),), torch.nan))
        new = cases[known[cases].isnan()]
        if len(new):
            with torch.no_grad():
                said = self.features.of(FixedPrompt(self.prompt(words)), new)
                chances = self.trainer.coach(said).softmax(dim=1).cpu()
            own = sent(new, self.trainer.labels.device)
            labels = self.trainer.labels[own].cpu()
            rewards = gap_rewards(chances, labels, self.tuner.wrong, self.tuner.right)
            if self.trainer.weights is not None:
                rewards = rewards * self.trainer.weights[own].cpu()
            known[new] = rewards
        return known[cases]
