"""What a benchmark consists of: methods, and the cells in which each meets a set and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tsprompt.recipes import resolve

if TYPE_CHECKING:
    from tsprompt.regimes import Regime

__all__ = [
    "Cell",
    "Kind",
    "Method",
    "ablations_of",
    "baseline",
    "plan_cells",
    "plan_methods",
    "twins",
]

Kind = Literal["model", "ablation", "baseline"]


@dataclass(frozen=True)
class Method:
    """One row of a comparison."""

    name: str
    """What the row is called."""
    kind: Kind
    """A `model`, an `ablation` of one, or a plain `baseline`."""
    recipe: str = "default"
    settings: dict[str, Any] = field(default_factory=dict)
    """Choices that differ from the recipe's; for a baseline, its spec as `baseline`."""
    seeded: bool = True
    """Whether another seed gives another result."""

    def resolved(self) -> dict[str, Any]:
        """All choices; of a baseline, its spec."""
        return self.settings if self.kind == "baseline" else resolve(self.recipe, self.settings)


def baseline(spec: str) -> Method:
    """The row of a baseline, given as `name` or `name:option=value,...`.

    Raises
    ------
    ConfigError
        It is unknown, or an option is.
    """
    from tsprompt.baselines import baselines

    part = baselines.build(spec)
    options = part.spec().partition(":")[2]
    title = f"{part.title} ({options})" if options else part.title
    return Method(title, "baseline", settings={"baseline": part.spec()}, seeded=part.seeded)


@dataclass(frozen=True)
class Cell:
    """One run: a method on a split of a set, with a seed."""

    dataset: str
    method: Method
    seed: int
    resample: int = 0
    """Which draw of train and test; 0 is the archive's own."""
    shots: int | None = None
    """Cases of train for each class, where train is cut down; 0: none has a label."""


def twins(model: Method, backbone: str) -> list[Method]:
    """The same model with no language model and with random weights: the first things to ask. One
    that is fine-tuned can't do without."""
    from tsprompt.backbones.catalogue import split_name

    base = split_name(backbone)[1]
    tuned = _regime(model).tunes_model
    return [
        _ablate(model, name, backbone=f"{twin}:{base}")
        for twin, name in (("none", "no LM"), ("random", "random weights"))
        if f"{twin}:{base}" != backbone and not (twin == "none" and (tuned or backbone == "none"))
    ]


def _regime(model: Method) -> Regime:
    from tsprompt.regimes import regimes

    return regimes.build(model.resolved()["train"])


def plan_methods(
    strategies: Sequence[str],
    recipe: str = "default",
    settings: dict[str, Any] | None = None,
    *,
    ablated: str | None = None,
    ablations: bool = True,
) -> list[Method]:
    """The strategies side by side, ablations of one of them, and a plain baseline.

    Parameters
    ----------
    strategies
        Strategies to compare, each as a person would type it.
    settings
        Choices that all of them share.
    ablated
        The strategy whose ablations are run; None: the first.

    Raises
    ------
    ConfigError
        The recipe is unknown.
    """
    shared = dict(settings or {})
    models = [
        Method(one, "model", recipe, {**shared, "strategy": one})
        for one in dict.fromkeys(strategies)
    ]
    for model in models:
        model.resolved()
    if not ablations:
        return [*models, baseline("ridge")]
    chosen = next((one for one in models if one.name == ablated), models[0])
    return [*models, *ablations_of(chosen), baseline("ridge")]


def ablations_of(model: Method) -> list[Method]:
    """The model without its language model, its pretraining and its prompt, where it has them; one
    that is fine-tuned can't do without a language model."""
    from tsprompt.backbones.catalogue import choose, split_name
    from tsprompt.prompts import prompts

    choices, regime = model.resolved(), _regime(model)
    prompt = prompts.build(choices["prompt"])
    backbone = choose(str(choices["backbone"]))
    twin, base = split_name(backbone)
    wanted = {
        "no LM": {"backbone": f"none:{base}"},
        "random weights": {"backbone": f"random:{base}"},
        "shuffled weights": {"backbone": f"shuffled:{base}"},
        # The tuner of another prompt may not know this one.
        "no prompt": {"prompt": "none", "tuner": regime.tuner_of("none")},
    }
    own = {"none": "no LM", "random": "random weights", "shuffled": "shuffled weights"}
    left_out = {own.get(twin or "")} | ({"no prompt"} if prompt == prompts.build("none") else set())
    left_out |= {"no LM"} if regime.tunes_model else set()
    return [
        _ablate(model, f"{model.name}, {name}", **changes)
        for name, changes in wanted.items()
        if name not in left_out
    ]


def _ablate(model: Method, name: str, **changes: str) -> Method:
    # A saved prompt means nothing to another language model: the twin's starts afresh.
    kept = {key: value for key, value in model.settings.items() if key != "prompt_from"}
    return Method(name, "ablation", model.recipe, {**kept, **changes})


def plan_cells(
    datasets: Sequence[str],
    methods: Sequence[Method],
    seeds: int = 1,
    *,
    resamples: Sequence[int] = (0,),
    shots: Sequence[int | None] = (None,),
) -> list[Cell]:
    """All runs, set by set.

    The k-th run of resample r has the seed r + k, so that the first runs pair splits with seeds, as
    the published results do. What no seed changes is run once for each split.
    """
    return [
        Cell(dataset, method, resample + run, resample, few)
        for dataset in dict.fromkeys(datasets)
        for resample in resamples
        for few in shots
        for run in range(seeds)
        for method in methods
        if run == 0 or method.seeded or few
    ]
