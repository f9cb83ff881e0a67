"""The template: which slot stands at which of the L positions, and how the slots are filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, NotRequired, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import TypedDict

from tsprompt.backbones.vocabulary import Words
from tsprompt.base.accelerator import sent
from tsprompt.base.state import Index, numbers
from tsprompt.data import IntArray

__all__ = ["FRAME", "Embeds", "Prompt", "Template", "evenly"]

FRAME = ("cls", "mask", "sep")
"""The slots of a template besides those of the prompt and of the data."""


class Embeds(Protocol):
    """What filling a template takes of a backbone."""

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""

    @property
    def hidden_size(self) -> int:
        """D."""

    @property
    def words(self) -> Words:
        """The vocabulary."""

    @property
    def word_vectors(self) -> Tensor:
        """(V, D)."""

    @property
    def first_word(self) -> str:
        """What a decoder beside the encoder starts with."""

    def embed(self, ids: Tensor | int) -> Tensor:
        """Embeddings (..., D) of ids (...)."""

    def answer(self, template: Template) -> slice:
        """Where the answer to a template stands."""


@dataclass(frozen=True)
class Prompt:
    """What stands in the prompt slots of one reading: words (hard) or vectors (soft); and what is
    said to every layer beside them (deep)."""

    ids: Tensor | None
    """(P,) vocabulary ids, or None where the slots hold free vectors."""
    vectors: Tensor | None = None
    """(P, D) vectors; None where `ids` say it all."""
    deep: Tensor | None = None
    """(N, 2, P', D) keys and values of P' tokens that each layer attends to besides its own."""
    before: int | tuple[int, ...] = 0
    """How many of the P slots and the mask, taken in order, precede the data; of each step, where
    each is an input with slots of its own. (`per-step` has no use for a single number.)"""
    mask: int | tuple[int, ...] = 0
    """How many prompt slots precede the mask; of each step as above."""

    class State(TypedDict):
        """What fitting has learned."""

        ids: NotRequired[Annotated[Tensor, numbers("int64", "P", least=0, below="V")]]
        vectors: NotRequired[Annotated[Tensor, numbers("float32", "P", "D")]]
        deep: NotRequired[Annotated[Tensor, numbers("float32", "N", "two", "deep", "H")]]
        before: Index | list[Index]
        mask: Index | list[Index]

    def __post_init__(self) -> None:
        for name in ("before", "mask"):  # a file has lists
            if isinstance(told := getattr(self, name), list):
                object.__setattr__(self, name, tuple(told))

    def __len__(self) -> int:
        filled = self.vectors if self.ids is None else self.ids
        return 0 if filled is None else len(filled)

    def fill(self, backbone: Embeds) -> Tensor:
        """(P, D) vectors on the backbone's device."""
        if self.vectors is not None:
            return self.vectors.to(backbone.device)
        if self.ids is None:
            return backbone.word_vectors.new_empty(0, backbone.hidden_size)
        return backbone.embed(self.ids)

    @property
    def learns(self) -> bool:
        """Whether a gradient can flow to it."""
        return any(one is not None and one.requires_grad for one in (self.vectors, self.deep))

    def settled(self) -> Prompt:
        """The same, cut from whatever trains it; ids alone where they say it all."""

        def cut(one: Tensor | None) -> Tensor | None:
            return None if one is None else one.detach().clone()

        vectors = None if self.ids is not None else cut(self.vectors)
        ids = None if self.ids is None else self.ids.cpu()
        return Prompt(ids, vectors, cut(self.deep), self.before, self.mask)

    def part(self, number: int, count: int) -> Prompt:
        """The `number`-th of `count` equally long parts; the mask's place shrinks with it."""
        size = len(self) // count
        slots = slice(number * size, (number + 1) * size)
        return Prompt(
            None if self.ids is None else self.ids[slots],
            None if self.vectors is None else self.vectors[slots],
            self.deep,
            *(
                one // count if isinstance(one, int) else tuple(k // count for k in one)
                for one in (self.before, self.mask)
            ),
        )

    @property
    def apart(self) -> bool:
        """Whether each step is an input with slice and mask of its own."""
        return isinstance(self.before, tuple)

    @property
    def place(self) -> tuple[int, int]:
        """`before` and `mask`, of the first step where each has its own."""
        before, mask = (one if isinstance(one, int) else one[0] for one in (self.before, self.mask))
        return before, mask

    def at(self, step: int) -> Prompt:
        """The same with slice and mask as this step alone has them."""
        if not (isinstance(self.before, tuple) and isinstance(self.mask, tuple)):
            return self
        return replace(self, before=(self.before[step],), mask=(self.mask[step],))

    def laid_alike(self, steps: IntArray) -> Iterator[tuple[Any, Prompt]]:
        """Which of the rows that stand at these steps (r,) are laid out alike (what picks them: all
        or positions), with the prompt as they have it."""
        if not self.apart or not len(steps):
            yield slice(None), self
            return
        places = np.column_stack([self.before, self.mask])[steps]
        _, first, kind = np.unique(places, axis=0, return_index=True, return_inverse=True)
        for number, one in enumerate(first):
            yield np.flatnonzero(kind.ravel() == number), self.at(int(steps[one]))

    def equals(self, other: Prompt) -> bool:
        """Whether the model would say the same under both."""
        mine, others = self.settled(), other.settled()
        pairs = [(mine.ids, others.ids), (mine.vectors, others.vectors), (mine.deep, others.deep)]
        return (mine.before, mine.mask) == (others.before, others.mask) and all(
            a is b if a is None or b is None else a.equal(b) for a, b in pairs
        )

    def state(self) -> dict[str, Tensor | int | tuple[int, ...]]:
        """What a file must hold to make this prompt again."""
        tensors = {"ids": self.ids, "vectors": self.vectors, "deep": self.deep}
        kept = {key: value for key, value in tensors.items() if value is not None}
        return {**kept, "before": self.before, "mask": self.mask}


@dataclass(frozen=True)
class Template:
    """Positions of the slots. `[CLS]` is at 0; `[SEP]`, if there is one, at length - 1."""

    prompt: IntArray
    """(P,) positions of the prompt slots."""
    data: IntArray
    """(S, W) positions of the data tokens."""
    mask: int
    """Position of `[MASK]`."""
    frame: tuple[str, ...] = FRAME
    """Which of the slots `cls`, `mask` and `sep` there are."""
    markers: IntArray = field(default_factory=lambda: np.empty(0, np.intp))
    """(M,) positions of words that a context puts between the others."""
    masks: int = 1
    """How many masks stand side by side, from `mask` on."""

    @property
    def length(self) -> int:
        """L, all positions."""
        words = self.prompt.size + self.data.size + self.markers.size
        return len(self.frame) + self.masks - 1 + words

    @property
    def _framing(self) -> dict[str, int]:
        """Positions of the slots of the frame."""
        places = {"cls": 0, "mask": self.mask, "sep": self.length - 1}
        return {kind: places[kind] for kind in self.frame}

    def framed(self, frame: tuple[str, ...]) -> Template:
        """The same with these slots of the frame alone; the others close up.

        `[CLS]` must be among them; where `[MASK]` is not, it has the position -1.
        """
        if frame == self.frame:
            return self
        gone = np.array([at for kind, at in self._framing.items() if kind not in frame])

        def moved(positions: IntArray) -> IntArray:
            return positions - (positions[..., None] > gone).sum(axis=-1)

        mask = int(moved(np.array(self.mask))) if "mask" in frame else -1
        return Template(moved(self.prompt), moved(self.data), mask, frame)

    def with_masks(self, count: int) -> Template:
        """The same with so many masks in the place of one."""
        if count == self.masks or "mask" not in self.frame:
            return self

        def moved(positions: IntArray) -> IntArray:
            return positions + (count - self.masks) * (positions > self.mask)

        prompt, data, markers = map(moved, (self.prompt, self.data, self.markers))
        return replace(self, prompt=prompt, data=data, markers=markers, masks=count)

    @classmethod
    def from_order(cls, order: IntArray, width: int) -> Template:
        """Lay out slots between `[CLS]` and `[SEP]`.

        Parameters
        ----------
        order
            What stands where: a prompt slot k is ``k``, data tokens are ``-1``, the mask is ``-2``.
        width
            W, the tokens of a step.
        """
        slots = np.flatnonzero(order >= 0)
        return cls(
            prompt=slots[np.argsort(order[slots])] + 1,
            data=(np.flatnonzero(order == -1) + 1).reshape(-1, width),
            mask=int(np.flatnonzero(order == -2)[0]) + 1,
        )

    def with_data(self, positions: IntArray) -> Template:
        """With the data tokens at these positions (S, W) among their own."""
        return replace(self, data=positions)

    def marked(self, before: IntArray) -> Template:
        """With a slot for a marker before each of these positions (M,), in their order."""
        order = np.sort(before)

        def moved(positions: IntArray) -> IntArray:
            return positions + np.searchsorted(order, positions, side="right")

        return Template(
            prompt=moved(self.prompt),
            data=moved(self.data),
            mask=int(moved(np.array(self.mask))),
            frame=self.frame,
            markers=before + np.searchsorted(order, before),
        )

    def assemble(
        self, tokens: Tensor, prompt: Tensor, backbone: Embeds, markers: Tensor | None = None
    ) -> Tensor:
        """Fill all slots: embeddings (B, L, D).

        Parameters
        ----------
        tokens
            Ids (B, S, W) or embeddings (B, S, W, D).
        prompt
            Vectors (P, D), the same for all rows, or (B, P, D).
        markers
            Vectors (M, D) of the context's words.
        """
        data = tokens if tokens.is_floating_point() else backbone.embed(tokens)
        words = backbone.words
        out = data.new_empty(len(data), self.length, backbone.hidden_size)
        for kind, position in self._framing.items():
            out[:, position] = backbone.embed(int(getattr(words, kind)))
        out[:, self.mask + 1 : self.mask + self.masks] = backbone.embed(words.mask)
        out[:, evenly(self.data.ravel(), out.device)] = data.flatten(1, 2)
        out[:, evenly(self.prompt, out.device)] = prompt
        if markers is not None:
            out[:, evenly(self.markers, out.device)] = markers
        return out

    def order(self) -> npt.NDArray[np.int64]:
        """(L,) what stands at each position, counted through the frame, the prompt's slots and the
        data tokens, in this order."""
        order = np.empty(self.length, dtype=np.int64)
        framing = list(self._framing.values())
        places = np.concatenate([framing, self.prompt, self.data.ravel(), self.markers])
        order[places.astype(np.intp)] = np.arange(self.length)
        return order

    def words(
        self, tokens: Tensor, prompt: list[str], backbone: Embeds, markers: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """(slot kind, text) of every position, for one case's tokens (S, W) or (S, W, D).

        The position where the answer is read is of the kind `answer`, unless it is the mask; if the
        model says it at a place of its own, that is one more position. A mask at which nothing is
        read is of the kind `frame`.
        """
        text = [("", "")] * self.length
        for kind, position in self._framing.items():
            text[position] = (kind, backbone.words.word(getattr(backbone.words, kind)))
        text[self.mask + 1 : self.mask + self.masks] = [text[self.mask]] * (self.masks - 1)
        self._show_answer(text, backbone)
        for position, word in zip(self.prompt, prompt, strict=True):
            text[position] = ("prompt", word)
        for position, word in zip(self.markers, markers, strict=True):
            text[position] = ("context", word)
        discrete = not tokens.is_floating_point()
        for step, row in enumerate(self.data):
            for k, position in enumerate(row):
                shown = backbone.words.word(int(tokens[step, k])) if discrete else f"x{step + 1}"
                text[position] = ("data", shown)
        return text

    def _show_answer(self, text: list[tuple[str, str]], backbone: Embeds) -> None:
        """Say in the (kind, text) of all positions where the answer is read."""
        where = backbone.answer(self)
        if where == slice(self.mask, self.mask + self.masks):
            return
        if "mask" in self.frame:
            text[self.mask] = ("frame", text[self.mask][1])
        for position in range(where.start, where.stop):
            if position >= self.length:
                first = backbone.first_word if position == self.length else ""
                text.append(("answer", f"→ {first}".rstrip()))
            else:
                text[position] = ("answer", text[position][1])


def evenly(positions: IntArray, device: torch.device) -> slice | Tensor:
    """What picks these positions out of a tensor that lies on a device: a slice, if they are evenly
    spaced."""
    found = _even_slice(positions.astype(np.int64, copy=False).tobytes())
    return sent(positions, device) if found is None else found


@lru_cache(maxsize=1024)
def _even_slice(positions: bytes) -> slice | None:
    """The slice that picks these positions, if one does; asked again and again for few lengths."""
    told = np.frombuffer(positions, np.int64)
    steps = np.unique(np.diff(told))
    if len(told) and (len(steps) == 0 or (len(steps) == 1 and steps[0] > 0)):
        return slice(int(told[0]), int(told[-1]) + 1, int(steps[0]) if len(steps) else 1)
    return None
