"""What the tuners that train a prompt share: the split, a coach, features under a prompt that
changes, optimisers, early stopping."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.accelerator import sent
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import require
from tsprompt.base.seeds import derive
from tsprompt.errors import notice
from tsprompt.heads import Lesson
from tsprompt.heads.weighing import cross_entropy
from tsprompt.prompts import PromptModule
from tsprompt.tuners.accumulation import Asked
from tsprompt.tuners.base import Found, Problem, Tuner
from tsprompt.tuners.case_tokens import CaseTokens

__all__ = [
    "OPTIMISERS",
    "BestPrompt",
    "MaskTrainer",
    "TrainFeatures",
    "TrainingTuner",
    "gradient_norm",
    "memory_used",
    "reached",
    "say_unlearned",
]


Asks = Callable[[Tensor], Asked]
OPTIMISERS: dict[str, Any] = {"nadam": torch.optim.NAdam, "adamw": torch.optim.AdamW}


@dataclass
class TrainingTuner(Tuner):
    """A tuner that trains a prompt together with the head's coach, with early stopping.

    The coach, a perceptron unless the head brings one of its own, only guides the prompt. The
    classifier's head is fitted afterwards, on what the prompt that did best on the held-out part of
    train makes the model say.
    """

    placebo: ClassVar[str] = "the direction of each step"

    epochs: int = 50
    """The most passes over train."""
    patience: int = 10
    """Epochs without improvement after which training ends."""
    learning_rate: float = 1e-2
    """Step size for prompt and coach."""
    hidden: int = 128
    """Units of the perceptron."""
    validation: float = 0.25
    """Share of train that is held out."""

    def __post_init__(self) -> None:
        counts = (self.epochs, self.patience, self.hidden)
        require(min(counts) >= 1, f"{self.name}: counts must be 1 or more")
        require(self.learning_rate > 0, f"{self.name}: learning_rate must be positive")
        require(0 < self.validation < 1, f"{self.name}: validation lies between 0 and 1")

    @property
    def held_share(self) -> float:
        """The option."""
        return self.validation


class HoldsOut(Protocol):
    """What a coach asks of a tuner."""

    hidden: int
    """Units of a perceptron."""
    validation: float
    """Share of train that is held out."""


class MaskTrainer:
    """The head's coach beside the prompt: scores, losses, and the split of train."""

    def __init__(self, problem: Problem, tuner: HoldsOut, features: Tensor) -> None:
        device = features.device
        seed = derive(problem.seed, "tuner", problem.member)
        learn, validate = problem.split(tuner.validation, seed)
        self.learn = torch.from_numpy(learn).to(device)
        self.validate = torch.from_numpy(validate).to(device)
        self.labels = torch.from_numpy(problem.labels).to(device)
        self.weights: Tensor | None = None
        own = problem.weights
        if own is not None:
            # The mean is 1 in each part, so that no loss changes its size with the weights.
            both = own.copy()
            for part in (learn, validate):
                both[part] /= own[part].mean()
            self.weights = torch.from_numpy(both).to(device, torch.float32)
        lesson = Lesson(
            features[self.learn],
            problem.labels[learn],
            problem.n_classes,
            seed,
            weights=None if own is None else own[learn],
        )
        self.coach = problem.head.coach(lesson, tuner.hidden).to(device)

    def loss(self, features: Tensor, cases: Tensor) -> Tensor:
        """Cross-entropy of features (b, R) of these cases (b,)."""
        cases = sent(cases, self.labels.device)
        counted = None if self.weights is None else self.weights[cases]
        return cross_entropy(self.coach(features), self.labels[cases], counted)


class TrainFeatures:
    """Features of train cases under a prompt and a model that change, or can't."""

    def __init__(self, problem: Problem, first: Found) -> None:
        self.problem, self.first = problem, first
        self.tokens = CaseTokens(problem.reader, problem.tokenizer, problem.cases)

    def batches(self, cases: Tensor, size: int) -> list[Tensor]:
        """These cases (n,) in random batches, each of one length, in random order."""
        return self.tokens.batches(cases, size)

    def of(self, module: PromptModule, cases: Tensor) -> Tensor:
        """Features (b, R) of a batch, with a graph back to the prompt if there can be one."""
        now: Prompt = module()
        reading = self.first.reading
        backbone = self.problem.reader.backbone
        if not (now.learns or backbone.learns) and now.equals(reading.prompt):
            return self.first.features[sent(cases, self.first.features.device)]
        rows, own = self.tokens.of(cases), cases.cpu().numpy()
        said = self.problem.reader.hidden(rows, now, reading.layers, reading.context, own)
        return reading.readout.pool(*said)

    def asked(self, module: PromptModule, loss: Callable[[Tensor, Tensor], Tensor]) -> Asks:
        """What makes of a batch what is asked of it: a `loss` of features (b, R) and cases (b,)."""

        def ask(part: Tensor) -> Asked:
            return part, lambda piece: loss(self.of(module, piece), piece)

        return ask


class BestPrompt(Best[tuple[Prompt, dict[str, Tensor]]]):
    """The prompt with the least validation loss so far, with what may be trained of the language
    model as it was then; at first, both as they are before any training."""

    def __init__(self, prompt: Prompt, backbone: Backbone, patience: int | None = None) -> None:
        self.backbone = backbone
        super().__init__((prompt, backbone.trained_state()), patience)

    @property
    def prompt(self) -> Prompt:
        """The best one."""
        return self.kept[0]

    def update(self, module: PromptModule, loss: float) -> bool:
        """Keep prompt and language model as they are if their loss is the least; whether it is."""
        better = self.offer(loss)
        if better:
            self.kept = module.prompt(), self.backbone.trained_state()
        return better

    def found(self, problem: Problem, first: Found) -> Found:
        """Put the model back to its best, and what it says then; it is run again only if prompt or
        model moved."""
        prompt, weights = self.kept
        self.backbone.restore(weights)
        moved = bool(weights) or not prompt.equals(first.reading.prompt)
        return problem.read(prompt, "best prompt") if self.improved and moved else first


def say_unlearned() -> None:
    """Tell the user that training has come to nothing."""
    notice(
        "no epoch of training had a finite loss: the prompt and the language model stay as they "
        "were; use a smaller learning_rate: the tuner's, and that of train if the model is trained"
    )


def reached(module: PromptModule) -> int:
    """Numbers of a prompt that a gradient has reached."""
    return sum(one.numel() for one in module.parameters() if one.grad is not None)


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Norm of the gradient of all parameters; a parameter that none has reached counts as zero."""
    norms = [p.grad.norm() for p in parameters if p.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros(())


def memory_used(device: torch.device) -> str:
    """Memory that tensors take on a GPU, or that this process takes otherwise, in words."""
    if device.type == "cuda":
        return f"{torch.cuda.memory_allocated(device) / 2**30:.2f} GiB on the GPU"
    if device.type == "mps":
        return f"{torch.mps.current_allocated_memory() / 2**30:.2f} GiB on the GPU"
    return f"{_resident() / 2**30:.2f} GiB"


def _resident() -> int:
    """Bytes of memory that this process holds; where the system does not tell, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource  # not on all systems

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return pages * os.sysconf("SC_PAGE_SIZE")
