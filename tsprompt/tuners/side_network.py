"""`side-network`: what a network beside the language model gets wrong moves the prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt import progress
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.base.state import Figures
from tsprompt.heads.base import Perceptron
from tsprompt.prompts.values import ValuesModule
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.training import (
    BestPrompt,
    MaskTrainer,
    TrainFeatures,
    TrainingTuner,
    gradient_norm,
    reached,
    say_unlearned,
)

__all__ = ["SideNetwork"]


@tuners.register("side-network")
@dataclass
class SideNetwork(TrainingTuner):
    """The second of the original attempts, as it was made.

    GRU and MLP write the prompt's values p, an MLP writes mask m and slice s. A perceptron g beside
    the language model f is told all three, and gives as many numbers as the head sees of a case: of
    a series that is read whole, the size of the mask vector, R. In each step, for a batch of b
    cases x,

        E = mean over r of (g(p, m, s)_r - t_r)^2,    t = mean over the batch of f(x; p, m, s),

    is brought down by g and by what writes p, m and s, which E reaches through g's input: f gives
    the target t, and no gradient. (Of each case by itself the error would be E and the cases'
    variance, whose gradient is zero.) Cross-entropy trains the coach alone, and so nothing asks for
    a prompt that tells classes apart; of the prompts that come by, the one under which the coach
    does best on the held-out part is kept.

    After each epoch it measures how far off g is of the target as it then is, and how far the
    target has moved since the epoch before: if it moves further than g is off, g runs after it.
    """

    quick: ClassVar[dict[str, Any]] = {"epochs": 3, "hidden": 8, "side_hidden": 8}

    learning_rate: float = 2e-3
    """Step size of NAdam, its usual one: with one five times as long the first step throws all that
    is written to the ends of the vocabulary and of the prompt."""
    batch: int = 32
    """Cases in a step."""
    side_hidden: int = 64
    """Units of the network beside the model."""
    moves_prompt: bool = True
    """Let the error move the prompt; if not, the prompt and the target stand still, and only the
    network learns: what the error would be without drift."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        errors_: Figures
        drifts_: Figures
        variances_: Figures
        gradients_: Figures

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            min(self.batch, self.side_hidden) >= 1,
            "side-network: batch and side_hidden must be 1 or more",
        )

    def find(self, problem: Problem) -> list[Found]:
        """The prompt with the least loss on the held-out part, of those after each epoch."""
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            return [self._find(problem)]

    def _find(self, problem: Problem) -> Found:
        module = problem.module(0)
        assert isinstance(module, ValuesModule)  # the prompts that list this tuner have values
        found = problem.read(module.prompt(), f"prompt {problem.member + 1}")
        side = _Side(self, problem, module, found)
        best, kept = BestPrompt(found.reading.prompt, problem.reader.backbone, self.patience), found
        target = side.target(found)
        self.errors_: list[float] = []
        self.drifts_: list[float] = []
        self.variances_: list[float] = []
        self.gradients_: list[float] = []
        for epoch in range(self.epochs):
            self.gradients_.append(side.learn())
            prompt = module.prompt()
            if not prompt.equals(found.reading.prompt):
                found = side.train.first = problem.read(prompt, f"prompt of epoch {epoch + 1}")
            before, target = target, side.target(found)
            self.drifts_.append(float(functional.mse_loss(target, before)))
            self.errors_.append(side.error(target))
            self.variances_.append(side.variance(found))
            if best.update(module, side.validation_loss(found)):
                kept = found
            progress.report("training the prompt", epoch + 1, self.epochs)
            if best.exhausted:
                break
        progress.report("training the prompt", self.epochs, self.epochs)
        if not best.improved:
            say_unlearned()
        kept.trained = reached(module)
        return kept

    def report(self) -> dict[str, float]:
        """Error and drift of the first epoch and the last, in squared units of the mask vector's
        numbers, and the largest gradient that the error sent to the prompt."""
        return {
            "side network's mean squared error, first epoch": self.errors_[0],
            "side network's mean squared error, last epoch": self.errors_[-1],
            "its target's drift, first epoch": self.drifts_[0],
            "its target's drift, last epoch": self.drifts_[-1],
            "variance of cases under the last prompt": self.variances_[-1],
            "largest gradient at the prompt": max(self.gradients_),
            "epochs of training": float(len(self.errors_)),
        }


@dataclass
class _Side:
    """The network beside the model, the coach, and one epoch of both."""

    tuner: SideNetwork
    problem: Problem
    module: ValuesModule
    first: Found
    network: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        features = self.first.features
        self.trainer = MaskTrainer(self.problem, self.tuner, features)
        self.train = TrainFeatures(self.problem, self.first)
        size = len(self.module.described())
        network = Perceptron(size, self.tuner.side_hidden, features.shape[1])
        self.network = network.to(features.device)
        moved = self.module.parameters() if self.tuner.moves_prompt else ()
        trained = [*moved, *self.network.parameters(), *self.trainer.coach.parameters()]
        self.optimiser = torch.optim.NAdam(trained, lr=self.tuner.learning_rate)

    def learn(self) -> float:
        """One epoch; the largest gradient that reached what writes the prompt."""
        norms = [0.0]
        for part in self.train.batches(self.trainer.learn, self.tuner.batch):
            with torch.no_grad():
                said = self.train.of(self.module, part)
            self.optimiser.zero_grad()
            error = functional.mse_loss(self.mimicked(), said.mean(dim=0))
            # The two have no parameter in common: each trains its own.
            (error + self.trainer.loss(said, part)).backward()
            norms.append(float(gradient_norm(self.module.parameters())))
            self.optimiser.step()
        return max(norms)

    def mimicked(self) -> Tensor:
        """(R,) what the network takes the model to say under the prompt as it is now."""
        told = self.module.described()
        out: Tensor = self.network(told if self.tuner.moves_prompt else told.detach())
        return out

    def target(self, found: Found) -> Tensor:
        """(R,) what the model says, averaged over the cases that are learned from."""
        return found.features[self.trainer.learn].mean(dim=0)

    def error(self, target: Tensor) -> float:
        """How far off the network is."""
        with torch.no_grad():
            return float(functional.mse_loss(self.mimicked(), target))

    def variance(self, found: Found) -> float:
        """Of what the model says, over the cases that are learned from, averaged over R."""
        return float(found.features[self.trainer.learn].var(dim=0, correction=0).mean())

    def validation_loss(self, found: Found) -> float:
        """Cross-entropy of the coach on the held-out part."""
        held = self.trainer.validate
        with torch.no_grad():
            return float(self.trainer.loss(found.features[held], held))
