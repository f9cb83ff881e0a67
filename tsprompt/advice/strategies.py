"""The training strategies that the surveys of prompting tell apart, each as a method that runs.

Liu et al. (2023), section 7, name them by what is trained: nothing (tuning-free), the prompt under
a fixed language model, the language model under a fixed prompt, or both.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tsprompt.backbones.catalogue import split_name
from tsprompt.benchmark import Method
from tsprompt.errors import ConfigError, Setting, notice

__all__ = ["DEFAULT", "EPOCHS", "TrainingStrategy", "training_strategies"]

DEFAULT = "default"
EPOCHS = 20
"""Of training by descent, where nothing else is said; it stops earlier where nothing improves."""


@dataclass(frozen=True)
class TrainingStrategy:
    """What is trained, and how a model is told so."""

    name: str
    about: str
    """What is trained, in a few words."""
    method: Method

    def flags(self) -> str:
        """The options of `tsprompt fit` that choose it."""
        flags = [] if self.method.recipe == DEFAULT else ["--recipe", self.method.recipe]
        for key, value in self.method.settings.items():
            flags += [f"--{key.replace('_', '-')}", str(value)]
        return shlex.join(flags)


def training_strategies(
    shared: Mapping[str, Any] | None = None,
    *,
    epochs: int = EPOCHS,
    layer: int | None = None,
) -> list[TrainingStrategy]:
    """All strategies, the cheapest to fit and to use first.

    Without descent a fit takes one pass of the language model over train, with it one forward and
    back for each epoch; one that trains more can't take less.

    Parameters
    ----------
    shared
        Choices that all of them share, such as the backbone and the tokenizer.
    epochs
        The most passes over train of those that are trained by descent.
    layer
        At which layer the mask is read, where it is: nothing behind it is run or trained. None: the
        last.

    Raises
    ------
    ConfigError
        A choice is unknown, or there are no epochs.
    """
    if epochs < 1:
        raise ConfigError(Setting("epochs"), f" is {epochs}; it must be 1 or more")
    common = dict(shared or {})
    read = {} if layer is None else {"readout": f"mask:layers={layer}"}
    tuner = f"gradient:epochs={epochs}"

    def one(name: str, about: str, recipe: str, **settings: Any) -> TrainingStrategy:
        method = Method(name, "model", recipe, {**common, **settings})
        method.resolved()
        return TrainingStrategy(name, about, method)

    free = {"train": "tuning-free", "tuner": "none"}
    lm, both = ({"train": f"{one}:method=lora", "tuner": tuner} for one in ("lm", "prompt+lm"))
    tuned = "prompt-tuning"
    made = [
        one(DEFAULT, "the head under 4 drawn prompts", DEFAULT),
        one("tuning-free", "the head under 1 drawn prompt", tuned, **free, **read),
        one("in context", "nothing", "in-context", **read),
        one("prompt", "the prompt and the head", tuned, tuner=tuner, **read),
        one("lm", "the LM (LoRA) and the head", tuned, **lm, **read),
        one("prompt+lm", "prompt, LM (LoRA) and head", tuned, **both, **read),
    ]
    if split_name(str(common.get("backbone", "")))[0] != "none":
        return made
    notice("lm and prompt+lm are left out: without a language model there is none to train")
    return [one for one in made if "lm" not in one.name]
