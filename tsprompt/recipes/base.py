"""What a recipe is: a name for a complete set of choices."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recipe", "Settings"]


@dataclass(frozen=True)
class Settings:
    """All choices of a classifier, each as the text that a person would type."""

    strategy: str = "shared"
    """How input, prompt and mask are laid out."""
    scope: str = "series"
    """Whether the language model reads a whole `series` or each `step` alone; `auto`: a whole
    series of one feature, and of several each step."""
    preprocessing: str = "standard"
    """How series are imputed, standardised and resampled."""
    tokenizer: str = "kernels"
    """How values become tokens."""
    prompt: str = "hard"
    """What fills the prompt slots."""
    tuner: str | None = None
    """How the prompt is found; None: the way that the prompt itself names."""
    n_prompts: int = 4
    """Prompts whose features are concatenated, each with a tokenizer draw of its own."""
    readout: str = "pooled"
    """How hidden states become features."""
    head: str = "ridge"
    """How features become probabilities."""
    combination: str = "concatenate"
    """How several prompts' features become one classifier."""
    train: str = "prompt"
    """What is fitted besides the head: the prompt, the language model, both, or neither."""
    context: str = "none"
    """What stands in the input besides prompt and data: labelled cases, marks of segments."""
    backbone: str = "minilm"
    """The language model; of `a|b`, the first that is on the machine."""
    prompt_from: str | None = None
    """Folders of trained prompts to start from, joined by `+`; None: the prompt's own start."""
    class_weight: str | dict[str, float] | None = None
    """How much a case of each class counts in training: `balanced`, or by label; None: all cases
    alike."""


@dataclass(frozen=True)
class Recipe:
    """A set of choices with a name."""

    name: str
    about: str
    """One line for lists."""
    source: str
    """Where it comes from."""
    settings: Settings
    own_layout: bool = False
    """Whether its layout is part of what it is, so that no other strategy takes its place where
    strategies are compared."""
    mechanism: str = ""
    """The step of the source that makes it this method, in one line."""
    departures: tuple[str, ...] = ()
    """Where it still departs from its source, each with why."""
