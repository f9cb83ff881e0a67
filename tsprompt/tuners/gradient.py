"""`gradient`: train the prompt through the language model, or the model, or both."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones import Backbone
from tsprompt.base.part import Part, require, require_one_of
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.base.state import Figures, Index
from tsprompt.errors import notice
from tsprompt.prompts import PromptModule
from tsprompt.tuners.accumulation import Accumulation
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.training import (
    OPTIMISERS,
    BestPrompt,
    MaskTrainer,
    TrainFeatures,
    TrainingTuner,
    gradient_norm,
    memory_used,
    reached,
    say_unlearned,
)

__all__ = ["Gradient"]


@tuners.register("gradient")
@dataclass
class Gradient(TrainingTuner):
    """Backpropagation through the language model to the prompt, as far as the prompt lets it, and
    to those weights of the model that the regime lets change.

    The gradient that reaches the prompt is measured in every step, and the largest is reported. If
    none can (`original-gru`), what the model says is computed once and only the perceptron learns.
    """

    quick: ClassVar[dict[str, Any]] = {"epochs": 3, "hidden": 8}

    batch: int = 32
    """Cases in a step."""
    optimiser: str = "nadam"
    """`nadam` (Dozat 2016), or `adamw` (Loshchilov and Hutter 2019)."""
    checkpoint: bool = False
    """Keep only what enters each layer, and run the layer again for its gradients: less memory,
    more time, the same gradients."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        gradients_: Figures
        model_gradients_: Figures
        epochs_run_: Index

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch >= 1, "gradient: batch must be 1 or more")
        require_one_of(self, "optimiser", tuple(OPTIMISERS))

    def plain(self) -> Gradient:
        """This training alone, without what a tuner that is made of it does before."""
        return Gradient(**{one.name: getattr(self, one.name) for one in fields(Gradient)})

    def find(self, problem: Problem) -> list[Found]:
        """Prompt and model of the epoch with the least loss on the held-out part."""
        module = problem.module(0)
        first = problem.read(module.prompt(), f"prompt {problem.member + 1}")
        return self.train(problem, module, first)

    def train(self, problem: Problem, module: PromptModule, first: Found) -> list[Found]:
        """The same from this module on; `first` is what it makes the model say before that."""
        backbone = problem.reader.backbone
        best = self.descend(problem, module, first)
        if self.gradients_ and max(self.gradients_) == 0:
            notice(f"no gradient reached the prompt {problem.prompt.name!r}: {_reason(backbone)}")
        found = best.found(problem, first)
        found.trained = reached(module) + backbone.n_trained
        return [found]

    def descend(self, problem: Problem, module: PromptModule, first: Found) -> BestPrompt:
        """Train the module; `first` is what it makes the model say before that."""
        backbone = problem.reader.backbone
        features = TrainFeatures(problem, first)
        self.gradients_: list[float] = []
        self.model_gradients_: list[float] = []
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            trainer = MaskTrainer(problem, self, first.features)
            with backbone.learning(checkpoint=self.checkpoint):
                best = BestPrompt(first.reading.prompt, backbone, self.patience)
                able = self._train(module, trainer, features, best)
        if not able:
            notice(
                f"nothing here can be trained: no gradient reaches the prompt "
                f"{problem.prompt.name!r}, and the head {problem.head.name!r} has nothing to learn"
            )
        elif not best.improved:
            say_unlearned()
        return best

    def _train(
        self,
        module: PromptModule,
        trainer: MaskTrainer,
        features: TrainFeatures,
        best: BestPrompt,
    ) -> bool:
        """Whether there was anything to train."""
        backbone = best.backbone
        self.epochs_run_ = 0
        stage = f"training {'the prompt' if _size(module) else 'the model'}"
        optimiser = self._optimiser(module, trainer, backbone)
        accumulation, ask = Accumulation(), features.asked(module, trainer.loss)
        for epoch in range(self.epochs):
            # They stay where they are until the epoch is through: a step waits for none of them.
            norms: list[Tensor] = []
            norms_of_model: list[Tensor] = []
            start = time.perf_counter()
            parts = features.batches(trainer.learn, self.batch)
            for number, part in enumerate(parts, start=1):
                if accumulation.learn([ask(part)], optimiser.zero_grad) is None:
                    return False
                norms.append(gradient_norm(module.parameters()))
                norms_of_model.append(gradient_norm(backbone.trained.values()))
                optimiser.step()
                progress.report(
                    stage,
                    epoch + number / len(parts),
                    self.epochs,
                    f"{(time.perf_counter() - start) / number:.2f} s a step, "
                    f"{memory_used(backbone.device)}",
                )
            if _size(module):
                self.gradients_.append(_largest(norms))
            if backbone.trained:
                self.model_gradients_.append(_largest(norms_of_model))
            self.epochs_run_ = epoch + 1
            parts = features.batches(trainer.validate, self.batch)
            losses = [accumulation.measure(ask(part)) * len(part) for part in parts]
            best.update(module, float(torch.stack(losses).sum()) / len(trainer.validate))
            if best.exhausted:
                break
        progress.report(stage, self.epochs, self.epochs)
        return True

    def _optimiser(
        self, module: PromptModule, trainer: MaskTrainer, backbone: Backbone
    ) -> torch.optim.Optimizer:
        groups: list[dict[str, Any]] = [
            {"params": [*module.parameters(), *trainer.coach.parameters()]}
        ]
        if backbone.trained:
            groups.append({"params": [*backbone.trained.values()], "lr": backbone.trained_rate})
        made: torch.optim.Optimizer = OPTIMISERS[self.optimiser](groups, lr=self.learning_rate)
        return made

    def report(self) -> dict[str, float]:
        """The largest gradients that reached what is trained, and for how many epochs it was."""
        gradients = {
            "largest gradient at the prompt": self.gradients_,
            "largest gradient at the language model": self.model_gradients_,
        }
        largest = {name: max(measured) for name, measured in gradients.items() if measured}
        return {**largest, "epochs of training": float(self.epochs_run_)}


def _largest(norms: list[Tensor]) -> float:
    return max([0.0, *map(float, norms)])


def _size(module: PromptModule) -> int:
    """Numbers that could be trained."""
    return sum(parameter.numel() for parameter in module.parameters())


def _reason(backbone: Backbone) -> str:
    """Why no gradient came."""
    if backbone.passes_through:
        return f"{backbone.name} has no layers that could carry it, so only the head learned"
    return (
        "the embedding lookup blocks it, so only the head learned; straight_through=true lets it "
        "flow"
    )
