"""Tokens of cases, made once, and cases in batches of one length."""

from __future__ import annotations

import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.data import Cases
from tsprompt.reading.reader import Reader
from tsprompt.tokenizers import Tokenizer

__all__ = ["CaseTokens"]


class CaseTokens:
    """The tokens of some cases, for training that comes back to them."""

    def __init__(self, reader: Reader, tokenizer: Tokenizer, cases: Cases) -> None:
        chunks = list(reader.keep_tokens(tokenizer, cases))
        self.chunks = [(torch.from_numpy(index), tokens) for index, tokens in chunks]
        # Case -> (chunk, row in it): cases of one length lie in one chunk.
        self.chunk_of = torch.empty(len(cases), dtype=torch.long)
        self.row_of = torch.empty(len(cases), dtype=torch.long)
        for number, (index, _) in enumerate(self.chunks):
            self.chunk_of[index] = number
            self.row_of[index] = torch.arange(len(index))

    def batches(self, cases: Tensor, size: int) -> list[Tensor]:
        """These cases (n,) in random batches, each of one length, in random order."""
        return [cases.cpu()[part] for part in self.places(cases, size)]

    def places(self, cases: Tensor, size: int) -> list[Tensor]:
        """The same, of each batch the places (b,) of its cases among these."""
        shuffled = torch.randperm(len(cases))
        chunks = self.chunk_of[cases.cpu()[shuffled]]
        parts = [
            part
            for number in range(len(self.chunks))
            if len(own := shuffled[chunks == number])
            for part in own.split(size)
        ]
        return [parts[i] for i in torch.randperm(len(parts)).tolist()]

    def of(self, cases: Tensor) -> Tensor:
        """(b, S, W) or (b, S, W, D) of cases (b,) of one batch."""
        _, tokens = self.chunks[int(self.chunk_of[cases[0]])]
        return tokens[sent(self.row_of[cases], tokens.device)]
