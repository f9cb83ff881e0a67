"""A fitted classifier as a folder: `model.json` and `model.safetensors`. Nothing is ever pickled.

`model.json` holds the settings, the classes, the figures of the fit, and every part's state with
its tensors replaced by their names; `model.safetensors` holds the tensors. Of the language model's
weights only those are copied that were trained: the others' hash is kept, and another model is
refused.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones.template import Prompt
from tsprompt.base.folder import (
    FolderFormat,
    pack,
    read_header,
    read_tensors,
    unpack,
    write_folder,
)
from tsprompt.base.kinds import SETTINGS
from tsprompt.contexts import contexts
from tsprompt.data import Expected, labels_from_json, labels_to_json
from tsprompt.errors import ModelFileError
from tsprompt.model.design import Design, make_reader
from tsprompt.model.fitted import Fitted
from tsprompt.model.opening import identity_of, reopen_backbone
from tsprompt.reading.reader import Reading
from tsprompt.tokenizers import tokenizers

__all__ = ["FORMAT", "MODEL", "Saved", "load", "save"]

FORMAT = 3
"""Raised when a reader of the old format could not read the new one."""

MODEL = FolderFormat("model.json", "model.safetensors", FORMAT, "fit")


@dataclass(frozen=True)
class Saved:
    """What a folder gives back: the fitted state, and how it was asked for."""

    fitted: Fitted
    choices: dict[str, Any]
    """The arguments of the estimator that fits it again."""


def save(fitted: Fitted, path: Path, choices: dict[str, Any], details: dict[str, Any]) -> Path:
    """Write a fitted classifier to the folder `path`, all of it or nothing.

    A model that is already there is replaced only once the new one is complete.

    Parameters
    ----------
    choices
        `recipe`, `random_state`, `batch_tokens` and `axes` of the estimator.
    details
        What else `model.json` shall hold: the data set's name, test scores.

    Raises
    ------
    ModelFileError
        `path` holds something else than a saved model, or can't be written.
    """
    tensors: dict[str, Tensor] = {}
    header = {"format": FORMAT, **_describe(fitted, choices, tensors), "details": details}
    return write_folder(path, MODEL, header, tensors)


def _describe(
    fitted: Fitted, choices: dict[str, Any], tensors: dict[str, Tensor]
) -> dict[str, Any]:
    from tsprompt import __version__

    parts, backbone = fitted.design, fitted.reader.backbone
    tokens = choices["batch_tokens"]
    classes, classes_dtype = labels_to_json(fitted.classes)
    return {
        "tsprompt": __version__,
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "recipe": choices["recipe"],
        "settings": parts.specs(full=True),
        "plugins": parts.from_plugins(),
        "seed": fitted.seed,
        "random_state": _seed_of(choices["random_state"]),
        "classes": classes,
        "classes_dtype": classes_dtype,
        "n_features": fitted.n_features,
        "axes": choices["axes"],
        "expected": dataclasses.asdict(fitted.expected),
        "batch_tokens": None if tokens is None else int(tokens),  # JSON knows none of NumPy's
        "backbone": identity_of(backbone),
        "scores": fitted.scores,
        "costs": fitted.costs,
        "report": fitted.report,
        "state": pack(_state(fitted), "", tensors),
    }


def _state(fitted: Fitted) -> dict[str, Any]:
    """What every part has learned."""
    parts = fitted.design
    known: list[Any] = []
    return {
        "preprocessing": parts.preprocessing.state(),
        "strategy": parts.strategy.state(),
        "tuner": parts.tuner.state(),
        "combination": parts.combination.state(),
        "backbone": fitted.reader.backbone.trained_state(),
        "task_vector": fitted.task_vector,
        "readings": [
            {
                "member": reading.member,
                "tokenizer": _once(reading.tokenizer, known),
                "prompt": reading.prompt.state(),
                "readout": reading.readout.state(),
                "layers": list(reading.layers),
                "context": reading.context.state(),
            }
            for reading in fitted.readings
        ],
    }


def _seed_of(random_state: Any) -> int | None:
    """What a fit of the loaded model is to start from: a number, or other draws each time."""
    return int(random_state) if isinstance(random_state, Integral) else None


def _once(tokenizer: Any, known: list[Any]) -> Any:
    """The state of a tokenizer; of one that another reading uses too, that reading's number."""
    number = next((k for k, one in enumerate(known) if one is tokenizer), None)
    known.append(tokenizer)
    return tokenizer.state() if number is None else number


def load(
    path: Path,
    *,
    device: str = "auto",
    dtype: str | None = None,
    batch_tokens: int | None = None,
) -> Saved:
    """Read what `save` wrote.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated or damaged, or of a newer format.
    BackboneError
        The language model is absent, or its weights are not those of the fit.
    """
    path = path.expanduser()
    header = read_header(path, MODEL)
    tensors = read_tensors(path, header, MODEL)
    try:
        _check_plugins(path, header.get("plugins", []))
        machine = {
            "device": device,
            "dtype": dtype or header["backbone"]["dtype"],
            "batch_tokens": batch_tokens or header["batch_tokens"],
        }
        choices = {
            "recipe": header["recipe"],
            **header["settings"],
            **machine,
            "random_state": header["random_state"],
            "axes": header.get("axes", "BTF"),
        }
        return Saved(_rebuild(header, tensors, machine), choices)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ModelFileError(f"{path / MODEL.header} is damaged ({error!r}); fit again") from None


def _check_plugins(path: Path, needed: list[dict[str, str]]) -> None:
    """See that the parts are there that other packages brought to a saved model."""
    for one in needed:
        kind = SETTINGS[one["setting"]]
        if one["part"] not in kind.registry():
            raise ModelFileError(
                f"{path} needs the {kind.name} {one['part']!r} of the package {one['package']} "
                f"{one['version']}, which is not installed here, or has no such part; install it: "
                f"pip install {one['package']}=={one['version']}"
            )


def _rebuild(header: dict[str, Any], tensors: dict[str, Tensor], machine: dict[str, Any]) -> Fitted:
    state = unpack(header["state"], tensors)
    if unknown := header["settings"].keys() - {one.name for one in dataclasses.fields(Design)}:
        raise KeyError(*sorted(unknown))
    parts = Design.build(header["settings"])
    backbone = reopen_backbone(
        parts,
        header["seed"],
        header["backbone"],
        device=machine["device"],
        dtype=machine["dtype"],
    )
    backbone.restore(state.get("backbone", {}))
    for name in ("preprocessing", "strategy", "tuner"):
        getattr(parts, name).restore(state[name])
    classes = labels_from_json(header["classes"], header["classes_dtype"])
    names = [str(one) for one in classes]
    parts.head.meet(backbone, classes=names)
    parts.combination.rebuild(state["combination"], parts.head)
    readings: list[Reading] = []
    for one in state["readings"]:
        if isinstance(one["tokenizer"], int):
            tokenizer = readings[one["tokenizer"]].tokenizer
        else:
            tokenizer = tokenizers.build(parts.tokenizer)
            tokenizer.restore(one["tokenizer"])
        readout = dataclasses.replace(parts.readout)
        readout.restore(one["readout"])
        prompt = Prompt(**{"ids": None, **one["prompt"]})
        context = contexts.build(parts.context)
        context.restore(one["context"])
        readout.meet(backbone, words=context.word_ids)
        layers, member = tuple(one["layers"]), one.get("member", 0)
        readings.append(Reading(tokenizer, prompt, readout, layers, member, context))
    return Fitted(
        design=parts,
        reader=make_reader(parts, backbone, machine["batch_tokens"]),
        readings=readings,
        classes=classes,
        expected=_expected(header),
        seed=header["seed"],
        scores=header["scores"],
        costs=header["costs"],
        report=header["report"],
        task_vector=state.get("task_vector"),
    )


def _expected(header: dict[str, Any]) -> Expected:
    """What series must look like; models of earlier releases kept the number of features alone."""
    kept = header.get("expected", {"n_features": header["n_features"]})
    names = {name: kept.get(name) and tuple(kept[name]) for name in ("features", "times")}
    return Expected(**{**kept, **names})
