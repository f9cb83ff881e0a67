"""`policy`: a small network learns to write prompts that are rewarded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt import progress
from tsprompt.backbones.template import Prompt
from tsprompt.base.accelerator import n_numbers, training_device
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.base.state import Figure, Figures
from tsprompt.tuners.base import Found, Problem, Tuner, tuners

__all__ = ["Policy", "Writer"]

_Reward = Callable[[tuple[int, ...]], float]

_WORST = 100.0
"""The validation loss of a head that has diverged: no reward is without bound."""


@tuners.register("policy")
@dataclass
class Policy(Tuner):
    """Prompts written by a policy that is rewarded, after RLPrompt (Deng et al. 2022).

    A small network writes the words of a prompt one after the other, each by those before it. The
    reward of a prompt is the head's validation loss on train, with its sign turned, as z-scores
    within a round. The policy follows the gradient of the expected reward (REINFORCE, Williams
    1992) with a bonus for entropy; RLPrompt itself uses soft Q-learning, whose optimum is the same
    kind of policy, and a frozen language model as the trunk of the policy, where this one is a GRU
    over word embeddings. The prompt with the best reward wins. A prompt that is written again is
    not run again.
    """

    placebo: ClassVar[str] = "the words: the policy is rewarded, and does not learn"

    quick: ClassVar[dict[str, Any]] = {"hidden": 8, "rounds": 2, "vocabulary": 20}

    rounds: int = 8
    """How often the policy learns."""
    batch: int = 6
    """Prompts that are written in a round."""
    vocabulary: int = 200
    """Whole words that it may use, drawn at random."""
    entropy: float = 0.01
    """Weight of the entropy of a word's distribution, beside z-scored rewards."""
    learning_rate: float = 1e-2
    """Step size of Adam."""
    hidden: int = 64
    """Units of the network."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        means_: Figures
        rewards_: dict[str, Figure]

    def __post_init__(self) -> None:
        require(min(self.rounds, self.hidden) >= 1, "policy: rounds and hidden must be 1 or more")
        require(self.batch >= 2, "policy: batch must be 2 or more, for rewards to differ")
        require(self.vocabulary >= 2, "policy: vocabulary must be 2 or more")
        require(self.entropy >= 0, "policy: entropy must be 0 or more")
        require(self.learning_rate > 0, "policy: learning_rate must be positive")

    def find(self, problem: Problem) -> list[Found]:
        """The prompt with the best reward."""
        first = problem.draw(0)
        best: Best[Found | None] = Best(None)

        def reward(words: tuple[int, ...]) -> float:
            prompt = Prompt(torch.tensor(words), before=first.before, mask=first.mask)
            found = problem.read(prompt, f"prompt {len(self.rewards_) + 1}")
            loss = min(problem.validation_loss(found), _WORST)
            if best.offer(loss):
                best.kept = found
            return -loss

        backbone = problem.reader.backbone
        rng = generator(problem.seed, "policy's words", problem.member)
        plain = backbone.words.plain
        ids = torch.from_numpy(rng.permutation(plain)[: self.vocabulary])
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            writer = Writer(backbone.embed(ids).cpu(), self.hidden)
            writer.to(training_device(backbone.device, n_numbers(writer), self.batch))
            self.learn(writer, ids, len(first), reward, placebo=problem.placebo)
        assert best.kept is not None  # every loss is a number
        return [best.kept]

    def learn(
        self, writer: Writer, ids: Tensor, slots: int, reward: _Reward, *, placebo: bool = False
    ) -> None:
        """Train a writer by the rewards of prompts of P words out of `ids` (V',); in a `placebo` it
        stays as it is, and writes as many at random."""
        self.means_: list[float] = []
        self.rewards_: dict[str, float] = {}
        optimiser = torch.optim.Adam(writer.parameters(), lr=self.learning_rate)
        for number in range(self.rounds):
            chosen, log_chances, entropies = writer.write(self.batch, slots)
            found = [self._rewarded(ids[one], reward) for one in chosen.cpu()]
            rewards = torch.tensor(found, device=log_chances.device)
            self.means_.append(float(rewards.mean()))
            spread = rewards.std(correction=0)
            scores = (rewards - rewards.mean()) / spread.clamp(min=1e-8)
            gained = (scores * log_chances).mean() + self.entropy * entropies.mean()
            optimiser.zero_grad()
            (-gained).backward()
            if not placebo:
                optimiser.step()
            progress.report("writing prompts", number + 1, self.rounds)

    def _rewarded(self, words: Tensor, reward: _Reward) -> float:
        key = " ".join(map(str, words.tolist()))
        if key not in self.rewards_:
            self.rewards_[key] = reward(tuple(words.tolist()))
        return self.rewards_[key]

    def report(self) -> dict[str, float]:
        """How the mean reward of a round has changed, and how many prompts were run."""
        return {
            "distinct prompts": float(len(self.rewards_)),
            "mean reward of the first round": self.means_[0],
            "mean reward of the last round": self.means_[-1],
            "best reward": max(self.rewards_.values()),
        }


class Writer(nn.Module):
    """Writes prompts word by word: a GRU over the words so far, and a score for each next word."""

    vectors: Tensor

    def __init__(self, vectors: Tensor, hidden: int) -> None:
        super().__init__()
        scaled = vectors.to(torch.float32)
        self.register_buffer("vectors", (scaled - scaled.mean(dim=0)) / scaled.std().clamp(1e-8))
        self.start = nn.Parameter(torch.zeros(vectors.shape[1]))
        self.cell = nn.GRUCell(vectors.shape[1], hidden)
        self.score = nn.Linear(hidden, len(vectors))
        with torch.no_grad():  # at first all words are about equally likely
            self.score.weight.mul_(0.1)
            self.score.bias.zero_()

    def write(self, count: int, slots: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw prompts.

        Returns
        -------
        words
            (count, slots) places in the vocabulary of the writer.
        log_chances
            (count,) of the whole prompts.
        entropies
            (count,) of the words' distributions, mean over slots.
        """
        state = self.start.new_zeros(count, self.cell.hidden_size)
        last = self.start.expand(count, -1)
        words, chances, entropies = [], [], []
        for _ in range(slots):
            state = self.cell(last, state)
            logs = self.score(state).log_softmax(dim=1)
            # Drawn where random numbers are the same whatever the device.
            word = torch.multinomial(logs.detach().exp().cpu(), 1).to(logs.device)
            words.append(word)
            chances.append(logs.gather(1, word)[:, 0])
            entropies.append(-(logs.exp() * logs).sum(dim=1))
            last = self.vectors[word[:, 0]]
        mean = torch.stack(entropies).mean(dim=0)
        return torch.cat(words, dim=1), torch.stack(chances).sum(dim=0), mean
