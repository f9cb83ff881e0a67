"""A fitted classifier as a folder: `model.json` and `model.safetensors`. Nothing is ever pickled.

`model.json` holds the settings, the classes, the figures of the fit, and every part's state with
its tensors replaced by their names; `model.safetensors` holds the tensors. Of the language model's
weights only those are copied that were trained: the others' hash is kept, and another model is
refused. A digest over the JSON, which holds the hash of the tensors, is over everything.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones import Backbone
from tsprompt.backbones.load import nothing_fetched, pick_device, pick_dtype
from tsprompt.backbones.template import Prompt
from tsprompt.base.hub import located
from tsprompt.base.packing import pack, unpack
from tsprompt.base.state import check_state
from tsprompt.base.tensor_folder import check_digest, digest_of, write_folder
from tsprompt.base.version import __version__
from tsprompt.contexts import contexts
from tsprompt.data import Cases, labels_to_json
from tsprompt.errors import InputError, ModelFileError, TspromptNotice
from tsprompt.model.calibration import Calibration
from tsprompt.model.card import model_card
from tsprompt.model.description import to_header
from tsprompt.model.design import Design, let_say, make_reader
from tsprompt.model.fitted import Fitted
from tsprompt.model.header import (
    FORMAT,
    MODEL,
    ModelHeader,
    check_header,
    check_plugins,
    check_settings,
    classes_of,
    expected_of,
    refusing_damage,
)
from tsprompt.model.layout import describe, width_of
from tsprompt.model.open_backbone import identity_of, reopen_backbone
from tsprompt.model.schema import check_part, read
from tsprompt.reading.reader import Reading
from tsprompt.tokenizers import tokenizers

__all__ = ["FORMAT", "MODEL", "Saved", "load", "save"]

_TRIED = 64
"""Timesteps of the case that a model is tried out with, at the most."""


@dataclass(frozen=True)
class Saved:
    """What a folder gives back: the fitted state, and how it was asked for."""

    fitted: Fitted
    choices: dict[str, Any]
    """The arguments of the estimator that fits it again."""
    digest: str
    """Over all that the folder holds."""


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
    _check_kept(fitted, header, tensors)
    return write_folder(path, MODEL, header, tensors, model_card)


def _check_kept(fitted: Fitted, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """See that what is written can be read again.

    Raises
    ------
    ModelFileError
        It can't.
    """
    try:
        said = json.loads(json.dumps(header))
        check_header({**said, "tensors_sha256": "0" * 64}, ModelHeader)
        state = unpack(said["state"], "", dict(tensors))
        known = fitted.n_features, len(fitted.classes)
        _check_state(fitted.design, fitted.reader.backbone, *known, state)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the model can't be kept in a file: {error}") from None


def _describe(
    fitted: Fitted, choices: dict[str, Any], tensors: dict[str, Tensor]
) -> dict[str, Any]:
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
        "shown": to_header(describe(fitted, choices["recipe"])),
        "state": pack(_state(fitted), "", tensors),
    }


def _state(fitted: Fitted) -> dict[str, Any]:
    """What every part has learned."""
    parts = fitted.design
    known: list[Any] = []
    calibration = fitted.calibration
    return {
        "preprocessing": parts.preprocessing.state(),
        "strategy": parts.strategy.state(),
        "tuner": parts.tuner.state(),
        "combination": parts.combination.state(),
        "backbone": fitted.reader.backbone.trained_state(),
        "task_vector": fitted.task_vector,
        **({} if calibration is None else {"calibration": calibration.state()}),
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
    path: str | Path,
    *,
    device: str = "auto",
    dtype: str | None = None,
    batch_tokens: int | None = None,
    revision: str | None = None,
    digest: str | None = None,
) -> Saved:
    """Read what `save` wrote.

    All of it is checked here: what is given back predicts.

    Parameters
    ----------
    path
        The folder, or a name on the Hugging Face hub: `hf://USER/NAME`, `hf://USER/NAME@REVISION`.
    revision
        On the hub: a branch, a tag or a commit.
    digest
        What `tsprompt show` printed of the model that is meant; another one is refused.

    Raises
    ------
    ModelFileError
        There is no model, it is truncated or damaged, of a newer format, or of another digest;
        the hub does not give it.
    BackboneError
        The language model is not on this machine, or its weights are not those of the fit.
    ConfigError
        The device or the dtype that was asked for is not available, or the name on the hub is none.
    """
    pick_dtype(dtype or "auto", pick_device(device))
    path = located(path, MODEL, revision=revision)
    header, state = read(path, MODEL, ModelHeader)
    if digest is not None:
        check_digest(path, header, digest)
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
    with refusing_damage(path, MODEL):
        check_plugins(path, header.get("plugins", []))
        fitted = _rebuild(header, state, machine)
        _try_out(fitted)
    return Saved(fitted, choices, digest_of(header))


def _rebuild(header: dict[str, Any], state: dict[str, Any], machine: dict[str, Any]) -> Fitted:
    check_settings(header["settings"])
    parts = Design.build(header["settings"])
    with nothing_fetched():
        backbone = reopen_backbone(
            parts,
            header["seed"],
            {"seed": 0, **header["backbone"]},
            device=machine["device"],
            dtype=machine["dtype"],
        )
    classes, expected = classes_of(header), expected_of(header)
    _check_state(parts, backbone, expected.n_features, len(classes), state)
    backbone.restore(state.get("backbone", {}))
    for name in ("preprocessing", "strategy", "tuner"):
        getattr(parts, name).restore(state[name])
    names = [str(one) for one in classes]
    parts.head.meet(backbone, classes=names)
    parts.combination.rebuild(state["combination"], parts.head)
    readings: list[Reading] = []
    for one in state["readings"]:
        readings.append(_reading(one, parts, backbone, readings))
    reader = make_reader(parts, backbone, machine["batch_tokens"])
    let_say(parts, reader)
    return Fitted(
        design=parts,
        reader=reader,
        readings=readings,
        classes=classes,
        expected=expected,
        seed=header["seed"],
        scores=header["scores"],
        costs=header["costs"],
        report=header["report"],
        task_vector=state.get("task_vector"),
        calibration=Calibration.restored(state["calibration"]) if "calibration" in state else None,
    )


def _check_state(
    parts: Design, backbone: Backbone, n_features: int, n_classes: int, state: dict[str, Any]
) -> None:
    """See that what every part has learned is as the part declares, and fits its options.

    Raises
    ------
    ValueError
        Something does not; the text says what, and where.
    """
    sizes = {"C": n_classes, "V": len(backbone.word_vectors)}
    sizes |= {"D": backbone.hidden_size, "H": backbone.state_size}
    raw = {**sizes, "F": n_features}
    check_part(parts.preprocessing, state["preprocessing"], "preprocessing", raw)
    for name in ("strategy", "tuner", "combination"):
        check_part(getattr(parts, name), state[name], name, sizes)
    for number, one in enumerate(state["combination"]["heads_"]):
        check_part(parts.head, one, f"head {number + 1}", sizes)
    _check_weights(backbone.trained, state.get("backbone", {}))
    if "calibration" in state:
        try:
            check_state(Calibration.State, state["calibration"], dict(sizes))
        except ValueError as error:
            raise ValueError(f"calibration, {error}") from None
    for number, one in enumerate(state["readings"]):
        place = f"prompt {number + 1}"
        if isinstance(one["tokenizer"], dict):
            check_part(parts.tokenizer, one["tokenizer"], f"{place}, tokenizer", sizes)
        elif not _is_shared(one["tokenizer"], state["readings"][:number]):
            raise ValueError(f"{place}, tokenizer: there is none to share")
        check_part(parts.readout, one["readout"], f"{place}, readout", sizes)
        check_part(parts.context, one["context"], f"{place}, context", sizes)
        check_state(Prompt.State, one["prompt"], dict(sizes))
        if max(one["layers"]) > backbone.depth:
            raise ValueError(f"{place}, layers: the language model has {backbone.depth}")


def _is_shared(tokenizer: int, before: list[dict[str, Any]]) -> bool:
    """Whether that is the number of a reading with a tokenizer of its own."""
    return tokenizer < len(before) and isinstance(before[tokenizer]["tokenizer"], dict)


def _check_weights(trained: Mapping[str, Tensor], saved: dict[str, Tensor]) -> None:
    """See that weights of the language model that were trained are all there, and alike."""
    if trained.keys() != saved.keys():
        raise ValueError("backbone: weights that were trained are missing, or unknown")
    for name, own in trained.items():
        if own.shape != saved[name].shape:
            raise ValueError(f"backbone, {name}: has the shape {tuple(saved[name].shape)}")


def _reading(
    state: dict[str, Any], parts: Design, backbone: Backbone, before: list[Reading]
) -> Reading:
    if isinstance(state["tokenizer"], int):
        tokenizer = before[state["tokenizer"]].tokenizer
    else:
        tokenizer = tokenizers.build(parts.tokenizer)
        tokenizer.restore(state["tokenizer"])
    readout = dataclasses.replace(parts.readout)
    readout.restore(state["readout"])
    prompt = Prompt(**{"ids": None, **state["prompt"]})
    context = contexts.build(parts.context)
    context.restore(state["context"])
    readout.meet(backbone, words=context.word_ids)
    layers, member = tuple(state["layers"]), state.get("member", 0)
    return Reading(tokenizer, prompt, readout, layers, member, context)


def _try_out(fitted: Fitted) -> None:
    """Predict one short case: shapes that don't fit together show here, and not later.

    Raises
    ------
    ValueError
        What comes out are no probabilities of the classes.
    """
    for reading in fitted.readings:
        width = width_of(fitted, reading)
        room = fitted.reader.room(width, copy.copy(reading.context))
        if room is not None and reading.tokenizer.max_steps_ > room:
            raise ValueError(
                f"there is no room for {reading.tokenizer.max_steps_} steps beside the prompt"
            )
    reader = fitted.reader
    before = reader.tokens_run, reader.seconds
    with warnings.catch_warnings(), progress.listen(lambda *_: None):
        warnings.simplefilter("ignore", TspromptNotice)
        try:
            chances = fitted.probabilities(_short_case(fitted))
        except InputError:
            return  # zeros may be no values of this kind of data
        finally:
            reader.tokens_run, reader.seconds = before
    if chances.shape != (1, len(fitted.classes)) or not np.isfinite(chances).all():
        raise ValueError("what it predicts are no probabilities of its classes")


def _short_case(fitted: Fitted) -> Cases:
    """One case of zeros, of a few steps."""
    tokenizer = fitted.readings[0].tokenizer
    longest = fitted.expected.longest or tokenizer.patch_ * tokenizer.max_steps_
    timesteps = min(longest, _TRIED)
    return Cases(np.zeros((1, timesteps, fitted.n_features), np.float32))
