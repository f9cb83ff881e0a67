"""`patterns`: several templates that a person has written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.prompts.base import PromptModel, prompts
from tsprompt.prompts.manual import check_template, written_in

__all__ = ["Patterns"]


@prompts.register("patterns")
@dataclass
class Patterns(PromptModel):
    """Templates as they are written, one for each draw (the patterns of Schick and Schuetze 2021).

    Draw k of member m is template k + m, counted round; each is laid out as that of `manual`. With
    `search` the best of them is found. There are as many slots as the longest has tokens; with
    `per-step` a shorter one begins again.
    """

    refuses: ClassVar[tuple[str, ...]] = ("length", "placement")

    templates: str = (
        "{series} is [MASK].|[MASK] - {series}|a [MASK] pattern - {series}|"
        "the class of {series} is [MASK]."
    )
    """Templates with `{series}` and `[MASK]`, separated by `|`."""

    def __post_init__(self) -> None:
        self.templates = str(self.templates)
        for one in self.texts:
            check_template(one, self.name)
        require(
            self.length is None and self.placement == "around",
            f"{self.name}: length and placement have no meaning: the templates say what stands "
            "where; leave them out",
        )

    @property
    def texts(self) -> list[str]:
        """The templates."""
        return [one.strip() for one in self.templates.split("|")]

    def slots_of(self, backbone: Backbone, default: int) -> int:
        """As many as the longest template has tokens, one at the least.

        Raises
        ------
        ConfigError
            The vocabulary can't spell a word.
        """
        return max(1, *(len(written_in(one, backbone, self.name)) for one in self.texts))

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """One of the templates."""
        return self._said(int(rng.integers(len(self.texts))), slots, backbone)

    def draw_for(
        self, member: int, number: int, slots: int, backbone: Backbone, seed: int
    ) -> Prompt:
        """The template of this member and draw."""
        return self._said((member + number) % len(self.texts), slots, backbone)

    def _said(self, number: int, slots: int, backbone: Backbone) -> Prompt:
        written = written_in(self.texts[number], backbone, self.name)
        ids, longest = np.array(written.ids, dtype=np.int64), self.slots_of(backbone, 0)
        if slots > longest or self.inputs:  # of one step too, where it is an input of its own
            ids = np.tile(np.resize(ids, longest), slots // longest)
        return Prompt(ids=torch.from_numpy(ids), before=written.before, mask=written.mask)
