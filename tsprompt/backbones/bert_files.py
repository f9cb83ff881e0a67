"""The folder of a BERT, read without transformers: its sizes, its vocabulary, its weights.

Only what is of the usual kind in every respect is read here. `None` says that something is not,
and transformers shall read the folder, or say what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache, partial
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
_PIECES: dict[str, dict[str, Any]] = {
    "normalizer": {"type": "BertNormalizer", "clean_text": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "model": {"type": "WordPiece", "continuing_subword_prefix": "##"},
}
"""Part of `tokenizer.json` -> what it says where the package tokenizers reads texts by itself."""
_SPELLED = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
"""Entry of its normalizer -> that of `tokenizer_config.json`, which transformers takes."""
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


Encode = Callable[[str], list[int]]


class WordPieces:
    """The vocabulary of a BERT, and its tokenizer once there is a text to be read."""

    def __init__(
        self, ids: dict[str, int], special: dict[str, str], encoder: Callable[[], Encode]
    ) -> None:
        self._ids, self._encoder = ids, lru_cache(encoder)
        for kind, word in special.items():
            setattr(self, f"{kind}_token", word)
            setattr(self, f"{kind}_token_id", ids[word])
        self.all_special_ids = [ids[word] for word in special.values()]

    def rest(self) -> None:
        """Let go of the tokenizer until there is another text."""
        self._encoder.cache_clear()

    def get_vocab(self) -> dict[str, int]:
        """Word -> id."""
        return self._ids

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of a text's tokens; there are none around it."""
        assert not add_special_tokens, "a template has its own"
        return self._encoder()(text)


def read_vocabulary(folder: Path, encoder: Callable[[], Encode]) -> WordPieces | None:
    """The words of `tokenizer.json`.

    Parameters
    ----------
    encoder
        Gives transformers' way to read a text, whose import takes seconds, and memory: it is used
        where the file says of a text something else than usual.
    """
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
    own = partial(_encoder, folder / "tokenizer.json") if _reads_alike(said, names) else encoder
    return WordPieces(ids, special, own) if usual else None


def _reads_alike(said: dict[str, Any], names: dict[str, Any]) -> bool:
    """Whether the file's tokenizer reads a text as transformers does, by the two files."""
    usual = all(
        isinstance(said.get(part), dict) and said[part].items() >= own.items()
        for part, own in _PIECES.items()
    )
    return usual and all(
        said["normalizer"].get(own, object()) == names.get(theirs, "not said")
        for own, theirs in _SPELLED.items()
    )


def _encoder(file: Path) -> Encode:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return encode


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
