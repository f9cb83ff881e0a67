"""What a benchmark consists of: methods, and the cells in which each meets a set and a seed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tsprompt.base.spec import options_in
from tsprompt.data import FileSet
from tsprompt.errors import ConfigError, TspromptNotice, near_names, notice
from tsprompt.recipes import resolve

if TYPE_CHECKING:
    from tsprompt.model.design import Design

__all__ = [
    "ABLATIONS",
    "Cell",
    "Method",
    "MethodKind",
    "ablations_of",
    "baseline",
    "plan_cells",
    "plan_methods",
    "twins",
    "with_ablations",
    "without_language_model",
]

MethodKind = Literal["model", "ablation", "baseline"]


@dataclass(frozen=True)
class Method:
    """One row of a comparison."""

    name: str
    """What the row is called."""
    kind: MethodKind
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
    options = options_in(part.spec())
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
    file: FileSet | None = None
    """Where the set is one's own; None: the archives' of this name."""


_TWINS = {"no LM": "none", "random weights": "random", "shuffled weights": "shuffled"}
"""Row of a comparison -> twin of the language model."""
ABLATIONS = (*_TWINS, "no prompt", "placebo")
"""All ablations of a model, by what their rows are called."""


def twins(model: Method, backbone: str) -> list[Method]:
    """The same model with no language model and with random weights: the first things to ask."""
    changes = _twins(_parts(model), backbone, ("no LM", "random weights"))
    return [_ablate(model, name, backbone=twin) for name, twin in changes.items()]


def without_language_model(model: Method, backbone: str) -> Method | None:
    """The same model with no language model; None where it has none, or can't do without one.

    Parameters
    ----------
    backbone
        What the model was fitted with.
    """
    from tsprompt.backbones.catalogue import split_name

    own, base = split_name(backbone)
    parts = _parts(model)
    if own == "none" or parts.train.tunes_model or not parts.reads_data:
        return None
    return _ablate(model, "no LM", backbone=f"none:{base}")


def _twins(parts: Design, backbone: str, names: Iterable[str]) -> dict[str, str]:
    """Row -> backbone, of those twins that say something about this model. One that is fine-tuned
    can't do without a language model; one that reads masks alone would lose the data with it."""
    from tsprompt.backbones.catalogue import split_name

    own, base = split_name(backbone)
    rows = {
        name: f"{twin}:{base}" for name, twin in _TWINS.items() if name in names and twin != own
    }
    if parts.train.tunes_model:
        if rows.pop("no LM", None):
            notice(
                "the row 'no LM' is left out: a model that is fine-tuned can't do without a "
                "language model"
            )
    elif "no LM" in rows and not parts.reads_data:
        del rows["no LM"]
        notice(
            "the row 'no LM' is left out: this model is read at the mask alone, and without a "
            "language model nothing of a case reaches its mask, so that all get one answer"
        )
    return rows


def _parts(model: Method) -> Design:
    from tsprompt.model.design import Design

    return Design.build(model.resolved())


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
        The recipe is unknown, or `ablated` is not among the strategies.
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
    names = [one.name for one in models]
    if ablated is not None and ablated not in names:
        raise ConfigError(
            f"ablated: {ablated!r} is none of the strategies that are compared; "
            f"{near_names(ablated, names)}"
        )
    chosen = models[0 if ablated is None else names.index(ablated)]
    return [*models, *ablations_of(chosen), baseline("ridge")]


def ablations_of(model: Method, names: Sequence[str] = ABLATIONS) -> list[Method]:
    """The model without its language model, its pretraining and its prompt, and its placebo, where
    it has them and the row would say something.

    Parameters
    ----------
    names
        Which of `ABLATIONS`.

    Raises
    ------
    ConfigError
        There is no such ablation, or the model's choices are unknown or contradict each other.
    """
    from tsprompt.backbones.catalogue import choose
    from tsprompt.prompts import prompts
    from tsprompt.regimes import regimes

    if unknown := next((name for name in names if name not in ABLATIONS), None):
        raise ConfigError(
            f"no ablation is called {unknown!r}; {near_names(str(unknown), ABLATIONS)}"
        )
    parts = _parts(model)
    with warnings.catch_warnings():  # the run itself says which model stands in for another
        warnings.simplefilter("ignore", TspromptNotice)
        backbone = choose(parts.backbone)
    wanted = {name: {"backbone": twin} for name, twin in _twins(parts, backbone, names).items()}
    if "no prompt" in names and parts.prompt != prompts.build("none"):
        # The tuner of another prompt may not know this one.
        wanted["no prompt"] = {"prompt": "none", "tuner": parts.train.tuner_of("none")}
    if "placebo" in names and parts.has_placebo and not parts.train.placebo:
        wanted["placebo"] = {"train": regimes.amend(parts.train.spec(), placebo=True)}
    return [_ablate(model, f"{model.name}, {name}", **changes) for name, changes in wanted.items()]


def with_ablations(methods: Sequence[Method], wanted: Mapping[str, Sequence[str]]) -> list[Method]:
    """The methods, and behind them the ablations of some of them; of rows with the same choices, as
    the prompting methods have without a prompt, the first alone.

    Parameters
    ----------
    wanted
        Method -> which of `ABLATIONS`.

    Raises
    ------
    ConfigError
        As `ablations_of`.
    """
    made = list(methods)
    if not any(wanted.values()):
        return made
    known = [_parts(one).specs(full=True) for one in made if one.kind != "baseline"]
    for method in (one for one in methods if wanted.get(one.name)):
        for one in ablations_of(method, wanted[method.name]):
            choices = _parts(one).specs(full=True)
            if choices not in known:
                known.append(choices)
                made.append(one)
    return made


def _ablate(model: Method, name: str, **changes: str) -> Method:
    # A saved prompt means nothing to another language model: the twin's starts afresh.
    kept = {key: value for key, value in model.settings.items() if key != "prompt_from"}
    return Method(name, "ablation", model.recipe, {**kept, **changes})


def plan_cells(
    datasets: Sequence[str | FileSet],
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
    distinct = [one for i, one in enumerate(datasets) if one not in datasets[:i]]
    files = {one.name: one for one in distinct if isinstance(one, FileSet)}
    names = [one.name if isinstance(one, FileSet) else one for one in distinct]
    return [
        Cell(dataset, method, resample + run, resample, few, files.get(dataset))
        for dataset in names
        for resample in resamples
        for few in shots
        for run in range(seeds)
        for method in methods
        if run == 0 or method.seeded or few
    ]
