"""Scores of texts for an image: what a CLIP was trained to tell, beside its tower for images.

| letter | counts |
|---|---|
| D | entries of a state of the tower for images |
| E | entries in the space that images and texts share |
| C | things that texts are given for, one or several for each |

It is loaded when a part asks for it, and never otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones.base import Backbone, fingerprint
from tsprompt.backbones.catalogue import split_name
from tsprompt.backbones.load import _describe, _drawn, _read, _shuffle, _tokenizer, _whole_config
from tsprompt.backbones.word_scores import WordScorer
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.errors import ConfigError

__all__ = ["TextScorer", "text_scorer"]


class TextScorer(WordScorer):
    """Scaled cosines of images and texts (Radford et al. 2021), for the state at [CLS].

    ``score = exp(t) cos(W_image state, text)``, t being learned in the pretraining. Where several
    texts are given for one thing, its vector is the mean of theirs, each of length 1, brought to
    length 1.
    """

    def __init__(self, backbone: Backbone, texts: Sequence[Sequence[str]]) -> None:
        towers = _towers_of(backbone)
        vectors = torch.stack([towers.told(own, backbone.name) for own in texts])
        super().__init__(
            backbone,
            "texts",
            size=towers.size,
            transform=towers.see,
            vectors=vectors,
            bias=vectors.new_zeros(len(vectors)),
            weights_hash=towers.weights_hash,
        )
        self.scale = towers.scale
        """exp(t): how long `say` makes what it says of an image."""
        self._texts = tuple(tuple(own) for own in texts)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, loads the weights instead of carrying them along."""
        return text_scorer, (self.backbone, self._texts)


def text_scorer(backbone: Backbone, texts: Sequence[Sequence[str]]) -> TextScorer:
    """What scores images by texts, for C things.

    The twins treat projections and tower for texts as they treat the other weights: `random` draws
    them anew, `shuffled` permutes the entries inside their matrices. With `none` the pretrained
    ones read the embeddings.

    Parameters
    ----------
    texts
        One or several for each.

    Raises
    ------
    ConfigError
        The model reads no texts, or can't read one of these.
    """
    return TextScorer(backbone, texts)


class _See(nn.Module):
    """Images (..., E), as long as the scale says, of states (..., D)."""

    def __init__(self, projection: nn.Module, scale: float) -> None:
        super().__init__()
        self.projection, self.scale = projection, scale

    def forward(self, states: Tensor) -> Tensor:
        return self.scale * functional.normalize(self.projection(states), dim=-1)


class _Towers(nn.Module):
    """What a CLIP has besides its tower for images."""

    weights_hash = ""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.see = _See(model.visual_projection, float(model.logit_scale.detach().exp()))
        self.text_model, self.text_projection = model.text_model, model.text_projection
        self._tokenizer = tokenizer
        self._positions = int(model.config.text_config.max_position_embeddings)

    @property
    def size(self) -> int:
        """D."""
        return int(self.see.projection.in_features)  # type: ignore[arg-type]

    @property
    def scale(self) -> float:
        """exp(t)."""
        return self.see.scale

    def told(self, texts: Sequence[str], name: str) -> Tensor:
        """(E,), of length 1: the mean of what these texts are."""
        said = functional.normalize(torch.stack([self._of(one, name) for one in texts]), dim=1)
        return functional.normalize(said.mean(dim=0), dim=0)

    def _of(self, text: str, name: str) -> Tensor:
        """(E,) of one text, read from its end."""
        tokenizer = self._tokenizer
        ids = tokenizer.encode(text, add_special_tokens=False)
        special = set(tokenizer.all_special_ids)
        if not ids or special & set(ids):
            raise ConfigError(
                f"{name} can't read the text {text!r}: "
                + ("it has no words" if not ids else "its vocabulary can't spell a word of it")
                + "; give another text"
            )
        if len(ids) + 2 > self._positions:
            raise ConfigError(
                f"the text {text!r} has {len(ids)} tokens, and {name} reads {self._positions - 2} "
                "at the most; give a shorter text"
            )
        framed = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        device = next(self.parameters()).device
        with torch.no_grad():
            said = self.text_model(input_ids=torch.tensor([framed], device=device))
            out: Tensor = self.text_projection(said.pooler_output)[0]
        return out


def _towers_of(backbone: Backbone) -> _Towers:
    if backbone.family.name != "clip":
        reads = f"reads {backbone.family.reads} alone"
        raise ConfigError(
            f"{backbone.name} {reads}, and texts are compared with pictures by a CLIP; use one as "
            "the backbone, such as openai/clip-vit-base-patch32, or its folder"
        )
    twin, _ = split_name(backbone.name)
    seed = backbone.seed if twin in ("random", "shuffled") else 0
    return _load_towers(backbone.name, seed, str(backbone.device))


@lru_cache(maxsize=4)
def _load_towers(name: str, seed: int, device: str) -> _Towers:
    twin, base = split_name(name)
    source, _, _ = _describe(base)
    config = _whole_config(source)
    if not hasattr(config, "text_config"):
        raise ConfigError(f"{base} is the tower for images of a CLIP alone; use a whole CLIP")
    config.vision_config.num_hidden_layers = 0
    try:
        tokenizer = _tokenizer(source, local=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{base} has no vocabulary for texts ({str(error).splitlines()[0]}); put its tokenizer "
            "into the folder"
        ) from None
    _check_frame(tokenizer, config.text_config, base)
    seed = derive(seed, "texts")
    with seeded_torch(seed):  # transformers draws what is overwritten then
        model, lacking = (_drawn(config, seed), []) if twin == "random" else _read(source, config)
    lacking = [one for one in lacking if not one.startswith("vision_model.")]
    if lacking:
        raise ConfigError(f"the file of {base} lacks {min(lacking)}, which texts are read by")
    towers = _Towers(model, tokenizer)
    if twin == "shuffled":
        _shuffle(towers, seed)
    towers.weights_hash = fingerprint(towers)
    return towers.to(device).requires_grad_(False).eval()


def _check_frame(tokenizer: Any, config: Any, base: str) -> None:
    """See that the vocabulary is that of the tower, which reads a text at the token that ends it.

    Raises
    ------
    ConfigError
        It is not.
    """
    ends = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    # Early files say 2, whatever their vocabulary: transformers then takes the largest id.
    own = ends[1] if config.eos_token_id == 2 else config.eos_token_id
    if None in ends or ends[1] != own or len(tokenizer) > config.vocab_size:
        raise ConfigError(
            f"the vocabulary in {base} is not the one that its texts were read with "
            f"({len(tokenizer)} entries for {config.vocab_size}, text ends with id {ends[1]} "
            f"instead of {own}); put the model's own tokenizer there"
        )
