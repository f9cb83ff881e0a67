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
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tsprompt.backbones import load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.seeds import derive
from tsprompt.contexts import contexts
from tsprompt.errors import BackboneError, ModelFileError, Setting
from tsprompt.model.design import Design, make_reader
from tsprompt.reading.reader import Reading
from tsprompt.tokenizers import tokenizers

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier

__all__ = [
    "FORMAT",
    "MODEL",
    "Kind",
    "check_target",
    "load",
    "pack",
    "read_header",
    "read_tensors",
    "save",
    "unpack",
    "write_folder",
]

FORMAT = 3
"""Raised when a reader of the old format could not read the new one."""

_HEADER = "model.json"


@dataclass(frozen=True)
class Kind:
    """What a folder can hold, and how errors speak of it."""

    header: str
    tensors: str
    format: int
    command: str
    """What writes it."""
    a: str = "the model"
    none: str = "no saved model"
    none_there: str = "no model"


MODEL = Kind(_HEADER, "model.safetensors", FORMAT, "fit")


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
    tensors: dict[str, Tensor] = {}
    header = {"format": FORMAT, **_describe(classifier, tensors), "details": details}
    return write_folder(path, MODEL, header, tensors)


def write_folder(
    path: Path, kind: Kind, header: dict[str, Any], tensors: dict[str, Tensor]
) -> Path:
    """Write a header and its tensors to the folder `path`, all of it or nothing.

    Raises
    ------
    ModelFileError
        `path` holds something else than this kind of thing, or can't be written.
    """
    path = path.expanduser()
    check_target(path, kind)
    place = path.resolve()
    partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
    try:
        try:
            partial.mkdir(parents=True)
            save_file(tensors, partial / kind.tensors)
            header["tensors_sha256"] = _sha256(partial / kind.tensors)
            text = json.dumps(header, indent=1, allow_nan=True)
            (partial / kind.header).write_text(text, encoding="utf-8")
            _put_in_place(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"{kind.a} can't be written to {path} ({error}); what was there is untouched: "
            "free some space or choose another ",
            Setting("path"),
        ) from None
    return path


def check_target(path: Path, kind: Kind = MODEL) -> None:
    """See that a model may take this place: it is free, or holds nothing, or just a saved model
    (or what else `kind` says).

    Raises
    ------
    ModelFileError
        Something else is there.
    """
    path = path.expanduser()
    if not path.exists():
        return
    files = {one.name for one in path.iterdir()} if path.is_dir() else None
    if files not in (set(), {kind.header, kind.tensors}):
        raise ModelFileError(f"{path} exists and is {kind.none}; choose another ", Setting("path"))


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
    tokens = classifier.batch_tokens
    known: list[Any] = []
    fitted = {
        "preprocessing": parts.preprocessing.state(),
        "strategy": parts.strategy.state(),
        "tuner": parts.tuner.state(),
        "combination": parts.combination.state(),
        "backbone": backbone.trained_state(),
        "task_vector": classifier.task_vector_,
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
        "random_state": _seed_of(classifier.random_state),
        "classes": classifier.classes_.tolist(),
        "classes_dtype": classifier.classes_.dtype.str,
        "n_features": classifier.n_features_in_,
        "batch_tokens": None if tokens is None else int(tokens),  # JSON knows none of NumPy's
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
        "state": pack(fitted, "", tensors),
    }


def _seed_of(random_state: Any) -> int | None:
    """What a fit of the loaded model is to start from: a number, or other draws each time."""
    return int(random_state) if isinstance(random_state, Integral) else None


def _once(tokenizer: Any, known: list[Any]) -> Any:
    """The state of a tokenizer; of one that another reading uses too, that reading's number."""
    number = next((k for k, one in enumerate(known) if one is tokenizer), None)
    known.append(tokenizer)
    return tokenizer.state() if number is None else number


def read_header(path: Path, kind: Kind = MODEL) -> dict[str, Any]:
    """Read and check `model.json`, or the header of what else `kind` says.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated, or of a newer format.
    """
    try:
        header = json.loads((path / kind.header).read_text(encoding="utf-8"))
        version = header["format"]
    except FileNotFoundError:
        raise ModelFileError(
            f"{path} holds {kind.none_there} ({kind.header} is missing); give the folder that "
            f"{kind.command} wrote"
        ) from None
    except OSError as error:
        raise ModelFileError(f"{path} can't be read: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelFileError(
            f"{path / kind.header} is damaged or truncated; {kind.command} again"
        ) from None
    if version != kind.format:
        raise ModelFileError(
            f"{path} has format {version}, this tsprompt reads format {kind.format}; "
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
    tensors = read_tensors(path, header)
    try:
        machine = {
            "device": device,
            "dtype": dtype or header["backbone"]["dtype"],
            "batch_tokens": batch_tokens or header["batch_tokens"],
        }
        return _rebuild(make, header, tensors, machine)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ModelFileError(f"{path / _HEADER} is damaged ({error!r}); fit again") from None


def read_tensors(path: Path, header: dict[str, Any], kind: Kind = MODEL) -> dict[str, Tensor]:
    """The tensors that belong to a header.

    Raises
    ------
    ModelFileError
        They are not there, or not as they were written.
    """
    file = path / kind.tensors
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
    state = unpack(header["state"], tensors)
    parts = Design.build(header["settings"])
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
        random_state=header["random_state"],
    )
    classifier.parts_ = parts
    classifier.reader_ = make_reader(parts, backbone, classifier.batch_tokens)
    classifier.task_vector_ = state.get("task_vector")
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


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace the tensors and arrays in a tree by their names."""
    if isinstance(value, (Tensor, np.ndarray)):
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
