"""What a backbone can do, and which recipes it serves: each is tried on a few cases.

A recipe asks much of a language model: words, a mask, a head for masked words, layers that take a
deep prompt. Whether it is all there is known for sure once a case was read and predicted.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tsprompt import progress
from tsprompt.backbones import Backbone, load_backbone
from tsprompt.backbones.load import nothing_fetched, total_layers
from tsprompt.backbones.vocabulary import NoWords
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.backbones.writer import open_writer
from tsprompt.base.kinds import SETTINGS
from tsprompt.base.spec import name_in
from tsprompt.classifier import PromptClassifier
from tsprompt.errors import Setting, TspromptError, TspromptNotice
from tsprompt.recipes import RECIPES, resolve
from tsprompt.tuners import tuners

__all__ = ["abilities", "served", "trial"]

_KEPT = ("scores",)
"""Options that a trial leaves as the recipe has them: they are what is asked of the model."""


def abilities(name: str, device: str = "auto") -> dict[str, str]:
    """What there is of a backbone that parts may ask for; nothing is downloaded.

    Raises
    ------
    BackboneError
        It is not on this machine.
    """
    with nothing_fetched():
        backbone = load_backbone(name, device=device)
        family = backbone.family
        found = {
            "family": f"{family.name}, reads {family.reads}",
            "size": f"{total_layers(name)} layers, states of {backbone.state_size} entries",
            "positions": f"{backbone.positions:,}",
        }
        if isinstance(backbone.words, NoWords):
            found["words"] = "none"
        else:
            said = backbone.words.word(backbone.words.mask)
            found["words"] = f"{len(backbone.words):,}"
            found["answers at"] = f"the last token, {said}" if family.causal else f"{said}"
            found["words at the mask"] = _words_at_the_mask(backbone)
        found["deep prompts"] = _able(backbone.check_deep)
        if family.answers_apart:
            option = Setting("tuner", "generate:model=FOLDER")
            found["fills gaps"] = _able(
                lambda: open_writer(name, str(backbone.device), option).sentinel(2)
            )
        return found


def _words_at_the_mask(backbone: Backbone) -> str:
    """Whether it has its own head for words, or which of the others can stand in for it."""
    own = _able(lambda: word_scorer(backbone, "model"))
    if own == "yes":
        return "its own head for masked words (scores=model)"
    tied = _able(lambda: word_scorer(backbone, "tied"))
    return "its embeddings alone (scores=tied)" if tied == "yes" else tied


def _able(asks: Callable[[], object]) -> str:
    try:
        asks()
    except TspromptError as error:
        return f"no: {error}"
    return "yes"


def served(
    name: str, device: str = "auto", recipes: Sequence[str] = tuple(RECIPES)
) -> dict[str, str]:
    """For each recipe `yes`, if this backbone serves it, else `no`, and why; nothing is downloaded.
    Where the recipe asks for more than a backbone, what it is stands behind the `yes`.

    Raises
    ------
    BackboneError
        The backbone is not on this machine.
    """
    with nothing_fetched():
        load_backbone(name, device=device)
        found = {}
        for number, recipe in enumerate(recipes, start=1):
            found[recipe] = _able(partial(trial, recipe, name, device))
            needs = tuners[name_in(RECIPES[recipe].settings.tuner or "none")].needs
            if needs and found[recipe] == "yes":
                found[recipe] += f", given {needs}"
            progress.report("trying recipes", number, len(recipes))
        return found


def trial(recipe: str, backbone: str, device: str = "auto") -> PromptClassifier:
    """Fit a recipe to a few cases of two classes with this backbone, as quickly as its parts can
    be, and predict them. A tuner that needs a file of the user's is tried by its placebo.

    Raises
    ------
    TspromptError
        They don't go together, or something that the recipe needs is not here.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(["1", "2"], 6)
    waves = np.sin(np.arange(12) / (1 + (labels == "2"))[:, None])
    cases = np.stack([waves, rng.standard_normal(waves.shape)], axis=2).astype(np.float32)
    choices = resolve(recipe, {"backbone": backbone})
    for setting, kind in SETTINGS.items():
        if choices[setting] is not None:
            part = kind.registry().build(choices[setting])
            hasty = {key: one for key, one in part.quick.items() if key not in _KEPT}
            choices[setting] = dataclasses.replace(part, **hasty)
    if tuners.build(choices["tuner"] or "none").needs:
        choices["train"] = "prompt:placebo=true"
    model = PromptClassifier(recipe, **_given(choices), device=device, random_state=0)
    with warnings.catch_warnings(), progress.listen(lambda *_: None):
        warnings.simplefilter("ignore", TspromptNotice)
        model.fit(cases, labels).predict(cases)
    return model


def _given(choices: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in choices.items() if one is not None}
