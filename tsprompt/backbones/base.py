"""The frozen language model: embeddings in, hidden states of the asked layers out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as checkpointed

from tsprompt.errors import ConfigError

__all__ = ["Backbone", "Words", "fingerprint"]


class Words:
    """The vocabulary of a backbone: ids to words, words to ids, and the special ones."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = tokenizer.get_vocab()
        self._words = {number: word for word, number in self._ids.items()}
        self.cls = int(tokenizer.cls_token_id)
        self.sep = int(tokenizer.sep_token_id)
        self.mask = int(tokenizer.mask_token_id)
        self.unknown: int | None = tokenizer.unk_token_id
        self.special = frozenset(map(int, tokenizer.all_special_ids))

    def __len__(self) -> int:
        return len(self._ids)

    def word(self, number: int) -> str:
        """The word of an id, as the vocabulary spells it."""
        return self._words.get(number, f"<{number}>")

    def id(self, word: str) -> int | None:
        """The id of a word, or None if it is not one token of this vocabulary."""
        return self._ids.get(word)

    def encode(self, text: str) -> list[int]:
        """Ids of a text's tokens, without special ones around it."""
        return [int(one) for one in self._tokenizer.encode(text, add_special_tokens=False)]

    def knows(self, text: str) -> bool:
        """Whether a text is all tokens of this vocabulary, whole words or pieces of them."""
        return self.unknown is None or self.unknown not in self.encode(text)

    @cached_property
    def plain(self) -> list[int]:
        """Ids of whole words of letters: no special tokens, pieces, digits or unused entries."""
        return sorted(
            number
            for word, number in self._ids.items()
            if number not in self.special and word.lstrip("Ġ▁").isalpha()
        )


class Backbone:
    """N frozen transformer layers of a BERT-family encoder, of which only `depth` are loaded.

    Its parameters never take gradients and it stays in evaluation mode. Gradients do flow through
    it to its inputs, if those ask for them. See `tsprompt.backbones.tuned` for one that is trained.
    """

    def __init__(
        self,
        *,
        name: str,
        seed: int,
        model: nn.Module,
        tokenizer: Any,
        layers: int,
        depth: int,
        positions: int,
        device: torch.device,
        dtype: torch.dtype,
        passes_through: bool,
    ) -> None:
        self.name = name
        self.seed = seed
        self.layers = layers
        """N, the number of layers of the whole model."""
        self.depth = depth
        """How many of them are loaded."""
        self.positions = positions
        """The most tokens that it can read at once."""
        self.device = device
        self.dtype = dtype
        self.passes_through = passes_through
        """Whether embeddings go straight to the readout (`none`)."""
        self.learns = False
        """Whether gradients flow to its own parameters now."""
        self._checkpoint = False
        self.words = Words(tokenizer)
        self.weights_hash = fingerprint(model)
        self.model = model.to(device=device, dtype=dtype).requires_grad_(False).eval()
        embeddings = model.get_input_embeddings().weight  # type: ignore[operator]
        self.word_vectors: Tensor = embeddings.detach().to(torch.float32)
        """(V, D) word embeddings, float32."""

    @property
    def hidden_size(self) -> int:
        """D, the size of a hidden state."""
        return int(self.word_vectors.shape[1])

    @property
    def n_parameters(self) -> int:
        """Numbers that are loaded and used."""
        if self.passes_through:
            return int(self.word_vectors.numel())
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def word_scale(self) -> float:
        """Standard deviation of the entries of the word embeddings."""
        return float(self.word_vectors.std())

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings (..., D) of ids (...)."""
        return self.word_vectors[ids.to(self.device)]

    def nearest_words(self, vectors: Tensor) -> list[int]:
        """Ids of the words whose embeddings have the largest cosine with each of (P, D) vectors."""
        words = nn.functional.normalize(self.word_vectors, dim=1)
        near = nn.functional.normalize(vectors.to(self.device), dim=1) @ words.T
        return [int(number) for number in near.argmax(dim=1)]

    def run(
        self, embeddings: Tensor, layers: tuple[int, ...], deep: Tensor | None = None
    ) -> list[Tensor]:
        """Hidden states (B, L, D) of embeddings (B, L, D), for each layer, in the model's dtype.

        Layer 0 is what enters the first layer; layer k is what the k-th one puts out. Without
        layers (`none`) it is the embeddings themselves, in their own dtype.

        Parameters
        ----------
        deep
            (N, 2, P', D) keys and values for N layers, which each attends to besides its own.
        """
        if self.passes_through:
            return [embeddings] * len(layers)
        prompt_learns = embeddings.requires_grad or (deep is not None and deep.requires_grad)
        learns = self.learns or prompt_learns
        with torch.inference_mode(not learns), self._saving_memory(deep), self._hearing(deep):
            said = self.model(inputs_embeds=embeddings.to(self.dtype), output_hidden_states=True)
            # Of no layers at all, what enters the first is the last.
            states = said.hidden_states or (said.last_hidden_state,)
            return [states[layer] for layer in layers]

    def check_deep(self) -> None:
        """See that it can be given keys and values for each layer.

        Raises
        ------
        ConfigError
            Its attention can't.
        """
        if not self.passes_through:
            from tsprompt.backbones.deep import check  # brings transformers in

            check(self.model, self.model_layers, self.name)

    def _hearing(
        self, deep: Tensor | None, layers: slice = slice(None)
    ) -> AbstractContextManager[None]:
        """While the block runs, these layers attend to keys and values besides their own."""
        if deep is None:
            return nullcontext()
        from tsprompt.backbones.deep import attending  # brings transformers in

        own = deep[layers].to(self.device)
        return attending(self.model, self.model_layers[layers], own, self.name)

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
        with self._hearing(deep, own):
            return forward(*given, **options)

    @cached_property
    def model_layers(self) -> list[nn.Module]:
        """The layers that are loaded, from the first on."""
        stacks = [
            list(one)
            for one in self.model.modules()
            if isinstance(one, nn.ModuleList) and len(one) == self.depth
        ]
        return stacks[0] if stacks else []

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
    return path if path.is_dir() else None
