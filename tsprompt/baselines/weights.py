"""Pretrained weights for baselines: a folder, or a model of Hugging Face; safetensors only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt.base.files import is_folder
from tsprompt.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["fill", "find_weights", "read_settings"]

_WEIGHTS, _SETTINGS = "model.safetensors", "config.json"


def find_weights(source: str) -> Path:
    """The folder of `source`: itself, or where Hugging Face's cache keeps it (downloaded if need
    be); `model.safetensors` is in it.

    Raises
    ------
    BackboneError
        The weights are not to be had; the text says what to do.
    """
    folder = Path(source).expanduser()
    if is_folder(folder):
        if not (folder / _WEIGHTS).is_file():
            raise BackboneError(
                f"{source} holds no {_WEIGHTS}, the only kind of weights that is read; convert "
                "pickled ones (.bin, .pt) to safetensors first"
            )
        return folder
    try:
        return _cached(source)
    except (OSError, ValueError):
        return _downloaded(source)


def _cached(source: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(source, _WEIGHTS, local_files_only=True)).parent


def _downloaded(source: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    try:
        HfApi().model_info(source, timeout=10)  # fails in seconds where there is no network
        snapshot_download(source, allow_patterns=[_WEIGHTS, _SETTINGS])
        return _cached(source)
    except Exception as error:  # no such name, no network, no safetensors: all the same
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(
            f"the weights {source!r} are no folder and not in Hugging Face's cache, and could not "
            f"be downloaded ({reason}); fetch {_WEIGHTS} and {_SETTINGS} where there is a network, "
            "and name their folder: weights=FOLDER"
        ) from None


def read_settings(folder: Path) -> dict[str, Any]:
    """What `config.json` says of the architecture; nothing, where there is no such file.

    Raises
    ------
    BackboneError
        It can't be read.
    """
    file = folder / _SETTINGS
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BackboneError(f"{file} can't be read: {error}") from None


def fill(model: nn.Module, folder: Path, names: dict[str, str] | None = None) -> None:
    """Load all weights of a model; each is in the file, and fits.

    Parameters
    ----------
    names
        Where given, the beginnings of names in the file -> what they become; all others are left
        out.

    Raises
    ------
    BackboneError
        The file is damaged, or of another architecture.
    """
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / _WEIGHTS)
        if names is not None:
            tensors = {
                new + key.removeprefix(old): tensor
                for key, tensor in tensors.items()
                for old, new in names.items()
                if key.startswith(old)
            }
        model.load_state_dict(tensors)
    except Exception as error:  # damaged files and misfits are of many types
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"{folder / _WEIGHTS} can't be loaded: {reason}") from None
