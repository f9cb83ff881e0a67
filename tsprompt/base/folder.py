"""A folder of two files, a JSON header and its tensors, written whole or not at all.

What a header means is the business of those who write it: fitted classifiers, and prompts that
others start from. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt.base.files import exists, is_folder
from tsprompt.errors import ModelFileError, Setting

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "FolderFormat",
    "check_target",
    "pack",
    "read_header",
    "read_tensors",
    "unpack",
    "write_folder",
]


@dataclass(frozen=True)
class FolderFormat:
    """The names of a folder's two files, and how errors speak of it."""

    header: str
    tensors: str
    format: int
    command: str
    """What writes it."""
    a: str = "the model"
    none: str = "no saved model"
    none_there: str = "no model"


def write_folder(
    path: Path, form: FolderFormat, header: dict[str, Any], tensors: dict[str, Tensor]
) -> Path:
    """Write a header and its tensors to the folder `path`, all of it or nothing.

    Raises
    ------
    ModelFileError
        `path` holds something else than this kind of thing, or can't be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = path.expanduser()
    check_target(path, form)
    place = path.resolve()
    partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
    try:
        try:
            partial.mkdir(parents=True)
            save_file(tensors, partial / form.tensors)
            header["tensors_sha256"] = _sha256(partial / form.tensors)
            text = json.dumps(header, indent=1, allow_nan=True)
            (partial / form.header).write_text(text, encoding="utf-8")
            _put_in_place(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"{form.a} can't be written to {path} ({error}); what was there is untouched: "
            "free some space or choose another ",
            Setting("path"),
        ) from None
    return path


def check_target(path: Path, form: FolderFormat) -> None:
    """See that a folder of this form may take this place: it is free, or holds nothing, or just
    such a folder's files.

    Raises
    ------
    ModelFileError
        Something else is there.
    """
    path = path.expanduser()
    if not exists(path):
        return
    files = {one.name for one in path.iterdir()} if is_folder(path) else None
    if files not in (set(), {form.header, form.tensors}):
        raise ModelFileError(f"{path} exists and is {form.none}; choose another ", Setting("path"))


def _put_in_place(partial: Path, path: Path) -> None:
    if not path.exists():
        partial.rename(path)
        return
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    path.rename(old)
    try:
        partial.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_header(path: Path, form: FolderFormat) -> dict[str, Any]:
    """Read and check a folder's header.

    Raises
    ------
    ModelFileError
        There is none, it is truncated, or of a newer format.
    """
    try:
        header = json.loads((path / form.header).read_text(encoding="utf-8"))
        version = header["format"]
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} holds {form.none_there} ({form.header} is missing); give the folder that "
            f"{form.command} wrote"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelFileError(
            f"{path / form.header} is damaged or truncated; {form.command} again"
        ) from None
    if version != form.format:
        raise ModelFileError(
            f"{path} has format {version}, this tsprompt reads format {form.format}; "
            "install the tsprompt that wrote it, or a newer one"
        )
    return dict(header)


def read_tensors(path: Path, header: dict[str, Any], form: FolderFormat) -> dict[str, Tensor]:
    """The tensors that belong to a header.

    Raises
    ------
    ModelFileError
        They are not there, or not as they were written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = path / form.tensors
    try:
        if _sha256(file) != header.get("tensors_sha256"):
            raise ModelFileError(f"{file} is truncated or damaged; copy it again or fit again")
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{file} can't be read: {error}") from None


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace the tensors and arrays in a tree by their names."""
    import numpy as np
    import torch

    if isinstance(value, (torch.Tensor, np.ndarray)):
        kind = "array" if isinstance(value, np.ndarray) else "tensor"
        tensors[name] = torch.as_tensor(value).detach().cpu().contiguous().clone()
        return {kind: name}
    if isinstance(value, dict):
        return {"dict": {key: pack(one, f"{name}/{key}", tensors) for key, one in value.items()}}
    if isinstance(value, (list, tuple)):
        return [pack(one, f"{name}/{i}", tensors) for i, one in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Put the tensors back."""
    if isinstance(value, list):
        return [unpack(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "array" in value:
        return tensors[value["array"]].numpy()
    return {key: unpack(one, tensors) for key, one in value["dict"].items()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
