"""What each part of a model adds: its accuracy on each set less that of the model without it, and
how many sets it would take to see as much.

An ablation belongs to the models that it is an ablation of: by its name, or by its choices. So the
row without a prompt, which is the same of many prompting methods, is run once and counts for all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsprompt.base.spec import parse_spec
from tsprompt.benchmark.record import Record
from tsprompt.report.power import ALPHA, MIN_SETS, POWER, sets_to_see
from tsprompt.report.statistics import signed_rank_p, why_unshown
from tsprompt.report.summary import DECIMALS, OVERALL, accuracy_matrix

__all__ = [
    "ABOUT",
    "Ablations",
    "ablation_effects",
    "ablations_in",
    "by_choices",
    "by_part",
    "settings_of",
    "survivors",
]

ABOUT = (
    "Accuracy of a model minus that of the same model without the part: the mean over the sets "
    "that both have, its 95 % interval (Student's t over sets), and on how many sets it won, tied "
    "and lost. Sets to see it: what a signed-rank test of this pair alone takes for a chance of "
    f"{100 * POWER:.0f} % to find a difference of this size and spread at {ALPHA}. Holm p: of "
    "signed-rank tests over sets, corrected over the models that have the part; nothing is "
    "corrected for how many parts there are. Where sets of one source count as one, a set is a "
    "family of them."
)
"""What the table says, in words."""

_PARTS = {
    "no LM": "language model",
    "random weights": "its pretraining",
    "shuffled weights": "order of its weights",
    "no prompt": "prompt",
    "placebo": "what train told its prompt",
}
_CHANGED: dict[str, tuple[set[str], Callable[[dict[str, Any], dict[str, Any]], bool]]] = {
    "no LM": ({"backbone"}, lambda own, _: str(own["backbone"]).startswith("none:")),
    "random weights": ({"backbone"}, lambda own, _: str(own["backbone"]).startswith("random:")),
    "shuffled weights": ({"backbone"}, lambda own, _: str(own["backbone"]).startswith("shuffled:")),
    "no prompt": ({"prompt", "tuner"}, lambda own, _: own["prompt"] == "none"),
    "placebo": ({"train"}, lambda own, model: _is_placebo(own["train"], model["train"])),
}
"""What is said of an ablation -> the choices in which it may differ from its model, and whether
they do so as it should. A prompt to start from is never kept: it means nothing to another model."""


def _is_placebo(train: str, of: str) -> bool:
    (name, options), (other, others) = parse_spec(train), parse_spec(of)
    return name == other and options == {**others, "placebo": True}


@dataclass(frozen=True)
class Ablations:
    """The ablations of one model."""

    model: str
    table: pd.DataFrame
    """A row for each ablation: ablation, part, sets, mean, sd (over sets), se (of the mean), low
    and high (a 95 % interval of the mean), wins, ties, losses of the model, p (of a signed-rank
    test) and p_holm (corrected over the models that have the part, with as many shots), and needed:
    the sets that it would take to see a difference of this size. NaN where a figure can't be had.
    """
    differences: dict[str, pd.Series]
    """Ablation -> accuracy of the model minus its own, on each set (or family) that both have."""


def ablation_effects(
    accuracy: pd.DataFrame,
    kinds: Mapping[str, str],
    owner: str | None = None,
    settings: Mapping[str, dict[str, Any]] | None = None,
    family_of: Callable[[str], str] | None = None,
) -> list[Ablations]:
    """The ablations of each model that has some.

    Parameters
    ----------
    accuracy
        A row for each set, a column for each method; gaps are NaN.
    kinds
        The kind of each method.
    owner
        The model that ablations without a model's name belong to, where there are several models.
    settings
        All choices of each method, where they are known.
    family_of
        What a set comes of: those of one family count as one, by their mean difference.
    """
    methods = [str(name) for name in accuracy.columns]
    models = [name for name in methods if kinds[name] == "model"]
    found: dict[str, dict[str, tuple[str, pd.Series]]] = {}
    for name in (one for one in methods if kinds[one] == "ablation"):
        for model, what in _owners(name, models, owner, settings or {}).items():
            difference = (accuracy[model] - accuracy[name]).dropna()
            if family_of is not None:
                difference = difference.groupby(family_of, sort=False).mean()
            difference = difference.round(DECIMALS)
            if len(difference):
                found.setdefault(model, {})[name] = what, difference
    made = [
        Ablations(
            model,
            pd.DataFrame([_row(name, *one) for name, one in found[model].items()]),
            {name: difference for name, (_, difference) in found[model].items()},
        )
        for model in models
        if model in found
    ]
    _correct(made)
    return made


def ablations_in(
    summary: pd.DataFrame, settings: Mapping[str, dict[str, Any]] | None = None
) -> list[Ablations]:
    """The same from what `summarise` gives."""
    if summary.empty:
        return []
    rows = summary[summary["dataset"] != OVERALL]
    kinds = dict(zip(rows["method"].map(str), rows["kind"].map(str), strict=True))
    return ablation_effects(accuracy_matrix(summary), kinds, settings=settings)


def settings_of(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """The choices of each method, as its records have them."""
    return {one.method: one.settings for one in records if one.settings}


def by_part(found: Sequence[Ablations]) -> list[tuple[str, pd.DataFrame]]:
    """For each part, with as many shots, a table with a row for each model that has it: the columns
    of `Ablations.table`, and `model`."""
    tables: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for one in found:
        shots = _shots(one.model)
        for part, rows in one.table.groupby("part", sort=False):
            row = rows.assign(model=_bare(one.model))
            tables.setdefault((shots, str(part)), []).append(row)
    order = sorted(tables, key=lambda key: (key[0] != "", key[0]))  # all of train first
    return [(f"{part}{shots}", pd.concat(tables[shots, part])) for shots, part in order]


def survivors(found: Iterable[Ablations]) -> str:
    """Which models are significantly better than each of their ablations, in a sentence."""
    better = [
        one.model
        for one in found
        if ((one.table["mean"] > 0) & (one.table["p_holm"] < ALPHA)).all()
    ]
    return (
        f"Significantly better than all of their ablations (Holm, α = {ALPHA}): "
        f"{', '.join(better) or 'none'}."
    )


def _correct(found: Sequence[Ablations]) -> None:
    """Holm's correction of the p values of a part over the models that have it; none where there
    are too few sets for any of them."""
    from statsmodels.stats.multitest import multipletests

    if not found:
        return
    every = pd.concat(
        {number: one.table.assign(shots=_shots(one.model)) for number, one in enumerate(found)}
    )
    corrected = pd.Series(np.nan, every.index)
    for _, rows in every.groupby(["shots", "part"]):
        if rows["p"].notna().all() and why_unshown(int(rows["sets"].max()), len(rows)) is None:
            corrected[rows.index] = multipletests(rows["p"], method="holm")[1]
    for number, one in enumerate(found):
        one.table["p_holm"] = corrected[number]


def _owners(
    ablation: str, models: list[str], owner: str | None, settings: Mapping[str, dict[str, Any]]
) -> dict[str, str]:
    """The models that an ablation is one of, and what it says of each: by its name, and by its
    choices."""
    found = {}
    named = _model_of(ablation, models, owner)
    if named is not None:
        found[named] = _bare(ablation).removeprefix(f"{_bare(named)}, ")
    own = settings.get(ablation)
    for model in models:
        choices = settings.get(model)
        if own and choices and model not in found and _shots(model) == _shots(ablation):
            what = by_choices(own, choices)
            if what is not None:
                found[model] = what
    return found


def by_choices(own: dict[str, Any], model: dict[str, Any]) -> str | None:
    """Which ablation of a model these choices are, if any."""
    differ = {key for key in own.keys() | model.keys() if own.get(key) != model.get(key)}
    if own.get("prompt_from") is None:
        differ -= {"prompt_from"}
    for what, (may, fits) in _CHANGED.items():
        if differ and differ <= may and fits(own, model):
            return what
    return None


def _model_of(ablation: str, models: list[str], owner: str | None) -> str | None:
    """An ablation is called `MODEL, WHAT`; without a model's name it is of the only one, or of the
    owner."""
    shots = _shots(ablation)
    alike = [one for one in models if _shots(one) == shots]
    named = [one for one in alike if ablation.startswith(f"{_bare(one)}, ")]
    if named:
        return max(named, key=len)
    if ", " in ablation:
        return None
    return alike[0] if len(alike) == 1 else next((one for one in alike if one == owner), None)


def _shots(method: str) -> str:
    found = re.search(r" \(\d+ shots\)$", method)
    return found[0] if found else ""


def _bare(method: str) -> str:
    return method.removesuffix(_shots(method))


def _row(ablation: str, what: str, difference: pd.Series) -> dict[str, object]:
    low, high = _interval(difference.to_numpy(dtype=float))
    mean = float(difference.mean())
    sd = float(difference.std()) if len(difference) > 1 else float("nan")
    return {
        "ablation": ablation,
        "part": _PARTS.get(what, f"against {what}"),
        "sets": len(difference),
        "mean": mean,
        "sd": sd,
        "se": sd / math.sqrt(len(difference)),
        "low": low,
        "high": high,
        "wins": int((difference > 0).sum()),
        "ties": int((difference == 0).sum()),
        "losses": int((difference < 0).sum()),
        "p": signed_rank_p(difference) if len(difference) >= MIN_SETS else float("nan"),
        "needed": sets_to_see(mean, sd) if len(difference) >= MIN_SETS else float("nan"),
    }


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean."""
    from scipy.stats import ttest_1samp

    if len(values) < 2 or np.ptp(values) == 0:
        return float("nan"), float("nan")
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    return float(interval.low), float(interval.high)
