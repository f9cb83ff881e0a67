"""Prompts for others to start from: trained on several sets, and kept without their data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.packing import pack
from tsprompt.base.part import require
from tsprompt.base.seeds import derive, generator
from tsprompt.base.tensor_folder import check_target, write_folder
from tsprompt.base.version import __version__
from tsprompt.data import Cases, as_cases, label_array
from tsprompt.errors import ConfigError, InputError, Setting, counted
from tsprompt.heads.mlp import MLP
from tsprompt.model.design import Design, make_reader
from tsprompt.model.open_backbone import open_backbone
from tsprompt.model.warm_start import PROMPTS, task_vector
from tsprompt.recipes import RECIPES, resolve
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import Problem, tuners
from tsprompt.tuners.pretrainable import PretrainingTuner

__all__ = ["UNIVERSAL", "Pretrained", "TrainedPrompt", "check_prompts_target", "pretrain"]

UNIVERSAL = "what all have in common"
"""The name of the prompt that all sets have trained."""


@dataclass(frozen=True)
class TrainedPrompt:
    """What pre-training made of one set."""

    name: str
    prompt: Prompt
    vector: Tensor
    """(D,) task vector, see `tsprompt.model.warm_start`."""


@dataclass(frozen=True)
class Pretrained:
    """Prompts of several sets, for `prompt_from`."""

    method: str
    settings: dict[str, Any]
    """All choices, as texts."""
    tasks: list[TrainedPrompt]
    seed: int
    backbone: dict[str, Any]
    report: dict[str, float]

    def save(self, path: str | Path) -> Path:
        """Write a folder that `prompt_from` takes: `prompts.json` and `prompts.safetensors`.

        It holds no series and no labels.

        Raises
        ------
        ModelFileError
            Something else is there, or it can't be written.
        """
        tensors: dict[str, Tensor] = {}
        tasks = [
            {"name": one.name, "prompt": one.prompt.state(), "vector": one.vector}
            for one in self.tasks
        ]
        header = {
            "format": PROMPTS.format,
            "tsprompt": __version__,
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
            "method": self.method,
            "settings": self.settings,
            "seed": self.seed,
            "backbone": self.backbone,
            "report": self.report,
            "state": pack({"tasks": tasks}, "", tensors),
        }
        return write_folder(Path(path), PROMPTS, header, tensors)


def check_prompts_target(path: Path) -> None:
    """See that prompts may take this place.

    Raises
    ------
    ModelFileError
        Something else than a folder of prompts is there.
    """
    check_target(path, PROMPTS)


def pretrain(
    sets: Mapping[str, tuple[Any, Any]],
    method: str = "ppt",
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_tokens: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    **choices: Any,
) -> Pretrained:
    """Train prompts on sets, for other fits to start from.

    Parameters
    ----------
    sets
        Name -> (X, y): train of each set, as `PromptClassifier.fit` takes it. y may be None for a
        method that reads no labels.
    method
        The recipe whose tuner pre-trains: `ppt` (Gu et al. 2022), one prompt for all sets, trained
        without labels; `transprompt` (Wang et al. 2021), a universal prompt and one for each set.
    device, dtype, batch_tokens, random_state, choices
        As for `PromptClassifier`. A fit that is to start from the prompts needs the same choices.
        Head and number of prompts have no part in this.

    Raises
    ------
    InputError
        A set can't be used.
    ConfigError
        The method does not pre-train, needs more sets, or choices contradict each other; or with
        ``scope="auto"`` some sets are read whole and others step by step.
    BackboneError
        The language model can't be had.
    """
    settings = resolve(method, {**choices, "prompt_from": None})
    parts = Design.build(settings)
    tuner = _tuner_of(parts, method)
    if len(sets) < tuner.least_sets:
        raise ConfigError(
            f"{method} learns across tasks and needs {tuner.least_sets} sets or more, not "
            f"{len(sets)}; name further sets, or fit without ",
            Setting("prompt_from"),
            ": the tasks are then made of the classes of that set",
        )
    _check(parts, choices)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    backbone = open_backbone(parts, seed, device=device, dtype=dtype)
    problems, vectors = [], []
    scopes: dict[str, str] = {}
    for name, (X, y) in sets.items():
        labels = _labels(name, y, len(X), needed=tuner.reads_labels)
        own = Design.build({**settings, "backbone": parts.backbone})
        problem, vector = _prepare(
            own, backbone, as_cases(X), labels, seed=seed, batch_tokens=batch_tokens
        )
        problems.append(problem)
        vectors.append(vector)
        scopes[own.scope] = name
    parts.scope = _only(scopes)
    prompts = tuner.pretrain(problems)
    # A method that makes one for all makes none for each.
    tasks = [TrainedPrompt(*one) for one in zip(sets, prompts, vectors, strict=False)]
    universal = tuner.for_others()
    if universal is not None:
        # Its task is what they have in common: it is the nearest to a task that is like no one.
        tasks.append(TrainedPrompt(UNIVERSAL, universal, torch.stack(vectors).mean(dim=0)))
    return Pretrained(
        method=method,
        settings=parts.specs(full=True),
        tasks=tasks,
        seed=seed,
        backbone={
            "name": backbone.name,
            "depth": backbone.depth,
            "weights_hash": backbone.weights_hash,
        },
        report=tuner.pretraining_,
    )


def _only(scopes: dict[str, str]) -> str:
    """The scope that ``auto`` has settled on, for all sets alike; `scopes` names a set of each."""
    if len(scopes) > 1:
        whole, alone = scopes["series"], scopes["step"]
        raise ConfigError(
            f"a prompt is for cases that are read whole, as {whole} is, or step by step, as "
            f"{alone} is; for all sets give ",
            Setting("scope", "series"),
            " or ",
            Setting("scope", "step"),
        )
    return next(iter(scopes))


def _tuner_of(parts: Design, method: str) -> PretrainingTuner:
    if isinstance(parts.tuner, PretrainingTuner):
        return parts.tuner
    able = [
        name
        for name, recipe in RECIPES.items()
        if recipe.settings.tuner and tuners.build(recipe.settings.tuner).pretrains
    ]
    raise ConfigError(
        f"the tuner {parts.tuner.name!r} of {method!r} does not pre-train; use a method such as: "
        f"{', '.join(sorted(able))}"
    )


def _check(parts: Design, choices: dict[str, Any]) -> None:
    """Refuse what has no meaning before there is a task of one's own."""
    require(
        not choices.get("prompt_from"),
        "prompt_from is for fitting: pre-training starts from the prompt's draw",
    )
    require(
        not parts.train.placebo,
        "placebo=true is for fitting: a placebo starts from no trained prompt; leave it out",
    )
    require(
        not parts.train.tunes_model,
        Setting("train", parts.train.name),
        " is for fitting: what is saved are prompts, which mean nothing to another copy of the "
        "language model; leave it out here",
    )
    if parts.class_weight is not None:
        raise ConfigError(
            Setting("class_weight"), " is for fitting: pre-training takes all cases alike"
        )
    plain = Design.build(resolve("prompt-tuning", {}))
    for setting in ("context", "combination"):
        own, meant = (getattr(one, setting).name for one in (parts, plain))
        require(
            own == meant,
            f"pre-training knows one prompt, trained by itself, and nothing besides: "
            f'{setting}="{own}" is for fitting; leave it out here',
        )


def _labels(name: str, y: Any, count: int, *, needed: bool) -> npt.NDArray[np.intp]:
    """Class numbers (B,); of a method that reads no labels all are 0, whatever y is."""
    if not needed:
        return np.zeros(count, dtype=np.intp)
    classes, numbers = np.unique(label_array(y, argument=f"{name}: y"), return_inverse=True)
    if numbers.shape != (count,) or len(classes) < 2:
        raise InputError(
            f"{name}: one label for each of {counted(count, 'case')}, of two classes or more, is "
            f"needed; there are {counted(numbers.size, 'label')} of "
            f"{counted(len(classes), 'class')}"
        )
    if np.bincount(numbers).max() < 2:
        raise InputError(
            f"{name}: each class has one case, and a part of them must be held out; leave the set "
            "out, or use a method that reads no labels (ppt)"
        )
    return numbers.astype(np.intp)


def _prepare(
    parts: Design,
    backbone: Backbone,
    cases: Cases,
    labels: npt.NDArray[np.intp],
    *,
    seed: int,
    batch_tokens: int | None,
) -> tuple[Problem, Tensor]:
    """A set as a tuner sees it, with its task vector; all draws are those of a fit on it."""
    parts.settle(cases)
    prepared = parts.preprocessing.fit(cases).transform(cases)
    parts.strategy.device = backbone.device
    prepared = parts.strategy.fit_transform(prepared, derive(seed, "strategy"))
    reader = make_reader(parts, backbone, batch_tokens)
    layers = parts.choose_layers()
    vector = task_vector(parts, reader, prepared, layers)
    tokenizer = tokenizers.build(parts.tokenizer)
    room = reader.room(tokenizer.width(prepared.n_features))
    tokenizer.fit(prepared, backbone, max_steps=room, rng=generator(seed, "tokenizer", 0))
    problem = Problem(
        member=0,
        cases=prepared,
        labels=labels,
        n_classes=int(labels.max()) + 1,
        reader=reader,
        tokenizer=tokenizer,
        prompt=parts.prompt,
        readout=parts.readout,
        head=MLP(),
        slots=parts.strategy.slots(reader.length, tokenizer.max_steps_),
        layers=layers,
        seed=seed,
    )
    return problem, vector
