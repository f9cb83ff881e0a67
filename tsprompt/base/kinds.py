"""The kinds of parts, in one table: completion, `tsprompt list`, the options of the command, the
building of a design and the conformance tests all read it.

A new kind is a package of that name with its registry in it, a line here, and, where a classifier
has one, a field of `Settings`, of `Design`, of the classifier and of the command's `Choices`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "SETTINGS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """One kind of part."""

    name: str
    plural: str
    """Its package in tsprompt, the registry in that, and its word in `tsprompt list`."""
    about: str
    """What its parts are for, in a line."""
    setting: str | None
    """What the classifier, a recipe and a plan call the choice; None: no part of a classifier."""

    @property
    def package(self) -> str:
        """Where its own parts live."""
        return f"tsprompt.{self.plural}"

    def registry(self) -> Any:
        """Its `Registry`. This imports its package, and with most of them torch."""
        return getattr(importlib.import_module(self.package), self.plural)


KINDS: dict[str, Kind] = {
    name: Kind(name, plural, about, setting)
    for name, plural, setting, about in (
        ("strategy", "strategies", "strategy", "How series, prompt and mask are laid out."),
        ("tokenizer", "tokenizers", "tokenizer", "How values become tokens."),
        ("prompt", "prompts", "prompt", "What fills the prompt slots."),
        ("tuner", "tuners", "tuner", "How the prompt is found."),
        ("readout", "readouts", "readout", "How hidden states become features."),
        ("head", "heads", "head", "How features become probabilities."),
        (
            "combination",
            "combinations",
            "combination",
            "How several prompts become one classifier.",
        ),
        ("regime", "regimes", "train", "What is fitted besides the head."),
        ("context", "contexts", "context", "What stands in the input besides prompt and data."),
        (
            "preprocessing",
            "preprocessings",
            "preprocessing",
            "How series are imputed, standardised and resampled.",
        ),
        ("baseline", "baselines", None, "Other classifiers, to compare with."),
    )
}
"""Name -> kind."""

SETTINGS: dict[str, Kind] = {kind.setting: kind for kind in KINDS.values() if kind.setting}
"""Setting of a classifier -> the kind of part that it takes."""
