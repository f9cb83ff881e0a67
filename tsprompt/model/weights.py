"""How much the cases of train count: weights of classes, and of single cases."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import ConfigError, InputError, Setting, near_names
from tsprompt.heads.weighing import Weights

__all__ = ["ClassWeight", "case_weights", "check_class_weight", "check_sample_weight"]

ClassWeight = str | dict[str, float] | None
"""`balanced`, or the weight of a case of each class by the class's name; None: all alike."""


def check_class_weight(value: Any) -> ClassWeight:
    """The same, with the names of the classes as texts.

    Raises
    ------
    ConfigError
        It is neither `balanced` nor a weight above 0 for each of some classes.
    """
    if value is None or (isinstance(value, str) and value == "balanced"):
        return value
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(
            Setting("class_weight"),
            f"={value!r} is neither 'balanced' nor a dict of weights by label, such as "
            "{'calm': 1, 'wild': 5}",
        )
    for label, weight in value.items():
        number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not number or not 0 < float(weight) < float("inf"):
            raise ConfigError(
                Setting("class_weight"),
                f": the weight of {label!r} must be a number above 0, not {weight!r}; leave out "
                "the cases of a class that is not to count",
            )
    return {str(label): float(weight) for label, weight in value.items()}


def check_sample_weight(
    weights: Any, labels: npt.NDArray[np.intp], classes: npt.NDArray[Any]
) -> Weights:
    """(B,) one for each case, 0 or more.

    Raises
    ------
    InputError
        They are of another shape or kind, or no case of a class has a weight above 0.
    """
    try:
        own = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("sample_weight holds something else than numbers") from None
    if own.shape != labels.shape:
        raise InputError(
            f"sample_weight has shape {own.shape}; one weight for each of the {len(labels)} cases "
            "of X is needed"
        )
    wrong = np.flatnonzero(~(np.isfinite(own) & (own >= 0)))
    if len(wrong):
        raise InputError(
            f"sample_weight must be 0 or more, and finite: that of case {wrong[0]} is "
            f"{own[wrong[0]]}"
        )
    heard = np.bincount(labels, weights=own, minlength=len(classes)) > 0
    if not heard.all():
        raise InputError(
            f"sample_weight is 0 for all cases of the class {classes[~heard][0]}; leave these "
            "cases out of X and y, or give one of them a weight"
        )
    return own


def case_weights(
    labels: npt.NDArray[np.intp],
    learn: int,
    classes: npt.NDArray[Any],
    own: Weights | None,
    class_weight: ClassWeight,
) -> Weights | None:
    """(B + V,) how much each case counts, those of the development sample behind train; None where
    all count alike.

    `balanced` makes the weights of all classes add up to the same, and those of train to what they
    were before. A case of the development sample counts as its class does.

    Parameters
    ----------
    labels
        (B + V,) class numbers.
    learn
        B.
    own
        (B,) weights of train's cases by themselves.

    Raises
    ------
    InputError
        `class_weight` names a class that there is not.
    """
    weights = np.ones(len(labels))
    if own is not None:
        weights[:learn] = own
    if class_weight == "balanced":
        sums = np.bincount(labels[:learn], weights[:learn], minlength=len(classes))
        weights = weights * (sums.sum() / (len(classes) * sums))[labels]
    elif isinstance(class_weight, dict):
        names = [str(one) for one in classes]
        for name in class_weight:
            if name not in names:
                raise InputError(
                    f"class_weight names the class {name!r}, which y lacks; "
                    f"{near_names(name, names)}"
                )
        weights = weights * np.array([class_weight.get(name, 1.0) for name in names])[labels]
    # Weights that are all alike say nothing.
    alike = all(np.ptp(part) == 0 for part in (weights[:learn], weights[learn:]) if len(part))
    return None if alike else weights
