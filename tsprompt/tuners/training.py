"""What the tuners that train a prompt share: the split, a perceptron, early stopping."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.part import require
from tsprompt.prompts import PromptModule
from tsprompt.seeds import derive
from tsprompt.template import Prompt
from tsprompt.tuners.base import Found, Problem, Tuner

__all__ = ["Best", "MaskTrainer", "TrainingTuner", "gradient_norm"]


@dataclass
class TrainingTuner(Tuner):
    """A tuner that trains a prompt together with the head's coach, NAdam, early stopping.

    The coach, a perceptron unless the head brings one of its own, only guides the prompt. The
    classifier's head is fitted afterwards, on what the prompt that did best on the held-out part of
    train makes the model say.
    """

    epochs: int = 50
    """The most passes over train."""
    patience: int = 10
    """Epochs without improvement after which training ends."""
    learning_rate: float = 1e-2
    """Step size of NAdam."""
    hidden: int = 128
    """Units of the perceptron."""
    validation: float = 0.25
    """Share of train that is held out."""

    def __post_init__(self) -> None:
        counts = (self.epochs, self.patience, self.hidden)
        require(min(counts) >= 1, f"{self.name}: counts must be 1 or more")
        require(self.learning_rate > 0, f"{self.name}: learning_rate must be positive")
        require(0 < self.validation < 1, f"{self.name}: validation lies between 0 and 1")


class MaskTrainer:
    """The head's coach beside the prompt: scores, losses, and the split of train."""

    def __init__(self, problem: Problem, tuner: TrainingTuner, features: Tensor) -> None:
        device = features.device
        seed = derive(problem.seed, "tuner", problem.member)
        learn, validate = problem.split(tuner.validation, seed)
        self.learn = torch.from_numpy(learn).to(device)
        self.validate = torch.from_numpy(validate).to(device)
        self.labels = torch.from_numpy(problem.labels).to(device)
        learned = features[self.learn]
        self.coach = problem.head.coach(learned, problem.n_classes, tuner.hidden).to(device)

    def loss(self, features: Tensor, cases: Tensor) -> Tensor:
        """Cross-entropy of features (b, R) of these cases (b,)."""
        scores = self.coach(features)
        return functional.cross_entropy(scores, self.labels[cases])


@dataclass
class Best:
    """The prompt with the least validation loss so far, and how long ago that was."""

    prompt: Prompt
    loss: float = float("inf")
    waited: int = 0

    def update(self, module: PromptModule, loss: float) -> None:
        """Keep the module's prompt if its loss is the least."""
        self.waited += 1
        if loss < self.loss:
            self.prompt, self.loss, self.waited = module.prompt(), loss, 0

    def found(self, problem: Problem, first: Found) -> Found:
        """What the model says under the best prompt; it is run again only if the prompt moved."""
        if self.prompt.equals(first.reading.prompt):
            return first
        return problem.read(self.prompt, "best prompt")


def gradient_norm(module: nn.Module) -> float:
    """Norm of the gradient of all parameters; a parameter that none has reached counts as zero."""
    norms = [p.grad.norm() for p in module.parameters() if p.grad is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0
