"""`soft-words`: a written template whose words are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.prompts.base import PromptModule, prompts
from tsprompt.prompts.manual import Manual
from tsprompt.prompts.soft import FreeVectors, resume_vectors

__all__ = ["SoftWords"]


@prompts.register("soft-words")
@dataclass
class SoftWords(Manual):
    """The words of a template as vectors that start from their embeddings and are trained (Qin and
    Eisner 2021). With `per-step` each step's words are trained alone."""

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "none")
    of_vectors: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """The embeddings (P, D) of the words, to start from."""
        start: Prompt = self.draw(slots, backbone, rng)
        return FreeVectors(start.fill(backbone), (start.before, start.mask))

    def resume(self, start: Prompt, slots: int, backbone: Backbone) -> PromptModule:
        """Vectors (P, D) that were trained before, or the embeddings of words that were found,
        placed as they were."""
        return resume_vectors(self.name, start, slots, backbone)
