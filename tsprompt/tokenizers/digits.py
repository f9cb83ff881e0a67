"""`digits`: each value is written out as text, digit by digit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.part import require
from tsprompt.base.state import Positive, numbers
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.tokenizers.base import Tokenizer, Vocabulary, pool_mean, tokenizers

__all__ = ["Digits"]

_CHARACTERS = "0123456789+-,"
_PLUS, _MINUS, _COMMA = (_CHARACTERS.index(character) for character in "+-,")


@tokenizers.register("digits")
@dataclass
class Digits(Tokenizer):
    """A sign, the digits, and a comma for each feature: ids (b, S, F * (digits + 2)).

    Standardised values are scaled so that train's largest magnitude just fills the digits, and
    written without a decimal point, as in LLMTime (Gruver et al. 2023): with two digits, 1.28 of at
    most 3.0 becomes ``+ 4 2 ,``. Larger values stay at the largest number. A patch is represented
    by its mean.
    """

    discrete: ClassVar[bool] = True
    by_channel: ClassVar[bool] = True

    digits: int = 2
    """Digits of a value."""

    class State(Tokenizer.State):
        """What fitting has learned."""

        unit_: Positive
        ids_: Annotated[Tensor, numbers("int64", "characters", least=0, below="V")]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.digits <= 6, "digits: digits must be between 1 and 6")

    def width(self, n_features: int) -> int:
        """Sign, digits and comma of each feature."""
        return n_features * (self.digits + 2)

    @classmethod
    def writing(cls, cases: Cases, most: int) -> Digits:
        """Fitted on train to write texts of about `most` characters, of which no vocabulary need
        have a token."""
        made = cls()
        steps = max(1, most // made.width(cases.n_features))
        made.patch_ = math.ceil(int(cases.lengths.max()) / steps)
        made.max_steps_ = steps
        made._learn_unit(cases)
        return made

    def texts(self, cases: Cases) -> list[str]:
        """What is written of cases, one text for each: ``+42,-07,``."""
        found = [""] * len(cases)
        for index, values in cases.groups():
            patch = self.patch_length(values.shape[1])
            spelled = self._spelled(torch.from_numpy(values), patch).flatten(1)
            for case, own in zip(index, spelled.tolist(), strict=True):
                found[case] = "".join(_CHARACTERS[number] for number in own)
        return found

    def _learn_unit(self, cases: Cases) -> None:
        largest = max(float(np.abs(one).max()) for one in cases)
        self.unit_ = (10**self.digits - 1) / largest if largest > 0 else 1.0

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        self._learn_unit(cases)
        ids = [vocabulary.words.id(character) for character in _CHARACTERS]
        if None in ids:
            raise ConfigError(
                f"digits: the vocabulary of {vocabulary.name} has no token "
                f"{_CHARACTERS[ids.index(None)]!r}; use the tokenizer bins:words=random"
            )
        self.ids_ = torch.tensor([i for i in ids if i is not None])

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        return sent(self.ids_, values.device)[self._spelled(values, patch)]

    def _spelled(self, values: Tensor, patch: int) -> Tensor:
        """(b, S, F * (digits + 2)) numbers of the characters of values (b, T, F)."""
        scaled = (pool_mean(values, patch) * self.unit_).round()
        top = 10**self.digits - 1
        number = scaled.abs().clamp(max=top).to(torch.int64)
        sign = torch.where(scaled < 0, _MINUS, _PLUS)
        places = [number // 10**place % 10 for place in reversed(range(self.digits))]
        characters = torch.stack([sign, *places, torch.full_like(sign, _COMMA)], dim=3)
        return characters.flatten(2)
