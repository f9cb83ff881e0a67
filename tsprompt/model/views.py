"""What each member of an ensemble sees of the cases, and its features beside the others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from tsprompt.base.scratch import Scratch, let_go, row_blocks, scratch_of
from tsprompt.combinations import Combination
from tsprompt.data import Cases
from tsprompt.reading.passes import Pass
from tsprompt.reading.together import read_passes

__all__ = ["Columns", "Views", "joined_features"]


class Views:
    """What each member sees of some cases, made once."""

    def __init__(self, combination: Combination) -> None:
        self._combination = combination
        self._made: dict[tuple[int, int], tuple[Cases, Cases]] = {}

    def of(self, cases: Cases, member: int) -> Cases:
        """A member's view; the same object, if it is asked for again."""
        key = id(cases), member
        if key not in self._made:
            self._made[key] = cases, self._combination.view(cases, member)
        return self._made[key][1]


class Columns:
    """The features of all readings side by side, on the processor: they exist once."""

    def __init__(self, count: int, scratch: Scratch | None = None) -> None:
        """Of so many readings, in memory or in a table of the scratch folder."""
        self._count, self._filled, self._scratch = count, 0, scratch
        self.joined = torch.empty(0)

    def append(self, features: torch.Tensor) -> None:
        """The next reading's features (B, R)."""
        self.put(self._filled, features)

    def put(self, number: int, features: torch.Tensor) -> None:
        """The features (B, R) of the reading of this number, from 0 on."""
        rows, width = features.shape
        if self._count == 1:
            self.joined = features if scratch_of(features) else features.to("cpu", torch.float32)
            return
        if not self._filled:
            make = torch.empty if self._scratch is None else self._scratch.table
            self.joined = make(rows, self._count * width)
        start = number * width
        for part in row_blocks(features):
            self.joined[part, start : start + width] = features[part].to(self.joined)
            let_go(self.joined)
        self._filled += 1


def joined_features(passes: Mapping[str, Sequence[Pass]]) -> dict[str, torch.Tensor]:
    """The features (B, R) of each model's cases, those of all its passes side by side, by the
    model's name; all models are read together."""
    columns = {name: Columns(len(own)) for name, own in passes.items()}
    places = {id(one): (name, k) for name, own in passes.items() for k, one in enumerate(own)}
    with (
        torch.inference_mode()
    ):  # else a tenth of the time of a single case goes to autograd's notes
        for done in read_passes([one for own in passes.values() for one in own]):
            name, number = places[id(done)]
            features = done.features()
            with torch.inference_mode(False):  # a head may take gradients of what it is given
                columns[name].put(number, features.clone() if len(passes[name]) == 1 else features)
            done.kept.clear()
    for own in passes.values():
        own[0].reader.forget()
    return {name: one.joined for name, one in columns.items()}
