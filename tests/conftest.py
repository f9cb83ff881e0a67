"""What the tests share: a tiny BERT, tiny data sets, and an environment without a network."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings

# torch, transformers and huggingface_hub read these when they are imported: nothing above may
# import them, and below they are imported inside functions only.
_HOME = Path(tempfile.mkdtemp(prefix="tsprompt-tests-"))
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HOME=str(_HOME / "huggingface"),
    TSPROMPT_CACHE_DIR=str(_HOME / "cache"),
    OMP_NUM_THREADS="1",  # tensors are tiny: threads would only wait for each other
)

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests of it would
# wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("tsprompt", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("tsprompt")


@pytest.fixture(scope="session", autouse=True)
def _remove_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extra", help="run the tests of this extra alone; none of them may be skipped"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is not of the extra that was asked for; skip what this machine can't run."""
    wanted = config.getoption("--extra")
    if wanted is not None:
        others = [item for item in items if wanted not in _extras(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if wanted in _extras(item)]
    for item in items:
        missing = next((one for one in _extras(item) if not _is_installed(one)), None)
        if missing is not None and missing != wanted:
            item.add_marker(pytest.mark.skip(reason=f"the extra {missing} is not installed"))
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


def _extras(item: pytest.Item) -> list[str]:
    """The extras of tsprompt that a test needs."""
    return [mark.args[0] for mark in item.iter_markers("extra")]


@cache
def _is_installed(extra: str) -> bool:
    """Whether all packages of an extra are there."""
    return not lacking(f"tsprompt[{extra}]")


def lacking(requirement: str) -> list[str]:
    """Packages that an installed distribution asks for with an extra, and that are not there."""
    from packaging.requirements import Requirement

    asked = Requirement(requirement)
    found = []
    for text in distribution(asked.name).requires or []:
        one = Requirement(text)
        if one.marker and not any(one.marker.evaluate({"extra": name}) for name in asked.extras):
            continue
        try:
            distribution(one.name)
        except PackageNotFoundError:
            found.append(one.name)
    return found


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


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


def save_bert(folder: Path, seed: int = 0, **changes: Any) -> str:
    """Write a BERT with random weights and its tokenizer to a folder."""
    import torch
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    sizes = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
    }
    config = BertConfig(vocab_size=save_tokenizer(folder), **{**sizes, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(config)
        # BERT's own initialisation is so small that layers hardly differ, and its biases are all
        # alike: make them matter.
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data.mul_(4)
            else:
                parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    return str(folder)


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
    import torch
    import transformers

    sizes = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
        "pad_token_id": 0,
    }
    if family == "DistilBert":
        sizes["hidden_dim"] = sizes["intermediate_size"]
    if family == "Electra":
        sizes["embedding_size"] = 32
    config = getattr(transformers, f"{family}Config")(
        vocab_size=save_tokenizer(folder), **{**sizes, **changes}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, f"{family}ForMaskedLM")(config)
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data.mul_(4)
            else:
                parameter.data.add_(0.05 * torch.randn_like(parameter))
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


class Separable(NamedTuple):
    """A small, well separated problem: train and test, X (n, T, F) with T = 20, F = 2."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that differ in level, frequency and direction; labels are words."""
    rng = np.random.default_rng(seed)
    number = np.arange(count) % 3
    time = np.linspace(0, 1, 20)[None, :]
    phase = rng.uniform(0, 0.3, size=(count, 1))
    first = np.sin(2 * np.pi * ((number[:, None] + 1) * time + phase)) + 2.0 * (number[:, None] - 1)
    second = (number[:, None] - 1) * time * 2 + np.cos(2 * np.pi * phase)
    values = np.stack([first, second], axis=2) + 0.1 * rng.standard_normal((count, 20, 2))
    return values.astype(np.float32), np.array(["calm", "mild", "wild"])[number]


@pytest.fixture(scope="session")
def separable() -> Separable:
    """24 train and 15 test cases of three classes, 20 timesteps, 2 features."""
    return Separable(*waves(24, 0), *waves(15, 1))


@pytest.fixture(scope="session")
def ragged(separable: Separable) -> Separable:
    """The same problem, each case with a length of its own between 13 and 20, not in order."""

    def cut(X: np.ndarray) -> list[np.ndarray]:
        return [one[: 13 + (7 * i) % 8] for i, one in enumerate(X)]

    return separable._replace(X=cut(separable.X), X_test=cut(separable.X_test))


@pytest.fixture(scope="session")
def gappy(separable: Separable) -> Separable:
    """The same problem with missing values in train and test, one case without any value of f 0."""

    def punch(X: np.ndarray, seed: int) -> np.ndarray:
        holes = np.where(np.random.default_rng(seed).random(X.shape) < 0.05, np.nan, X)
        holes[1, :, 0] = np.nan
        return holes.astype(np.float32)

    return separable._replace(X=punch(separable.X, 2), X_test=punch(separable.X_test, 3))


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


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Any]:
    """A record of a run: `make_record("GunPoint", "shared", 0.9, seed=1, ...)`."""
    from tsprompt.benchmark import Record

    def make(dataset: str, method: str, accuracy: float | None, **more: Any) -> Record:
        figures: dict[str, Any] = {"status": "ok", "fit_seconds": 1.0, "predict_seconds": 0.5}
        if accuracy is None:
            figures = {"status": "failed", "error": "broken"}
        about = {"kind": "model", "seed": 0, "resample": 0, "accuracy": accuracy}
        return Record(dataset=dataset, method=method, **{**about, **figures, **more})

    return make


@pytest.fixture
def write_records(tmp_path: Path) -> Callable[..., Path]:
    """Write records into a folder of results: `write_records([...])` gives the folder."""

    def write(records: list[Any]) -> Path:
        folder = tmp_path / "results"
        for number, record in enumerate(records):
            record.write(folder / "records" / f"{number:05}.json")
        return folder

    return write
