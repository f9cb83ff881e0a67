"""What a saved model is, in words and numbers; told from its header where that holds it, without
torch and without the model's parts. `tsprompt.model.layout` works it out from the parts."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tsprompt.base.kinds import SETTINGS, Kind
from tsprompt.base.part_texts import read_part
from tsprompt.base.spec import parse_spec, spell_spec, spell_value
from tsprompt.model.header import (
    MODEL,
    SlotsEntry,
    check_plugins,
    check_settings,
    classes_of,
    expected_of,
    refusing_damage,
)

__all__ = ["Description", "Layout", "Slot", "described", "short_spec", "to_header"]


@dataclass(frozen=True)
class Slot:
    """One position of a template."""

    kind: str
    """`cls`, `prompt`, `data`, `mask` or `sep`; `context` for its words; `answer`, where the answer
    is read elsewhere than at the mask, and `frame`, a mask at which it is not."""
    text: str
    """The word of a prompt token (`~word`: the nearest one to a vector; `v3`: vector 3, where there
    are no words); `x7`: step 7."""
    tokens: int = 1
    """Positions that it takes."""


@dataclass(frozen=True)
class Layout:
    """The sizes of a fitted model, for the longest series of train."""

    scope: str
    """`series`: the model reads all steps at once; `step`: each alone."""
    latent: int | None
    """Numbers that the strategy compresses a case to, if it does."""
    steps: int
    """S."""
    patch: int
    """Timesteps of a step."""
    width: int
    """W, the tokens of a step."""
    prompt_tokens: int
    """P, all prompt slots of one reading."""
    layer_tokens: int
    """P', prompt tokens that each layer hears besides its own."""
    positions: int
    """L, what the language model reads at once."""
    readings: int
    """Prompts whose features are concatenated."""
    layers_read: tuple[int, ...]
    """Layers that the readout reads; 0 is what enters the first."""
    layers: int
    """N, of the whole language model."""
    hidden_size: int
    """D."""
    features: int
    """R, over all readings."""
    classes: int
    """C."""


@dataclass(frozen=True)
class Description:
    """All of it."""

    recipe: str
    settings: dict[str, Any]
    """Choice -> its spec, with the options that differ from the defaults of today."""
    classes: list[str]
    n_features: int
    """F."""
    seed: int
    layout: Layout
    templates: list[list[Slot]]
    """Of each prompt."""
    validation: str
    """How the validation figures were come by."""
    scores: dict[str, float]
    costs: dict[str, Any]
    report: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = asdict(self)
        del told["validation"]
        return told


def to_header(description: Description) -> dict[str, Any]:
    """What a header keeps of it besides what it says elsewhere."""
    return {
        "layout": asdict(description.layout),
        "templates": [_runs(template) for template in description.templates],
        "validation": description.validation,
    }


def _runs(template: list[Slot]) -> list[SlotsEntry]:
    """Slots as the header holds them: those that are alike but for their texts, together."""
    return [
        {"kind": kind, "tokens": tokens, "texts": [slot.text for slot in run]}
        for (kind, tokens), run in itertools.groupby(template, lambda one: (one.kind, one.tokens))
    ]


def described(path: Path, header: dict[str, Any]) -> Description | None:
    """What the checked header of the folder `path` says; None where it was written before it held
    what is shown.

    Raises
    ------
    ModelFileError
        It names what does not exist, or contradicts itself.
    """
    kept = header.get("shown")
    if kept is None:
        return None
    with refusing_damage(path, MODEL):
        check_plugins(path, header.get("plugins", []))
        check_settings(header["settings"])
        sizes = kept["layout"]
        return Description(
            recipe=header["recipe"],
            settings=_short(header["settings"]),
            classes=[str(one) for one in classes_of(header)],
            n_features=expected_of(header).n_features,
            seed=header["seed"],
            layout=Layout(**{**sizes, "layers_read": tuple(sizes["layers_read"])}),
            templates=[
                [Slot(run["kind"], text, run["tokens"]) for run in runs for text in run["texts"]]
                for runs in kept["templates"]
            ],
            validation=kept["validation"],
            scores=header["scores"],
            costs=header["costs"],
            report=header["report"],
        )


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a header, whose specs are full, with short ones."""
    short = {name: short_spec(kind, settings[name]) for name, kind in SETTINGS.items()}
    return {**settings, **short}


def short_spec(kind: Kind, full: Any) -> str:
    """The spec of a part without the options that are as they are by default.

    Raises
    ------
    ValueError
        There is no such part, or it has no such option.
    """
    if not isinstance(full, str):
        raise ValueError(f"settings: {full!r} is no {kind.name}")
    name, options = parse_spec(full)
    own = read_part(kind, name)
    if own is None:
        built: str = kind.registry().build(full).spec()
        return built
    if unknown := options.keys() - own.defaults.keys():
        raise ValueError(f"settings: {kind.name} {name!r} has no option {min(unknown)!r}")
    differing = {
        option: value
        for option, value in options.items()
        if spell_value(value) != spell_value(own.defaults[option])
    }
    return spell_spec(name, differing)
