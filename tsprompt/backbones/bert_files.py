"""The folder of a BERT, read without transformers: its sizes, its vocabulary, its weights.

Only what is of the usual kind in every respect is read here. `None` says that something is not,
and transformers shall read the folder, or say what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tsprompt.backbones.bert import Bert, BertSizes

__all__ = ["WordPieces", "read_sizes", "read_vocabulary", "read_weights"]

_USUAL: dict[str, tuple[Any, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": (None, "absolute"),
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "is_encoder_decoder": (None, False),
    "auto_map": (None,),
    "quantization_config": (None,),
    "embedding_size": (None,),
    "chunk_size_feed_forward": (None, 0),
    "word_embed_proj_dim": (None,),
}
"""Entry of `config.json` -> the values under which a BERT is what `tsprompt.backbones.bert` is."""
_KINDS = ("unk", "sep", "pad", "cls", "mask")
"""The special tokens of a BERT."""
_SPELLINGS = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
"""Names of now and of the first files of weights."""


def read_sizes(folder: Path) -> BertSizes | None:
    """What `config.json` says."""
    said = _json(folder / "config.json")
    if said is None or any(said.get(key) not in usual for key, usual in _USUAL.items()):
        return None
    own = {one.name: said.get(one.name) for one in dataclasses.fields(BertSizes)}
    sizes = [value for name, value in own.items() if name not in ("model_type", "layer_norm_eps")]
    whole = all(type(one) is int and one > 0 for one in sizes)
    if not whole or type(own["layer_norm_eps"]) is not float:
        return None
    fits = own["hidden_size"] % own["num_attention_heads"] == 0
    return BertSizes(**own) if fits and (folder / "model.safetensors").is_file() else None


class WordPieces:
    """The vocabulary of a BERT, and its tokenizer once there is a text to be read."""

    def __init__(self, ids: dict[str, int], special: dict[str, str], encoder: Callable[[], Any]):
        self._ids, self._encoder = ids, encoder
        for kind, word in special.items():
            setattr(self, f"{kind}_token", word)
            setattr(self, f"{kind}_token_id", ids[word])
        self.all_special_ids = [ids[word] for word in special.values()]

    def get_vocab(self) -> dict[str, int]:
        """Word -> id."""
        return self._ids

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of a text's tokens."""
        ids: list[int] = self._encoder().encode(text, add_special_tokens=add_special_tokens)
        return ids


def read_vocabulary(folder: Path, encoder: Callable[[], Any]) -> WordPieces | None:
    """The words of `tokenizer.json`; `encoder` gives the tokenizer itself, which takes seconds."""
    said, names = _json(folder / "tokenizer.json"), _json(folder / "tokenizer_config.json")
    try:
        special = {kind: _word(names[f"{kind}_token"]) for kind in _KINDS}
        others = ("bos_token", "eos_token", "additional_special_tokens", "extra_special_tokens")
        if any(names.get(one) for one in others) or said["model"]["type"] != "WordPiece":
            return None
        ids = {str(word): int(number) for word, number in said["model"]["vocab"].items()}
        added = {one["content"]: one["id"] for one in said["added_tokens"]}
        usual = added.keys() == set(special.values()) and ids.items() >= added.items()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return WordPieces(ids, special, encoder) if usual else None


def read_weights(folder: Path, config: BertSizes) -> tuple[Bert, list[str]]:
    """The model, float32, and the names of what its file lacks. The file is mapped into memory:
    what is not asked for is not read.

    Raises
    ------
    ValueError
        A tensor has another shape than the configuration says.
    SafetensorError, OSError
        The file is damaged.
    """
    from safetensors import safe_open

    model = Bert(config)
    state, lacking = {}, []
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
        for name, own in model.named_parameters():
            found = next((one for one in _spelled(name) if one in names), None)
            if found is None:
                lacking.append(name)
                continue
            state[name] = file.get_tensor(found).to(torch.float32)
            if state[name].shape != own.shape:
                shapes = f"{tuple(state[name].shape)} instead of {tuple(own.shape)}"
                raise ValueError(f"{found} has the shape {shapes}")
    if not lacking:
        model.load_state_dict(state, assign=True)
    return model, lacking


def _spelled(name: str) -> list[str]:
    """What files call a parameter."""
    old = name
    for now, then in _SPELLINGS:
        old = old.replace(now, then)
    return [f"{prefix}{one}" for one in (name, old) for prefix in ("", "bert.")]


def _word(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
