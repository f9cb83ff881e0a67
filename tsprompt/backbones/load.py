"""Load a backbone: find it, verify it, cut it to the depth that is read, freeze it."""

from __future__ import annotations

import copyreg
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from tsprompt.backbones.base import Backbone, local_folder
from tsprompt.backbones.catalogue import BUNDLED, available, cached, split_name
from tsprompt.errors import BackboneError, ConfigError
from tsprompt.seeds import generator, seeded_torch

__all__ = ["load_backbone", "native_bfloat16", "pick_device", "pick_dtype", "total_layers"]


def load_backbone(
    name: str = "minilm",
    depth: int | None = None,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
) -> Backbone:
    """Load the first `depth` layers of a backbone, frozen, in evaluation mode.

    Parameters
    ----------
    name
        `NAME` or `TWIN:NAME`, see `tsprompt.backbones`.
    depth
        How many layers to load; None loads all.
    seed
        What the `random` and `shuffled` twins are drawn from.
    device
        `auto`, `cpu`, `cuda`, `cuda:1`, `mps`, ...
    dtype
        `auto` (bfloat16 where the processor has it natively, else float32), `float32`, `bfloat16`.

    Raises
    ------
    BackboneError
        There is no such model here, its weights are not the expected ones, or it is no encoder
        with a mask token.
    ConfigError
        The device or dtype is not available.
    """
    place = pick_device(device)
    number = pick_dtype(dtype, place)
    twin, _ = split_name(name)
    # The pretrained model is the same whatever the seed: don't load it once for each.
    return _load(name, depth, seed if twin in ("random", "shuffled") else 0, str(place), number)


def _again(backbone: Backbone) -> tuple[Any, ...]:
    """A copy, in this process or another, loads the weights instead of carrying them along."""
    place = (str(backbone.device), backbone.dtype_name)
    return load_backbone, (backbone.name, backbone.depth, backbone.seed, *place)


copyreg.pickle(Backbone, _again)


@lru_cache(maxsize=8)
def _load(name: str, depth: int | None, seed: int, device: str, dtype: torch.dtype) -> Backbone:
    twin, base = split_name(name)
    source, config, tokenizer = _describe(base)
    layers = int(config.num_hidden_layers)
    depth = 0 if twin == "none" else layers if depth is None else depth
    if depth > layers:
        raise ConfigError(f"the backbone {name} has {layers} layers; layer {depth} was asked for")
    config.num_hidden_layers = depth
    model = _build(twin, source, config, base, seed)
    return Backbone(
        name=name,
        seed=seed,
        model=model,
        tokenizer=tokenizer,
        layers=0 if twin == "none" else layers,
        depth=depth,
        positions=_positions(model, config),
        device=torch.device(device),
        dtype=dtype,
        passes_through=twin == "none",
    )


@lru_cache
def total_layers(name: str) -> int:
    """N, the number of layers of a backbone, without loading its weights."""
    twin, base = split_name(name)
    return 0 if twin == "none" else int(_describe(base)[1].num_hidden_layers)


def _describe(base: str) -> tuple[str, Any, Any]:
    """Where a backbone lies, its configuration and its tokenizer."""
    from transformers import AutoConfig, AutoTokenizer

    folder = BUNDLED[base].path() if base in BUNDLED else local_folder(base)
    source = str(folder or base)
    local = folder is not None or base in cached()
    if not local:
        _ask_hub(base)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": local}
    with _quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(source, **options)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        except (OSError, ValueError, KeyError) as error:
            raise _absent(base, folder is not None, error) from None
    if config.is_encoder_decoder or not hasattr(config, "num_hidden_layers"):
        raise BackboneError(f"{base} is a {config.model_type} model, not a BERT-family encoder")
    missing = [
        kind
        for kind in ("cls_token", "sep_token", "mask_token")
        if getattr(tokenizer, kind, None) is None
    ]
    if missing:
        raise BackboneError(
            f"the vocabulary of {base} has no {' and no '.join(missing)}; tsprompt needs a "
            "BERT-family encoder (BERT, RoBERTa, MPNet, ELECTRA, DistilBERT, ...)"
        )
    return source, config, tokenizer


def _ask_hub(base: str) -> None:
    """Fail in seconds, not after a minute of retries, where the hub can't be reached."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(base, timeout=10)
    except Exception as error:  # no such name, no network, or a refused connection: all the same
        raise _absent(base, False, error) from None


def _build(twin: str | None, source: str, config: Any, base: str, seed: int) -> nn.Module:
    from transformers import AutoModel

    with _quiet_transformers():
        if twin == "random":
            with seeded_torch(seed):
                model: nn.Module = AutoModel.from_config(config, trust_remote_code=False)
            return _without_pooler(model.to(torch.float32))
        try:
            model = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            )
        except Exception as error:  # whatever a damaged or partial download makes the loader raise
            raise _absent(base, local_folder(source) is not None, error) from None
    model = _without_pooler(model)
    if twin == "shuffled":
        _shuffle(model, seed)
    return model


def _without_pooler(model: nn.Module) -> nn.Module:
    # Never run, and freshly initialised where the file lacks it: it must not enter the hash.
    if hasattr(model, "pooler"):
        setattr(model, "pooler", None)  # noqa: B010  (to mypy a module is never None)
    return model


def _shuffle(model: nn.Module, seed: int) -> None:
    """Permute the entries inside each matrix; biases and LayerNorm vectors stay."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim < 2:
                continue
            order = generator(seed, "shuffled", key).permutation(parameter.numel())
            parameter.copy_(parameter.flatten()[torch.from_numpy(order)].view_as(parameter))


def _positions(model: nn.Module, config: Any) -> int:
    """The longest input. RoBERTa's family counts positions from behind its padding id."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return int(config.max_position_embeddings) - (0 if padding is None else padding + 1)


def _absent(base: str, exists: bool, error: BaseException) -> BackboneError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if exists:
        return BackboneError(f"{base} can't be loaded: {reason}")
    return BackboneError(
        f"the backbone {base!r} is neither bundled, nor a folder, nor cached, and could not be "
        f"downloaded ({reason}). On this machine there are: {', '.join(available())}"
    )


def pick_device(device: str) -> torch.device:
    """The device that `auto` or a name stands for here.

    Raises
    ------
    ConfigError
        The name is unknown or the device is not available.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"device {device!r} is not one of: auto, cpu, cuda, mps") from None
    usable = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if not usable.get(place.type, False):
        here = [name for name, there in usable.items() if there]
        raise ConfigError(f"there is no {place.type} device here; available: {', '.join(here)}")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"there is no {device}; this machine has {torch.cuda.device_count()}")
    return place


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The dtype that `auto` or a name stands for on this device."""
    if dtype == "auto":
        return torch.bfloat16 if native_bfloat16(device) else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if dtype not in known:
        raise ConfigError(f"dtype {dtype!r} is not one of: auto, {', '.join(known)}")
    return known[dtype]


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively, and so faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
    return False


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bars or load reports: a truncated model is meant to leave weights unread."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
