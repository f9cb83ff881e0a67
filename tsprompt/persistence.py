"""A fitted classifier as a folder: `model.json` and `model.safetensors`. Nothing is ever pickled.

`model.json` holds the settings, the classes, the figures of the fit, and every part's state with
its tensors replaced by their names; `model.safetensors` holds the tensors. Of the language model's
weights only those are copied that were trained: the others' hash is kept, and another model is
refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tsprompt.backbones import load_backbone
from tsprompt.contexts import contexts
from tsprompt.errors import BackboneError, ModelFileError
from tsprompt.parts import Parts, make_reader
from tsprompt.reading import Reading
from tsprompt.seeds import derive
from tsprompt.template import Prompt
from tsprompt.tokenizers import tokenizers

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier

__all__ = ["FORMAT", "check_target", "load", "read_header", "save"]

FORMAT = 3
"""Raised when a reader of the old format could not read the new one."""

_HEADER, _TENSORS = "model.json", "model.safetensors"


def save(classifier: PromptClassifier, path: Path, details: dict[str, Any]) -> Path:
    """Write a fitted classifier to the folder `path`, all of it or nothing.

    A model that is already there is replaced only once the new one is complete.

    Parameters
    ----------
    details
        What else `model.json` shall hold: the data set's name, test scores.

    Raises
    ------
    ModelFileError
        `path` holds something else than a saved model, or can't be written.
    """
    path = path.expanduser()
    check_target(path)
    tensors: dict[str, Tensor] = {}
    header = {"format": FORMAT, **_describe(classifier, tensors), "details": details}
    place = path.resolve()
    partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
    try:
        try:
            partial.mkdir(parents=True)
            save_file(tensors, partial / _TENSORS)
            header["tensors_sha256"] = _sha256(partial / _TENSORS)
            text = json.dumps(header, indent=1, allow_nan=True)
            (partial / _HEADER).write_text(text, encoding="utf-8")
            _put_in_place(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"the model can't be written to {path} ({error}); what was there is untouched: "
            "free some space or choose another --output"
        ) from None
    return path


def check_target(path: Path) -> None:
    """See that a model may take this place: it is free, or holds nothing, or just a saved model.

    Raises
    ------
    ModelFileError
        Something else is there.
    """
    path = path.expanduser()
    if not path.exists():
        return
    files = {one.name for one in path.iterdir()} if path.is_dir() else None
    if files not in (set(), {_HEADER, _TENSORS}):
        raise ModelFileError(f"{path} exists and is no saved model; choose another --output")


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


def _describe(classifier: PromptClassifier, tensors: dict[str, Tensor]) -> dict[str, Any]:
    from tsprompt import __version__

    parts, backbone = classifier.parts_, classifier.reader_.backbone
    known: list[Any] = []
    fitted = {
        "preprocessing": parts.preprocessing.state(),
        "strategy": parts.strategy.state(),
        "tuner": parts.tuner.state(),
        "combination": parts.combination.state(),
        "backbone": backbone.trained_state(),
        "readings": [
            {
                "member": reading.member,
                "tokenizer": _once(reading.tokenizer, known),
                "prompt": reading.prompt.state(),
                "readout": reading.readout.state(),
                "layers": list(reading.layers),
                "context": reading.context.state(),
            }
            for reading in classifier.readings_
        ],
    }
    return {
        "tsprompt": __version__,
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "recipe": classifier.recipe,
        "settings": parts.specs(full=True),
        "seed": classifier.seed_,
        "classes": classifier.classes_.tolist(),
        "classes_dtype": classifier.classes_.dtype.str,
        "n_features": classifier.n_features_in_,
        "batch_tokens": classifier.batch_tokens,
        "backbone": {
            "name": backbone.name,
            "seed": backbone.seed,
            "depth": backbone.depth,
            "answers": backbone.family.answers,
            "dtype": backbone.dtype_name,
            "weights_hash": backbone.weights_hash,
        },
        "scores": classifier.scores_,
        "costs": classifier.costs_,
        "report": classifier.report_,
        "state": _pack(fitted, "", tensors),
    }


def _once(tokenizer: Any, known: list[Any]) -> Any:
    """The state of a tokenizer; of one that another reading uses too, that reading's number."""
    number = next((k for k, one in enumerate(known) if one is tokenizer), None)
    known.append(tokenizer)
    return tokenizer.state() if number is None else number


def read_header(path: Path) -> dict[str, Any]:
    """Read and check `model.json`.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated, or of a newer format.
    """
    try:
        header = json.loads((path / _HEADER).read_text(encoding="utf-8"))
        version = header["format"]
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} holds no model ({_HEADER} is missing); give the folder that fit wrote"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelFileError(f"{path / _HEADER} is damaged or truncated; fit again") from None
    if version != FORMAT:
        raise ModelFileError(
            f"{path} has format {version}, this tsprompt reads format {FORMAT}; "
            "install the tsprompt that wrote it, or a newer one"
        )
    return dict(header)


def load(
    path: Path,
    make: type[PromptClassifier],
    *,
    device: str = "auto",
    dtype: str | None = None,
    batch_tokens: int | None = None,
) -> PromptClassifier:
    """Read a classifier that `save` wrote; `make` is its class.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated or damaged, or of a newer format.
    BackboneError
        The language model is absent, or its weights are not those of the fit.
    """
    path = path.expanduser()
    header = read_header(path)
    tensors = _read_tensors(path, header)
    try:
        machine = {
            "device": device,
            "dtype": dtype or header["backbone"]["dtype"],
            "batch_tokens": batch_tokens or header["batch_tokens"],
        }
        return _rebuild(make, header, tensors, machine)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ModelFileError(f"{path / _HEADER} is damaged ({error!r}); fit again") from None


def _read_tensors(path: Path, header: dict[str, Any]) -> dict[str, Tensor]:
    file = path / _TENSORS
    try:
        if _sha256(file) != header.get("tensors_sha256"):
            raise ModelFileError(f"{file} is truncated or damaged; copy it again or fit again")
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{file} can't be read: {error}") from None


def _rebuild(
    make: type[PromptClassifier],
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    machine: dict[str, Any],
) -> PromptClassifier:
    saved = header["backbone"]
    backbone = load_backbone(
        saved["name"],
        saved["depth"],
        saved["seed"],
        machine["device"],
        machine["dtype"],
        answers=saved.get("answers", True),
    )
    if backbone.weights_hash != saved["weights_hash"]:
        raise BackboneError(
            f"the weights of {saved['name']} here are not those that the model was fitted with "
            f"({backbone.weights_hash[:12]}... instead of {saved['weights_hash'][:12]}...); "
            "install the same backbone, or fit again"
        )
    state = _unpack(header["state"], tensors)
    parts = Parts.build(header["settings"])
    backbone = parts.train.prepare(backbone, derive(header["seed"], "train"))
    backbone.restore(state.get("backbone", {}))
    for name in ("preprocessing", "strategy", "tuner"):
        getattr(parts, name).restore(state[name])
    classes = np.array(header["classes"], dtype=header["classes_dtype"])
    names = [str(one) for one in classes]
    parts.combination.rebuild(state["combination"], parts.head, backbone, names)
    classifier = make(
        header["recipe"],
        **header["settings"],
        **machine,
        random_state=header["seed"],
    )
    classifier.parts_ = parts
    classifier.reader_ = make_reader(parts, backbone, classifier.batch_tokens)
    classifier.readings_ = []
    for one in state["readings"]:
        if isinstance(one["tokenizer"], int):
            tokenizer = classifier.readings_[one["tokenizer"]].tokenizer
        else:
            tokenizer = tokenizers.build(parts.tokenizer)
            tokenizer.restore(one["tokenizer"])
        readout = dataclasses.replace(parts.readout)
        readout.restore(one["readout"])
        prompt = Prompt(**{"ids": None, **one["prompt"]})
        context = contexts.build(parts.context)
        context.restore(one["context"])
        readout.listen(backbone, context.word_ids)
        layers, member = tuple(one["layers"]), one.get("member", 0)
        classifier.readings_.append(Reading(tokenizer, prompt, readout, layers, member, context))
    classifier.classes_ = classes
    classifier.n_features_in_ = header["n_features"]
    classifier.seed_ = header["seed"]
    classifier.scores_ = header["scores"]
    classifier.costs_ = header["costs"]
    classifier.report_ = header["report"]
    return classifier


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace the tensors and arrays in a tree by their names."""
    if isinstance(value, (Tensor, np.ndarray)):
        kind = "array" if isinstance(value, np.ndarray) else "tensor"
        tensors[name] = torch.as_tensor(value).detach().cpu().contiguous().clone()
        return {kind: name}
    if isinstance(value, dict):
        return {"dict": {key: _pack(one, f"{name}/{key}", tensors) for key, one in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_pack(one, f"{name}/{i}", tensors) for i, one in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Put the tensors back."""
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "array" in value:
        return tensors[value["array"]].numpy()
    return {key: _unpack(one, tensors) for key, one in value["dict"].items()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
