"""`gradient`: train the prompt through the frozen language model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.errors import notice
from tsprompt.part import require
from tsprompt.prompts import PromptModule
from tsprompt.seeds import derive, seeded_torch
from tsprompt.template import Prompt
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.training import Best, MaskTrainer, TrainingTuner, gradient_norm

__all__ = ["Gradient"]


@tuners.register("gradient")
@dataclass
class Gradient(TrainingTuner):
    """Backpropagation through the language model to the prompt, as far as the prompt lets it.

    The gradient that reaches the prompt is measured in every step, and the largest is reported. If
    none can (`original-gru`), what the model says is computed once and only the perceptron learns.
    """

    batch: int = 32
    """Cases in a step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch >= 1, "gradient: batch must be 1 or more")

    def find(self, problem: Problem) -> list[Found]:
        """The prompt of the epoch with the least loss on the held-out part."""
        module = problem.module(0)
        first = problem.read(module.prompt(), f"prompt {problem.member + 1}")
        features = _Features(problem, first)
        self.gradients_: list[float] = []
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            trainer = MaskTrainer(problem, self, first.features)
            best = self._train(module, trainer, features, Best(first.reading.prompt))
        if max(self.gradients_) == 0:
            notice(
                f"no gradient reached the prompt {problem.prompt.name!r}: the embedding lookup "
                "blocks it, so only the head learned; straight_through=true lets it flow"
            )
        return [best.found(problem, first)]

    def _train(
        self, module: PromptModule, trainer: MaskTrainer, features: _Features, best: Best
    ) -> Best:
        parameters = [*module.parameters(), *trainer.coach.parameters()]
        optimiser = torch.optim.NAdam(parameters, lr=self.learning_rate)
        for epoch in range(self.epochs):
            largest = 0.0
            for part in features.batches(trainer.learn, self.batch):
                optimiser.zero_grad()
                trainer.loss(features.of(module, part), part).backward()
                largest = max(largest, gradient_norm(module))
                optimiser.step()
            self.gradients_.append(largest)
            best.update(module, self._validate(module, trainer, features))
            progress.report("training the prompt", epoch + 1, self.epochs)
            if best.waited >= self.patience:
                break
        progress.report("training the prompt", self.epochs, self.epochs)
        return best

    def _validate(self, module: PromptModule, trainer: MaskTrainer, features: _Features) -> float:
        with torch.no_grad():
            parts = features.batches(trainer.validate, self.batch)
            losses = [trainer.loss(features.of(module, part), part) * len(part) for part in parts]
        return float(torch.stack(losses).sum()) / len(trainer.validate)

    def report(self) -> dict[str, float]:
        """The largest gradient that reached the prompt, and for how many epochs it was trained."""
        return {
            "largest gradient at the prompt": max(self.gradients_),
            "epochs of the prompt": float(len(self.gradients_)),
        }


class _Features:
    """Features of train cases under a prompt that changes, or can't."""

    def __init__(self, problem: Problem, first: Found) -> None:
        self.problem, self.first = problem, first
        chunks = list(problem.reader.keep_tokens(problem.tokenizer, problem.cases))
        self.chunks = [(torch.from_numpy(index), tokens) for index, tokens in chunks]
        # Case -> (chunk, row in it): cases of one length lie in one chunk.
        self.chunk_of = torch.empty(len(problem.cases), dtype=torch.long)
        self.row_of = torch.empty(len(problem.cases), dtype=torch.long)
        for number, (index, _) in enumerate(self.chunks):
            self.chunk_of[index] = number
            self.row_of[index] = torch.arange(len(index))

    def batches(self, cases: Tensor, size: int) -> list[Tensor]:
        """These cases (n,) in random batches, each of one length, in random order."""
        shuffled = cases.cpu()[torch.randperm(len(cases))]
        parts = [
            part
            for number in range(len(self.chunks))
            if len(own := shuffled[self.chunk_of[shuffled] == number])
            for part in own.split(size)
        ]
        return [parts[i] for i in torch.randperm(len(parts)).tolist()]

    def of(self, module: PromptModule, cases: Tensor) -> Tensor:
        """Features (b, R) of a batch, with a graph back to the prompt if there can be one."""
        now: Prompt = module()
        reading = self.first.reading
        if not now.learns and now.equals(reading.prompt):
            return self.first.features[cases.to(self.first.features.device)]
        _, tokens = self.chunks[int(self.chunk_of[cases[0]])]
        rows = tokens[self.row_of[cases].to(tokens.device)]
        own = cases.cpu().numpy()
        said = self.problem.reader.hidden(rows, now, reading.layers, reading.context, own)
        return reading.readout.pool(*said)
