"""`surrogate`: a small network beside the language model carries the loss back to the prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt import progress
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.base.state import Figures
from tsprompt.prompts.values import ValuesModule
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.training import (
    BestPrompt,
    MaskTrainer,
    TrainingTuner,
    gradient_norm,
    reached,
    say_unlearned,
)

__all__ = ["Surrogate"]


@tuners.register("surrogate")
@dataclass
class Surrogate(TrainingTuner):
    """The second of the original attempts, with the head's loss in the place of the surrogate's.

    An MLP learns, by mean squared error, to map (prompt values, place of the mask, place of the
    slice) to what the language model says at the mask, averaged over train. The model itself is run
    once for each prompt that is visited, without gradients. Between two runs the features of a case
    are the model's last ones plus what the surrogate says has changed since; so the loss reaches
    the prompt although the embedding lookup blocks it.
    """

    quick: ClassVar[dict[str, Any]] = {
        "epochs": 3,
        "explore": 2,
        "steps": 2,
        "hidden": 8,
        "surrogate_steps": 5,
        "surrogate_hidden": 8,
    }

    explore: int = 5
    """Random prompts, slices and mask places that the surrogate first learns from."""
    steps: int = 10
    """Steps of the prompt and the perceptron between two runs of the language model."""
    surrogate_hidden: int = 64
    """Units of the surrogate."""
    surrogate_steps: int = 100
    """Steps of the surrogate after each run of the language model."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        gradients_: Figures
        errors_: Figures

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.explore, self.steps, self.surrogate_hidden, self.surrogate_steps)
        require(min(counts) >= 1, "surrogate: counts must be 1 or more")

    def find(self, problem: Problem) -> list[Found]:
        """The visited prompt with the least loss on the held-out part."""
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            return [self._find(problem)]

    def _find(self, problem: Problem) -> Found:
        visited = [self._visit(problem, number) for number in range(self.explore)]
        losses = [problem.validation_loss(found) for _, found in visited]
        backbone = problem.reader.backbone
        module, found = visited[losses.index(min(losses))]
        memory = _Memory(self.surrogate_hidden, visited, len(problem.train))
        trainer = MaskTrainer(problem, self, found.features)
        best, kept = BestPrompt(found.reading.prompt, backbone, self.patience), found
        parameters = [*module.parameters(), *trainer.coach.parameters()]
        optimiser = torch.optim.NAdam(parameters, lr=self.learning_rate)
        self.gradients_: list[float] = []
        self.errors_: list[float] = []
        for epoch in range(self.epochs):
            self.errors_.append(memory.learn(self.surrogate_steps))
            self.gradients_.append(self._improve(module, found, memory, trainer, optimiser))
            prompt = module.prompt()
            if not prompt.equals(found.reading.prompt):
                found = problem.read(prompt, f"prompt of epoch {epoch + 1}")
                memory.add(module, found.features)
            with torch.no_grad():
                loss = float(trainer.loss(found.features[trainer.validate], trainer.validate))
            if best.update(module, loss):
                kept = found
            progress.report("training the prompt", epoch + 1, self.epochs)
            if best.exhausted:
                break
        progress.report("training the prompt", self.epochs, self.epochs)
        if not best.improved:
            say_unlearned()
        kept.trained = reached(module)
        return kept

    def _visit(self, problem: Problem, number: int) -> tuple[ValuesModule, Found]:
        module = problem.module(number)
        assert isinstance(module, ValuesModule)  # the prompts that list this tuner have values
        found = problem.read(module.prompt(), f"exploring {number + 1} of {self.explore}")
        return module, found

    def _improve(
        self,
        module: ValuesModule,
        found: Found,
        memory: _Memory,
        trainer: MaskTrainer,
        optimiser: torch.optim.Optimizer,
    ) -> float:
        """Some steps of prompt and perceptron on the surrogate; the largest gradient met."""
        last = memory.predict(module).detach()
        largest = 0.0
        for _ in range(self.steps):
            optimiser.zero_grad()
            moved = found.features[trainer.learn] + (memory.predict(module) - last)
            trainer.loss(moved, trainer.learn).backward()
            largest = max(largest, float(gradient_norm(module.parameters())))
            optimiser.step()
        return largest

    def report(self) -> dict[str, float]:
        """How well the surrogate does, and the largest gradient that it carried to the prompt."""
        return {
            "surrogate's first mean squared error": self.errors_[0],
            "surrogate's last mean squared error": self.errors_[-1],
            "largest gradient at the prompt": max(self.gradients_),
        }


class _Memory:
    """All (prompt, mask, slice) that were run, what the model said, and the surrogate for it."""

    def __init__(self, hidden: int, visited: list[tuple[ValuesModule, Found]], count: int) -> None:
        """`count`: how many of the features' rows are train."""
        self.count = count
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        for module, found in visited:
            self.add(module, found.features)
        self.center = torch.stack(self.outputs).mean(dim=0)
        spread = torch.stack(self.outputs).std(dim=0, correction=0).mean()
        self.unit = spread.clamp(min=1e-6)
        size, out = len(self.inputs[0]), len(self.center)
        self.network = nn.Sequential(nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, out)).to(
            self.center.device
        )
        self.optimiser = torch.optim.NAdam(self.network.parameters(), lr=1e-2)

    def add(self, module: ValuesModule, features: Tensor) -> None:
        self.inputs.append(module.described().detach())
        self.outputs.append(features[: self.count].mean(dim=0))

    def learn(self, steps: int) -> float:
        """Train on all that is remembered; the mean squared error, in units of the spread."""
        x = torch.stack(self.inputs)
        y = (torch.stack(self.outputs) - self.center) / self.unit
        for _ in range(steps):
            self.optimiser.zero_grad()
            loss = functional.mse_loss(self.network(x), y)
            loss.backward()
            self.optimiser.step()
        return float(loss.detach())

    def predict(self, module: ValuesModule) -> Tensor:
        """(R,) mean features under the module's prompt, with a graph back to its values."""
        out: Tensor = self.network(module.described()) * self.unit + self.center
        return out
