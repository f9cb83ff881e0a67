"""What every family of models says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt.backbones.picture import Picture
from tsprompt.backbones.spoken import ONE_WORD, Spoken
from tsprompt.backbones.template import FRAME, Template
from tsprompt.backbones.vocabulary import Words
from tsprompt.errors import BackboneError

__all__ = ["Family", "as_rows", "first_of", "pick"]

_FINAL_NORMS = (
    "ln_f",
    "norm_f",
    "final_layer_norm",
    "final_layernorm",
    "final_norm",
    "layer_norm",
    "layernorm",
    "norm",
)
"""What models call the normalisation behind their last layer, where they have one."""


class Family(ABC):
    """One kind of model, cut to the layers that are read.

    A model whose last layer is followed by a normalisation (GPT-2, T5, ViT) gives the last layer's
    states behind it, as transformers does, and those of the layers below as they are: whether it
    is loaded whole or cut makes no difference.
    """

    name: ClassVar[str]
    reads: ClassVar[str] = "words"
    """`words`, or `images`."""
    frame: ClassVar[tuple[str, ...]] = FRAME
    """Which slots of the frame the model reads."""
    answers_apart: ClassVar[bool] = False
    """Whether the answer takes layers of its own, which are left out where nobody reads it."""

    causal: ClassVar[bool] = False
    """Whether each token hears those before it alone, and the answer is what comes next."""

    start: int = -1
    """The id of the token that a decoder beside the encoder starts with."""

    picture: Picture
    """The images that it reads, if it does."""

    spoken: Spoken = ONE_WORD
    """How the answer is given; see `Backbone.asked`."""
    writes: ClassVar[bool] = False
    """Whether it writes word after word, and fills no masks."""

    def __init__(self, config: Any, depth: int, *, answers: bool = True) -> None:
        """`config` is changed to that of a model of `depth` layers."""
        self.answers = answers or not self.answers_apart
        self.total = self.layers(config)
        self.depth = self.loaded(depth)
        """Layers that are loaded of the stack that reads the data."""
        config.num_hidden_layers = self.depth

    @classmethod
    @abstractmethod
    def claims(cls, config: Any) -> bool:
        """Whether a model is of this family, by its configuration."""

    @classmethod
    def reading(cls, config: Any) -> Any:
        """The configuration of the part of a model that reads the data."""
        return config

    @classmethod
    def layers(cls, config: Any) -> int:
        """N, of the whole model."""
        return int(config.num_hidden_layers)

    @classmethod
    def check(cls, config: Any, base: str) -> None:
        """See that tsprompt can run it.

        Raises
        ------
        BackboneError
            It can't.
        """
        size = getattr(config, "hidden_size", None)
        inner = getattr(config, "word_embed_proj_dim", size)
        if inner != size:
            raise BackboneError(
                f"{base} projects word embeddings of {inner} entries to {size} and "
                "its last states back, so that its layers differ in size; use another of its kind"
            )

    def loaded(self, depth: int) -> int:
        """How many layers of the stack that reads the data are loaded, to read up to `depth`."""
        return depth

    @abstractmethod
    def words(self, vocabulary: Any, base: str) -> Words:
        """The words of the model, and what of them stands in the slots of the frame.

        Raises
        ------
        BackboneError
            It lacks what belongs there.
        """

    def trim(self, model: nn.Module) -> None:
        """Take away what is not run: it must not enter the hash either."""
        # Never run, and freshly initialised where the file lacks it.
        if hasattr(model, "pooler"):
            setattr(model, "pooler", None)  # noqa: B010  (to mypy a module is never None)
        if self.depth < self.total:
            _drop_final_norm(self.stack(model), self.depth)

    def stack(self, model: nn.Module) -> nn.Module:
        """The part of the model that reads the data."""
        return model

    def model_layers(self, model: nn.Module) -> list[nn.Module]:
        """The layers that read the data, from the first on."""
        return next(map(list, _stacks_of(self.stack(model), self.depth)), [])

    def word_vectors(self, model: nn.Module) -> Tensor:
        """(V, D) embeddings of all words, as they enter the model."""
        table: Any = model.get_input_embeddings()  # type: ignore[operator]
        weight: Tensor = table.weight.detach().to(torch.float32)
        # BART and the like multiply in the lookup, which embeddings that are given don't pass.
        scale = float(getattr(table, "embed_scale", 1.0))
        return weight if scale == 1 else weight * scale

    def second_segment(self, model: nn.Module) -> Tensor | None:
        """(D,) what the second of two segments has more in its embeddings than the first; None
        where the model knows no segments."""
        table = getattr(getattr(model, "embeddings", None), "token_type_embeddings", None)
        if table is None or table.num_embeddings < 2:
            return None
        first, second = table.weight.detach().to(torch.float32)[:2]
        return second - first

    def n_entering(self, model: nn.Module) -> int:
        """How many numbers make the embeddings, where nothing else is used."""
        return self.word_vectors(model).numel()

    def positions(self, model: nn.Module, config: Any) -> int:
        """The most tokens that it can read at once."""
        # RoBERTa's family counts positions from behind its padding id.
        table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        return int(config.max_position_embeddings) - (0 if padding is None else padding + 1)

    def answer(self, template: Template) -> slice:
        """Where in what `run` gives the answer to a template stands."""
        return slice(template.mask, template.mask + template.masks)

    def entering(self, embeddings: Tensor, vectors: Tensor) -> Tensor:
        """What `run` would give with no layers at all; `vectors` (V, D) are those of the words."""
        return embeddings

    def patches(self, model: nn.Module, images: Tensor) -> Tensor:
        """Embeddings (b, S, D) of the patches of images (b, C, H, W); of a model of images."""
        raise NotImplementedError(f"a model of the family {self.name!r} reads no images")

    def run(self, model: nn.Module, embeddings: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """Hidden states (B, L', D) of embeddings (B, L, D), for each of the layers."""
        said = model(inputs_embeds=embeddings, output_hidden_states=True)
        return pick(said, layers)


def pick(said: Any, layers: tuple[int, ...]) -> list[Tensor]:
    """The layers asked for of what a model of transformers gives."""
    # Of no layers at all, what enters the first is the last.
    states = said.hidden_states or (said.last_hidden_state,)
    return [states[layer] for layer in layers]


def as_rows(words: list[int] | Tensor, embeddings: Tensor) -> Tensor:
    """Ids (B, n) of the same words for all rows of embeddings (B, L, D), or of each row's own."""
    if isinstance(words, Tensor):
        return words.to(embeddings.device)
    ids = torch.tensor(words, dtype=torch.long, device=embeddings.device)
    return ids.expand(len(embeddings), -1)


def first_of(tokenizer: Any, *kinds: str) -> int | None:
    """The id of the first special token of these kinds that the vocabulary has."""
    for kind in kinds:
        number = getattr(tokenizer, f"{kind}_token_id", None)
        if number is not None:
            return int(number)
    return None


def _stacks_of(model: nn.Module, depth: int) -> list[nn.ModuleList]:
    return [one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) == depth]


def _drop_final_norm(model: nn.Module, depth: int) -> None:
    """The normalisation behind the last layer belongs to the last one of the whole model."""
    stacks = _stacks_of(model, depth)
    owners = [one for one in model.modules() if stacks and stacks[0] in one.children()]
    owner = owners[0] if owners else None
    for name in _FINAL_NORMS:
        if isinstance(getattr(owner, name, None), nn.Module):
            setattr(owner, name, nn.Identity())
