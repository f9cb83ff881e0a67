"""Tiny language models with random weights, written to folders as Hugging Face's are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def tiny_vocabulary() -> list[str]:
    """Specials, the numbers 0 to 199, signs, letters, pieces and 150 lower-case words."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    numbers = [str(number) for number in range(200)]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [f"##{letter}" for letter in letters]
    syllables = itertools.product("bdfklmnprst", "aeiou")
    words = ["".join(pair) for pair in itertools.permutations(map("".join, syllables), 2)]
    return [*specials, *numbers, "+", "-", ",", ".", *letters, *pieces, *words[::19][:150]]


def save_tokenizer(folder: Path) -> int:
    """Write a WordPiece tokenizer; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = tiny_vocabulary()
    model = models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return len(words)


SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
"""Those of a tiny BERT."""


def save_bert(folder: Path, seed: int = 0, **changes: Any) -> str:
    """Write a BERT with random weights and its tokenizer to a folder."""
    return _save(folder, "Bert", "BertModel", seed, **changes)


def _make_them_matter(model: Any) -> None:
    """Larger weights, and biases of their own: as a model is initialised, its weights are so small
    that layers hardly differ, and its biases are all alike."""
    import torch

    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.mul_(4)
        else:
            parameter.data.add_(0.05 * torch.randn_like(parameter))


FAMILIES: dict[str, dict[str, Any]] = {
    "roberta": {"max_position_embeddings": 130, "pad_token_id": 1},
    "mpnet": {"max_position_embeddings": 130, "pad_token_id": 1},
    "gpt2": {"max_position_embeddings": 128, "bos_token_id": 2, "eos_token_id": 3},
    "bart": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 128,
        "scale_embedding": True,
        "decoder_start_token_id": 3,
    },
    "t5": {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 2,
        "decoder_start_token_id": 0,
    },
    "vit": {"image_size": 32, "patch_size": 8, "num_channels": 3},
}
"""Options of tiny models, by what transformers calls them."""
SPECIALS: dict[str, dict[str, str]] = {
    "gpt2": {"bos_token": "[CLS]", "eos_token": "[SEP]"},
    "t5": {"pad_token": "[PAD]", "eos_token": "[SEP]"},
}
"""Special tokens of those that have others than BERT."""


def save_family(folder: Path, kind: str, seed: int = 0, **changes: Any) -> str:
    """Write a tiny model of another kind, with random weights and a tokenizer of words."""
    import torch
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    general = {
        "vocab_size": save_tokenizer(folder),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    if kind in SPECIALS:
        file = str(folder / "tokenizer.json")
        for one in folder.glob("*token*_config.json"):
            one.unlink()
        PreTrainedTokenizerFast(
            tokenizer_file=file, unk_token="[UNK]", **SPECIALS[kind]
        ).save_pretrained(folder)
    if kind == "vit":
        for one in folder.iterdir():
            one.unlink()
    options = {"vocab_size": general["vocab_size"]} if "d_model" in FAMILIES[kind] else general
    config = AutoConfig.for_model(kind, **{**options, **FAMILIES[kind], **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModel.from_config(config)
        for parameter in model.parameters():
            # As for BERT: layers shall differ, and biases shall matter.
            if parameter.ndim == 2 and kind != "t5":
                parameter.data.mul_(4)
            elif parameter.ndim == 1:
                parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="session")
def make_family(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A tiny model of another kind: `make_family("gpt2", seed=1, ...)` gives its folder. Without
    changes it is written once."""
    written: dict[str, str] = {}

    def make(kind: str, seed: int = 0, **changes: Any) -> str:
        if seed or changes:
            return save_family(tmp_path_factory.mktemp(kind), kind, seed, **changes)
        if kind not in written:
            written[kind] = save_family(tmp_path_factory.mktemp(kind), kind)
        return written[kind]

    return make


def save_clip(folder: Path, seed: int = 0, **changes: Any) -> str:
    """Write a tiny CLIP with random weights, and a tokenizer of words; `changes` are those of its
    configuration."""
    import torch
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    size = save_tokenizer(folder)
    tower = {"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        unk_token="[UNK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
    ).save_pretrained(folder)
    text = {"vocab_size": size, "hidden_size": 24, "max_position_embeddings": 40}
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    image = {"hidden_size": 32, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(
        text_config={**tower, **text, **ends},
        vision_config={**tower, **image},
        **{"projection_dim": 16, **changes},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIPModel(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.data.mul_(20 if "embedding" in name else 4)
            elif parameter.ndim:
                parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A tiny CLIP: `make_clip(seed=1, ...)` gives its folder; without changes, written once."""
    written: list[str] = []

    def make(seed: int = 0, **changes: Any) -> str:
        if seed or changes:
            return save_clip(tmp_path_factory.mktemp("clip"), seed, **changes)
        if not written:
            written.append(save_clip(tmp_path_factory.mktemp("clip")))
        return written[0]

    return make


@pytest.fixture(scope="session")
def make_bert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write another tiny BERT: `make_bert(seed=1, num_hidden_layers=4, ...)` gives its folder."""

    def make(seed: int = 0, **changes: Any) -> str:
        return save_bert(tmp_path_factory.mktemp("bert"), seed, **changes)

    return make


@pytest.fixture(scope="session")
def tiny_bert(make_bert: Callable[..., str]) -> str:
    """The folder of a BERT with 2 layers of 32, 128 positions and random weights."""
    return make_bert()


def save_mlm(folder: Path, family: str, seed: int, **changes: Any) -> str:
    """Write a masked language model with random weights, its head for words among them."""
    own: dict[str, Any] = {"pad_token_id": 0}
    if family == "DistilBert":
        own["hidden_dim"] = SIZES["intermediate_size"]
    if family == "Electra":
        own["embedding_size"] = SIZES["hidden_size"]
    return _save(folder, family, f"{family}ForMaskedLM", seed, **{**own, **changes})


def _save(folder: Path, family: str, kind: str, seed: int, **changes: Any) -> str:
    """Write a model of a class of transformers', with random weights, and its tokenizer."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    config = getattr(transformers, f"{family}Config")(
        vocab_size=save_tokenizer(folder), **{**SIZES, **changes}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, kind)(config)
        _make_them_matter(model)
    if hasattr(model, "cls") and hasattr(model.cls, "seq_relationship"):
        model.cls.seq_relationship.weight.data.mul_(20)  # else all pairs look alike
    model.save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="session")
def make_mlm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write a tiny masked language model: `make_mlm("Roberta", seed=1, ...)` gives its folder."""

    def make(family: str = "Bert", seed: int = 0, **changes: Any) -> str:
        return save_mlm(tmp_path_factory.mktemp("mlm"), family, seed, **changes)

    return make


@pytest.fixture(scope="session")
def tiny_mlm(make_mlm: Callable[..., str]) -> str:
    """The folder of a BERT like `tiny_bert` that has its head for masked words."""
    return make_mlm()


def save_next(folder: Path, kind: str, seed: int, **changes: Any) -> str:
    """Write a BERT with random weights and its head for next sentences."""
    return _save(folder, "Bert", kind, seed, **changes)


@pytest.fixture(scope="session")
def make_next(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write a tiny BERT that judges next sentences: `make_next("BertForPreTraining", seed=1)`."""

    def make(kind: str = "BertForNextSentencePrediction", seed: int = 0, **changes: Any) -> str:
        return save_next(tmp_path_factory.mktemp("next"), kind, seed, **changes)

    return make


@pytest.fixture(scope="session")
def tiny_next(make_next: Callable[..., str]) -> str:
    """The folder of a BERT like `tiny_bert` that has its head for next sentences."""
    return make_next()


@pytest.fixture(scope="session")
def tiny(tiny_bert: str) -> dict[str, Any]:
    """Keyword arguments of a PromptClassifier that fits in a blink and always alike."""
    return {
        "backbone": tiny_bert,
        "device": "cpu",
        "dtype": "float32",
        "n_prompts": 1,
        "random_state": 0,
    }


@pytest.fixture(scope="session")
def backbone(tiny_bert: str) -> Any:
    """The tiny BERT, loaded in float32 on the CPU."""
    from tsprompt.backbones import load_backbone

    return load_backbone(tiny_bert, device="cpu", dtype="float32")


def save_writer(folder: Path, seed: int = 0, **changes: Any) -> str:
    """Write a tiny T5 with random weights that can be asked to fill gaps: its vocabulary has
    sentinels, and its file the head for words."""
    import torch
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()
    save_tokenizer(folder)
    vocabulary = AutoTokenizer.from_pretrained(folder)
    vocabulary.add_special_tokens({"eos_token": "[SEP]"})
    vocabulary.add_tokens([f"<extra_id_{number}>" for number in range(3)], special_tokens=True)
    vocabulary.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(vocabulary), pad_token_id=0, eos_token_id=3, **{**FAMILIES["t5"], **changes}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        T5ForConditionalGeneration(config).save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_writer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny T5 that writes."""
    return save_writer(tmp_path_factory.mktemp("writer"))


@pytest.fixture(scope="session")
def tools(tiny_writer: str, tiny_corpus: str) -> dict[str, dict[str, Any]]:
    """The files of the user's that a tuner needs, as its options, by its name."""
    return {
        "generate": {"model": tiny_writer},
        "mine": {"corpus": tiny_corpus, "keep": 1},
        "paraphrase": {"model": tiny_writer, "back": None, "keep": 1, "draws": 1},
    }


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A text file with sentences about series that are calm, mild or wild."""
    file = tmp_path_factory.mktemp("corpus") / "sentences.txt"
    lines = [
        "A signal is a calm one. The signal is a mild one, they say.",
        "So wild a curve, and no wave!",
        "",
        "Nothing is said here.",
        "the trend of it is mild",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)
