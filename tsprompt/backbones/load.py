"""Load a backbone: find it, verify it, cut it to the depth that is read, freeze it."""

from __future__ import annotations

import copyreg
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tsprompt.backbones.base import Backbone, local_folder
from tsprompt.backbones.bert import BertSizes
from tsprompt.backbones.bert_files import read_sizes, read_vocabulary, read_weights
from tsprompt.backbones.catalogue import BUNDLED, available, cached, split_name
from tsprompt.backbones.families import FAMILIES, Encoder, Family
from tsprompt.backbones.shared_weights import sharing
from tsprompt.backbones.spoken import Spoken
from tsprompt.base.seeds import generator, seeded_torch
from tsprompt.errors import BackboneError, ConfigError, counted

__all__ = [
    "input_of",
    "load_backbone",
    "native_bfloat16",
    "nothing_fetched",
    "pick_device",
    "pick_dtype",
    "total_layers",
]


_fetches: ContextVar[bool] = ContextVar("fetches", default=True)
"""Whether what is not on this machine may be downloaded."""


@contextmanager
def nothing_fetched() -> Iterator[None]:
    """While the block runs, backbones come from this machine alone: a saved file that names one is
    no reason to ask the network for it."""
    before = _fetches.set(False)
    try:
        yield
    finally:
        _fetches.reset(before)


def load_backbone(
    name: str = "minilm",
    depth: int | None = None,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
    *,
    answers: bool = True,
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
    answers
        Whether the answer is read. Where it is not, an encoder-decoder is loaded without decoder.

    Raises
    ------
    BackboneError
        There is no such model here, its weights are not the expected ones, or it is of no family
        that tsprompt can run.
    ConfigError
        The device or dtype is not available.
    """
    place = pick_device(device)
    number = pick_dtype(dtype, place)
    twin, _ = split_name(name)
    # The pretrained model is the same whatever the seed, and mostly whoever reads the answer: don't
    # load it once for each.
    seed = seed if twin in ("random", "shuffled") else 0
    answers = answers or not _about(name)[1].answers_apart
    return _load(name, depth, seed, str(place), number, answers=answers)


def _again(backbone: Backbone) -> tuple[Any, ...]:
    """A copy, in this process or another, loads the weights instead of carrying them along."""
    place = (str(backbone.device), backbone.dtype_name)
    names = (backbone.name, backbone.depth, backbone.seed, *place)
    return _loaded_again, (names, backbone.family.answers, backbone.family.spoken)


def _loaded_again(place: tuple[Any, ...], answers: bool, spoken: Spoken) -> Backbone:
    return load_backbone(*place, answers=answers).asked(spoken)


copyreg.pickle(Backbone, _again)


@lru_cache(maxsize=8)
def _load(
    name: str, depth: int | None, seed: int, device: str, dtype: torch.dtype, *, answers: bool
) -> Backbone:
    twin, base = split_name(name)
    source, config, vocabulary = _find(twin, base)
    kind = _family(config, base)
    layers = kind.layers(config)
    depth = 0 if twin == "none" else layers if depth is None else depth
    if depth > layers:
        raise ConfigError(
            f"the backbone {name} has {counted(layers, 'layer')}; layer {depth} was asked for"
        )
    family = kind(config, depth, answers=answers)
    words = family.words(vocabulary, base)
    model = _build(twin, source, config, family, base, seed=seed)
    backbone = Backbone(
        name=name,
        seed=seed,
        model=model,
        family=family,
        words=words,
        layers=0 if twin == "none" else layers,
        positions=family.positions(model, config),
        device=torch.device(device),
        dtype=dtype,
        passes_through=twin == "none",
    )
    return sharing(backbone)


@lru_cache
def _about(name: str) -> tuple[int, type[Family]]:
    """N, and the family, without loading weights."""
    twin, base = split_name(name)
    _, config, _ = _find(twin, base)
    kind = _family(config, base)
    return 0 if twin == "none" else kind.layers(config), kind


def total_layers(name: str) -> int:
    """N, the number of layers of a backbone, without loading its weights."""
    return _about(name)[0]


def input_of(name: str) -> str:
    """What a backbone reads, `words` or `images`, without loading its weights."""
    return _about(name)[1].reads


def _find(twin: str | None, base: str) -> tuple[str, Any, Any]:
    """As `_describe`; of a plain BERT without transformers, which takes seconds to import."""
    folder = _folder(base)
    # Random weights are drawn by transformers.
    sizes = read_sizes(folder) if folder is not None and twin != "random" else None
    if folder is not None and sizes is not None:
        vocabulary = read_vocabulary(folder, partial(_encoder, folder))
        if vocabulary is not None:
            return str(folder), sizes, vocabulary
    return _describe(base)


def _folder(base: str) -> Path | None:
    return BUNDLED[base].path() if base in BUNDLED else local_folder(base)


def _describe(base: str) -> tuple[str, Any, Any]:
    """Where a backbone lies, its configuration, and its tokenizer; of a model of images, how these
    are prepared."""
    from transformers import AutoConfig

    folder = _folder(base)
    source = str(folder or base)
    local = folder is not None or base in cached()
    if not local and not _fetches.get():
        raise BackboneError(
            f"the backbone {base!r} is neither bundled, nor a folder, nor cached on this machine, "
            "and what a file names is not downloaded; fetch it yourself, as by hf download "
            f"{base}. Here there are: {', '.join(available())}"
        )
    if not local:
        _ask_hub(base)
    with _quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(
                source, trust_remote_code=False, local_files_only=local
            )
            kind = _family(config, base)
            config = kind.reading(config)
            kind.check(config, base)
            vocabulary = _VOCABULARIES[kind.reads](source, local)
        except (OSError, ValueError, KeyError) as error:
            raise _absent(base, folder is not None, error) from None
    return source, config, vocabulary


def _family(config: Any, base: str) -> type[Family]:
    if isinstance(config, BertSizes):
        return Encoder
    for kind in FAMILIES:
        if kind.claims(config):
            return kind
    raise BackboneError(
        f"{base} is a {config.model_type} model, of no family that tsprompt can run: encoders "
        "(BERT, RoBERTa, ...), decoders (GPT-2, ...), encoder-decoders (BART, T5, ...), ViT and "
        "CLIP"
    )


def _tokenizer(source: str, local: bool) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=local)


def _encoder(folder: Path) -> Callable[[str], list[int]]:
    """How transformers reads a text."""
    return partial(_tokenizer(str(folder), True).encode, add_special_tokens=False)


def _preparation(source: str, local: bool) -> dict[str, Any]:
    from transformers.models.auto.image_processing_auto import get_image_processor_config

    return dict(get_image_processor_config(source, local_files_only=local))


_VOCABULARIES = {"words": _tokenizer, "images": _preparation}
"""What is read beside the configuration, by what a family reads."""


def _ask_hub(base: str) -> None:
    """Fail in seconds, not after a minute of retries, where the hub can't be reached."""
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(base, timeout=10)
    except Exception as error:  # no such name, no network, or a refused connection: all the same
        raise _absent(base, False, error) from None


def _build(
    twin: str | None, source: str, config: Any, family: Family, base: str, *, seed: int
) -> nn.Module:
    if twin == "random":
        model = _drawn(config, seed)
        family.trim(model)
        return model
    plain = isinstance(config, BertSizes)
    try:
        model, lacking = read_weights(Path(source), config) if plain else _read(source, config)
    except Exception as error:  # whatever a damaged or partial download makes the loader raise
        raise _absent(base, local_folder(source) is not None, error) from None
    family.trim(model)
    lacking = sorted(set(lacking) & {name for name, _ in model.named_parameters()})
    if lacking:
        raise BackboneError(
            f"{base} can't be loaded: its file holds no weights for {lacking[0]}"
            f"{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}; it is another model "
            "than its config.json says, or damaged"
        )
    if twin == "shuffled":
        _shuffle(model, seed)
    return model


def _whole_config(source: str) -> Any:
    """That of all parts of a model that is on this machine."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)


def _drawn(config: Any, seed: int, kind: str = "AutoModel") -> nn.Module:
    """A model with random weights; `kind`: the class of transformers that draws it."""
    import transformers

    with _quiet_transformers(), seeded_torch(seed):
        own = getattr(transformers, kind)
        model: nn.Module = own.from_config(config, trust_remote_code=False)
    return model.to(torch.float32)


def _read(source: str, config: Any, kind: str = "AutoModel") -> tuple[nn.Module, list[str]]:
    """The model of a file, and what the file lacks: that is drawn at random by transformers."""
    import transformers

    with _quiet_transformers():
        model, report = getattr(transformers, kind).from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            local_files_only=not _fetches.get(),
        )
    return model, list(report["missing_keys"])


def _shuffle(model: nn.Module, seed: int) -> None:
    """Permute the entries inside each matrix; biases and LayerNorm vectors stay."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim < 2:
                continue
            order = generator(seed, "shuffled", key).permutation(parameter.numel())
            parameter.copy_(parameter.flatten()[torch.from_numpy(order)].view_as(parameter))


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
        if not isinstance(device, str | torch.device):
            raise RuntimeError
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
