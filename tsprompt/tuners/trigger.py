"""`trigger`: words of the prompt are swapped where the gradient promises most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt import progress
from tsprompt.backbones.template import Prompt
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import Part, require
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.base.state import Figures
from tsprompt.prompts import PromptModule
from tsprompt.tuners.accumulation import Accumulation
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.training import MaskTrainer, TrainFeatures, TrainingTuner, say_unlearned

__all__ = ["Trigger", "first_order"]


@tuners.register("trigger")
@dataclass
class Trigger(TrainingTuner):
    """The trigger search of AutoPrompt (Shin et al. 2020).

    For a random slot of the prompt, the gradient of the loss at its embedding, over one batch of
    train, says to first order what each whole word of the vocabulary would change (equation 2). The
    words that promise the largest fall are tried on a fresh batch, none of whose cases the gradient
    has seen, and so is the prompt as it is: a swap that does not lower the loss there is not made.
    After each round of swaps a new coach learns what train says under the new prompt: all prompts
    have coaches of the same draws and the same steps, so that the loss on a held-out part of train
    compares the prompts and not how long a coach has learned. The least wins.

    Four things differ from the paper. Where the head chooses words for the classes, each prompt's
    coach chooses its own, as the head will; in the paper words are chosen once, before the search.
    A class's score is the mean of its words' scores, with a temperature and a bias that are
    learned; in the paper the words' probabilities are added. And the search starts from random
    words, not from masks.
    """

    placebo: ClassVar[str] = "the words that are tried for a slot"

    quick: ClassVar[dict[str, Any]] = {"epochs": 3, "hidden": 8, "swaps": 2, "candidates": 2}

    epochs: int = 8
    """The most rounds of swaps."""
    patience: int = 3
    """Rounds without improvement on the held-out part after which the search ends."""
    swaps: int = 4
    """Slots that are tried in a round."""
    candidates: int = 6
    """Words that are tried for a slot: each costs a run of the model over a batch."""
    batch: int = 24
    """Train cases of which a gradient is taken, and others as many on which a swap is judged; at
    most half of what there is to learn from."""
    coach_steps: int = 100
    """Steps by which each prompt's coach learns."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        losses_: Figures
        tried_: list[Figures]

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.swaps, self.candidates, self.batch)
        require(min(counts) >= 1, "trigger: counts must be 1 or more")
        require(self.coach_steps >= 0, "trigger: coach_steps must be 0 or more")

    def find(self, problem: Problem) -> list[Found]:
        """The prompt with the least loss on the held-out part."""
        found = problem.read(problem.draw(0), f"prompt {problem.member + 1}")
        with seeded_torch(derive(problem.seed, "tuner", problem.member)):
            return [self._find(problem, found)]

    def _find(self, problem: Problem, found: Found) -> Found:
        features = TrainFeatures(problem, found)
        self._accumulation, self._chance = Accumulation(), problem.chance()
        self.losses_: list[float] = []
        """Held-out loss of the first prompt and after each round."""
        self.tried_: list[list[float]] = []
        """Loss on the fresh batch before and after each swap that was tried, and whether it was
        made."""
        trainer = self._coached(problem, found)
        self.losses_.append(self._validate(trainer, found))
        best = Best(found, self.patience, self.losses_[0])
        for number in range(self.epochs):
            prompt = self._round(problem, found.reading.prompt, trainer, features)
            if not prompt.equals(found.reading.prompt):
                found = problem.read(prompt, f"round {number + 1}")
                trainer = self._coached(problem, found)
                features.first = found
            loss = self._validate(trainer, found)
            self.losses_.append(loss)
            if best.offer(loss):
                best.kept = found
            progress.report("swapping words", number + 1, self.epochs)
            if best.exhausted:
                break
        progress.report("swapping words", self.epochs, self.epochs)
        if not best.improved:
            say_unlearned()
        return best.kept

    def _round(
        self, problem: Problem, prompt: Prompt, trainer: MaskTrainer, features: TrainFeatures
    ) -> Prompt:
        """The prompt after some swaps, each with two batches of its own."""
        size = min(self.batch, len(trainer.learn) // 2)  # each class has a case, so there are two
        for _ in range(self.swaps):
            batches = features.batches(trainer.learn, size)
            prompt = self._swap(problem, prompt, trainer, features, batches)
        return prompt

    def _swap(
        self,
        problem: Problem,
        prompt: Prompt,
        trainer: MaskTrainer,
        features: TrainFeatures,
        batches: list[Tensor],
    ) -> Prompt:
        """Try the words for one slot that promise most by the first batch, on the second."""
        backbone, (seen, fresh, *_) = problem.reader.backbone, batches
        module = Written(prompt, prompt.fill(backbone))
        ask = features.asked(module, trainer.loss)
        self._accumulation.learn([ask(seen)], module.zero_grad)
        gradient = module.vectors.grad
        assert gradient is not None  # the vectors take gradients
        slot = int(torch.randint(len(prompt), ()))
        assert prompt.ids is not None  # the prompts that list this tuner are words
        plain = torch.tensor(backbone.words.plain, device=backbone.device)
        plain = plain[plain != prompt.ids[slot].to(plain.device)]
        words = first_order(gradient[slot], backbone.embed(plain), plain, self.candidates)
        if problem.placebo:
            drawn = self._chance.permutation(len(plain))[: self.candidates]
            words = plain[torch.from_numpy(drawn).to(plain.device)]
        tried = [prompt_with(prompt, slot, word) for word in words.tolist()]
        before = self._loss(problem, prompt, trainer, features, fresh)
        losses = [self._loss(problem, one, trainer, features, fresh) for one in tried]
        least = min(losses)
        self.tried_.append([before, least, float(least < before)])
        return tried[losses.index(least)] if least < before else prompt

    def _loss(
        self,
        problem: Problem,
        prompt: Prompt,
        trainer: MaskTrainer,
        features: TrainFeatures,
        batch: Tensor,
    ) -> float:
        module = Written(prompt, prompt.fill(problem.reader.backbone))
        module.requires_grad_(False)
        return float(self._accumulation.measure(features.asked(module, trainer.loss)(batch)))

    def _coached(self, problem: Problem, found: Found) -> MaskTrainer:
        """A coach that has learned what train says under a prompt; the model is not run."""
        with seeded_torch(derive(problem.seed, "coach", problem.member)):
            trainer = MaskTrainer(problem, self, found.features)
            parameters = [one for one in trainer.coach.parameters() if one.requires_grad]
            if not parameters:
                return trainer
            optimiser = torch.optim.NAdam(parameters, lr=self.learning_rate)
            for _ in range(self.coach_steps):
                part = trainer.learn[torch.randperm(len(trainer.learn))[: self.batch]]
                optimiser.zero_grad()
                trainer.loss(found.features[part], part).backward()
                optimiser.step()
        return trainer

    def _validate(self, trainer: MaskTrainer, found: Found) -> float:
        with torch.no_grad():
            return float(trainer.loss(found.features[trainer.validate], trainer.validate))

    def report(self) -> dict[str, float]:
        """How many swaps were tried and made, and what they brought."""
        return {
            "swaps tried": float(len(self.tried_)),
            "swaps made": sum(made for _, _, made in self.tried_),
            "first prompt's held-out loss": self.losses_[0],
            "best prompt's held-out loss": min(self.losses_),
            "last prompt's held-out loss": self.losses_[-1],
        }


class Written(PromptModule):
    """A prompt of words whose embeddings take gradients."""

    def __init__(self, prompt: Prompt, vectors: Tensor) -> None:
        super().__init__()
        self.written = prompt
        self.vectors = nn.Parameter(vectors.clone())

    def forward(self) -> Prompt:
        """The same words."""
        now = self.written
        return Prompt(now.ids, self.vectors, before=now.before, mask=now.mask)


def prompt_with(prompt: Prompt, slot: int, word: int) -> Prompt:
    """The same prompt with another word in one slot."""
    assert prompt.ids is not None
    ids = prompt.ids.clone()
    ids[slot] = word
    return Prompt(ids, before=prompt.before, mask=prompt.mask)


def first_order(gradient: Tensor, vectors: Tensor, ids: Tensor, count: int) -> Tensor:
    """The `count` ids (V',) whose vectors (V', D), by the gradient (D,), lower the loss the most.

    The loss changes, to first order, by the product of the gradient and the change of the
    embedding; the old embedding adds the same to all (Shin et al. 2020, equation 2).
    """
    promised = vectors.to(gradient.dtype) @ gradient
    return ids[promised.argsort(stable=True)[:count]]
