"""The frozen language model: embeddings in, hidden states of the asked layers out."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint as checkpointed

from tsprompt.backbones.attention import attending, check
from tsprompt.backbones.bert import Bert
from tsprompt.backbones.families import Family
from tsprompt.backbones.gelu import fuse_gelu
from tsprompt.backbones.picture import Picture
from tsprompt.backbones.spoken import Spoken
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import Words
from tsprompt.base.accelerator import sent
from tsprompt.base.files import is_folder
from tsprompt.errors import ConfigError

if TYPE_CHECKING:
    from tsprompt.backbones.word_scores import WordScorer

__all__ = ["Backbone", "Words", "fingerprint"]


class Backbone:
    """N frozen transformer layers, of which only `depth` are loaded. What is special to a family of
    models (encoder, decoder, encoder-decoder, image) is in `family`.

    Its parameters never take gradients and it stays in evaluation mode. Gradients do flow through
    it to its inputs, if those ask for them. A trained one: `tsprompt.backbones.trainable_copy`.
    """

    def __init__(
        self,
        *,
        name: str,
        seed: int,
        model: nn.Module,
        family: Family,
        words: Words,
        layers: int,
        positions: int,
        device: torch.device,
        dtype: torch.dtype,
        passes_through: bool,
    ) -> None:
        self.name = name
        self.seed = seed
        self.layers = layers
        """N, the number of layers of the whole model."""
        self.depth = family.depth
        """How many of them are loaded."""
        self.family = family
        self.positions = positions
        """The most tokens that it can read at once."""
        self.device = device
        self.dtype = dtype
        self.passes_through = passes_through
        """Whether embeddings go straight to the readout (`none`)."""
        self.learns = False
        """Whether gradients flow to its own parameters now."""
        self.speaker: WordScorer | None = None
        """Its own head for masked words, where that is trained with it."""
        self._checkpoint = False
        self.words = words
        self.weights_hash = fingerprint(model)
        self.model = model.to(device).requires_grad_(False).eval()
        if isinstance(model, Bert):
            model.lowered(dtype)
        else:
            self.model.to(dtype)
        if device.type == "cpu" and dtype is torch.bfloat16:
            fuse_gelu(self.model)
        self.word_vectors: Tensor = family.word_vectors(self.model)
        """(V, D) word embeddings as they enter the model, float32."""

    @property
    def hidden_size(self) -> int:
        """D, the size of an embedding and, but for a few models, of a hidden state."""
        return int(self.word_vectors.shape[1])

    @property
    def state_size(self) -> int:
        """The size of a hidden state; small ELECTRAs and ALBERTs widen their embeddings."""
        config: Any = self.model.config
        return self.hidden_size if self.passes_through else int(config.hidden_size)

    @property
    def n_parameters(self) -> int:
        """Numbers that are loaded and used."""
        if self.passes_through:
            return self.family.n_entering(self.model)
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def word_scale(self) -> float:
        """Standard deviation of the entries of the word embeddings."""
        return float(self.word_vectors.std())

    @cached_property
    def second_segment(self) -> Tensor | None:
        """(D,) what is added to an embedding that stands in the second of two segments (token type
        1): the model itself adds what the first one has. None: it knows no segments, or adds them
        elsewhere than to the embeddings of words, as MobileBERT does."""
        told = self.family.second_segment(self.model)
        return told if told is not None and len(told) == self.hidden_size else None

    def embed(self, ids: Tensor | int) -> Tensor:
        """Word embeddings (..., D) of ids (...)."""
        if isinstance(ids, int):
            return self.word_vectors[ids]
        here = sent(ids, self.device)
        if here.ndim == 1 and not self.word_vectors.requires_grad:
            return self.word_vectors.index_select(0, here)  # in half the time
        return self.word_vectors[here]

    def nearest_words(self, vectors: Tensor) -> list[int]:
        """Ids of the words whose embeddings have the largest cosine with each of (P, D) vectors."""
        words = nn.functional.normalize(self.word_vectors, dim=1)
        near = nn.functional.normalize(vectors.to(self.device), dim=1) @ words.T
        return [int(number) for number in near.argmax(dim=1)]

    def run(
        self,
        embeddings: Tensor,
        layers: tuple[int, ...],
        deep: Tensor | None = None,
        *,
        at: Tensor | None = None,
    ) -> list[Tensor]:
        """Hidden states (B, L, D) of embeddings (B, L, D), for each layer, in the model's dtype.

        Layer 0 is what enters the first layer; layer k is what the k-th one puts out. Without
        layers (`none`) it is the embeddings themselves, in their own dtype. An encoder-decoder
        gives (B, L + 1, D): what its decoder says first is the last position. A model that is
        `asked` for texts gives (B, L + M, D). `answer` tells where to read.

        Parameters
        ----------
        deep
            (N, 2, P', D) keys and values for N layers, which each attends to besides its own.
        at
            (B, K) positions whose states alone are given, (B, K, D), without gradients: only if it
            `skips` others.
        """
        if self.passes_through:
            return [self.family.entering(embeddings, self.word_vectors)] * len(layers)
        prompt_learns = embeddings.requires_grad or (deep is not None and deep.requires_grad)
        learns = self.learns or prompt_learns
        if at is not None and isinstance(self.model, Bert):
            own = deep if max(layers) else None
            with torch.inference_mode(), self._hearing(own, slice(max(layers))):
                return self.model.states_at(embeddings.to(self.dtype), at.to(self.device), layers)
        with (
            torch.inference_mode(not learns),
            self._attention(learns=learns),
            self._saving_memory(deep),
            self._hearing(deep),
        ):
            given = embeddings.to(self.dtype)
            if isinstance(self.model, Bert):
                return self.model.states(given, layers)
            return self.family.run(self.model, given, layers)

    @property
    def skips(self) -> bool:
        """Whether it can leave out what its last layer says at positions that nobody reads."""
        return isinstance(self.model, Bert) and not (self.passes_through or self.learns)

    def answer(self, template: Template) -> slice:
        """Where in what `run` gives the answer to a template stands: one position, or none where
        the model was loaded without what says it."""
        return self.family.answer(template)

    def asked(self, spoken: Spoken) -> Self:
        """The same model, which answers in this way; it shares all weights, also those that are
        trained.

        Raises
        ------
        ConfigError
            It can't.
        """
        if spoken.alone:
            return self
        if self.passes_through and self.family.writes:
            raise ConfigError(
                f"{self.name} has no layers that could write a text; use a backbone with layers"
            )
        other = object.__new__(type(self))  # `copy` would load the weights again
        vars(other).update(vars(self))
        other.family = copy.copy(self.family)
        other.family.spoken = spoken
        other.positions = self.positions - spoken.room
        return other

    @property
    def first_word(self) -> str:
        """The word that a decoder beside the encoder starts with; nothing, where there is none."""
        start = self.family.start
        return "" if start < 0 else self.words.word(start)

    @property
    def picture(self) -> Picture:
        """The images that it reads; only of a model that reads images."""
        return self.family.picture

    def patches(self, images: Tensor) -> Tensor:
        """Embeddings (b, S, D), float32, of the patches of images (b, C, H, W) with colours in
        [0, 1]; only of a model that reads images."""
        return self.family.patches(self.model, images)

    def check_deep(self) -> None:
        """See that it can be given keys and values for each layer.

        Raises
        ------
        ConfigError
            Its attention can't.
        """
        if not self.passes_through:
            check(self.model, self.model_layers, self.name)

    def _hearing(
        self, deep: Tensor | None, layers: slice = slice(None)
    ) -> AbstractContextManager[None]:
        """While the block runs, these layers attend to keys and values besides their own."""
        if deep is None:
            return nullcontext()
        if not isinstance(self.model, Bert):
            from tsprompt.backbones.deep import let_ask  # brings transformers in

            let_ask(self.model, self.model_layers, self.name)
        own = deep[layers].to(self.device)
        return attending(self.model, self.model_layers[layers], own, self.name)

    def _attention(self, *, learns: bool) -> AbstractContextManager[None]:
        """While the block runs, attention is plain matrix products where gradients are to flow and
        those of torch's joint operation take ten times as long: bfloat16 on a processor."""
        slow = learns and self.device.type == "cpu" and self.dtype == torch.bfloat16
        return sdpa_kernel(SDPBackend.MATH) if slow else nullcontext()

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that training may change, by name: none, if it is frozen."""
        return {}

    @property
    def n_trained(self) -> int:
        """How many numbers these are."""
        return sum(parameter.numel() for parameter in self.trained.values())

    @property
    def trained_rate(self) -> float:
        """Step size for these parameters."""
        return 0.0

    def trained_state(self) -> dict[str, Tensor]:
        """A copy of what training may have changed, by name."""
        return {name: one.detach().clone() for name, one in self.trained.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `trained_state` gave."""
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(state[name])

    @cached_property
    def _weights(self) -> frozenset[tuple[str, int]]:
        """The names of its parameters, and where each lies in memory."""
        return frozenset((name, one.data_ptr()) for name, one in self.model.named_parameters())

    def holds(self, other: Backbone) -> bool:
        """Whether it says at each layer of another what that one says: both have the same weights
        in memory, and this one has at least as many layers of them."""
        alike = all(
            mine == others
            for mine, others in (
                (type(self.family), type(other.family)),
                (self.family.answers, other.family.answers),
                (self.family.spoken.key, other.family.spoken.key),
                (self.passes_through, other.passes_through),
                (self.word_vectors.data_ptr(), other.word_vectors.data_ptr()),
            )
        )
        return self is other or (
            alike and self.depth >= other.depth and other._weights <= self._weights
        )

    @contextmanager
    def learning(self, *, checkpoint: bool = False) -> Iterator[None]:
        """While the block runs, gradients flow to what may be trained.

        Parameters
        ----------
        checkpoint
            Keep only what enters each layer, and run the layer again for its gradients (Chen et al.
            2016): less memory, more time, the same gradients.

        Raises
        ------
        ConfigError
            The model's layers can't be told apart.
        """
        if checkpoint and not self.model_layers and not self.passes_through:
            raise ConfigError(
                f"checkpoint=true: the layers of {self.name} can't be told apart; leave it out"
            )
        before = self.learns, self._checkpoint
        try:
            self.learns, self._checkpoint = bool(self.trained), checkpoint
            for parameter in self.trained.values():
                parameter.requires_grad_(True)
            yield
        finally:
            self.learns, self._checkpoint = before
            for parameter in self.trained.values():
                parameter.requires_grad_(False)
                parameter.grad = None

    @contextmanager
    def _saving_memory(self, deep: Tensor | None) -> Iterator[None]:
        """While the block runs, layers are checkpointed, if that was asked for."""
        if not (self._checkpoint and torch.is_grad_enabled()):
            yield
            return
        for number, layer in enumerate(self.model_layers):
            # When the layer is run again, the block has ended: it brings its prompt along.
            run = partial(self._run_layer, layer.forward, slice(number, number + 1), deep)
            layer.forward = partial(checkpointed, run, use_reentrant=False)
        try:
            yield
        finally:
            for layer in self.model_layers:
                del layer.forward  # the class has its own

    def _run_layer(
        self, forward: Any, own: slice, deep: Tensor | None, *given: Any, **options: Any
    ) -> Any:
        with self._hearing(deep, own), self._attention(learns=True):
            return forward(*given, **options)

    @cached_property
    def model_layers(self) -> list[nn.Module]:
        """The layers that read the data, from the first on."""
        return self.family.model_layers(self.model)

    @property
    def dtype_name(self) -> str:
        """`float32` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")


def fingerprint(model: nn.Module) -> str:
    """Hash over the names and bytes of all parameters, whatever file they came from."""
    digest = hashlib.sha256()
    for key, parameter in sorted(model.named_parameters()):
        digest.update(key.encode())
        values = parameter.detach().to("cpu", torch.float32).contiguous()
        digest.update(values.numpy().data)
    return digest.hexdigest()


def local_folder(name: str) -> Path | None:
    """The folder that `name` is, if it is one."""
    path = Path(name).expanduser()
    return path if is_folder(path) else None
