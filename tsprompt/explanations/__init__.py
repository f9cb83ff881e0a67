"""Why a fitted model decides as it does: shares of time and features, and train cases alike.

>>> from tsprompt import explain
>>> explain(model, X_new, train=(X, y))[0].by_stretch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tsprompt.explanations.explainer import Explainer
from tsprompt.explanations.explanation import Explanation, Explanations, Neighbour
from tsprompt.explanations.overall import Overall, overall

if TYPE_CHECKING:
    from tsprompt.classifier import PromptClassifier

__all__ = [
    "Explainer",
    "Explanation",
    "Explanations",
    "Neighbour",
    "Overall",
    "explain",
    "overall",
]


def explain(
    model: PromptClassifier,
    X: Any,
    *,
    train: tuple[Any, Any] | None = None,
    method: str | None = None,
    reference: str | None = None,
    stretches: int | None = None,
    orders: int = 10,
    nearest: int = 3,
) -> Explanations:
    """Say how much each stretch of time and each feature moved a model's decisions.

    Explained is the score of the predicted class: its log-odds against the runner-up. Positive
    shares speak for the predicted class.

    Parameters
    ----------
    model
        A fitted classifier.
    X
        Cases (B, T, F), in any form that `predict` takes.
    train
        The cases that it was fitted on and their labels. Without them there are no nearest cases,
        and the reference `other` can't be used.
    method
        `shapley`: stretches return in random orders, and a share is what a return changes on
        average; they add up to the score. `ablation`: each stretch is taken away alone. `exact`:
        the model's own sum divided into its steps, where its head is linear and its features are
        sums over tokens. None: `shapley`.
    reference
        What takes the place of what is taken away: `interpolate`, straight lines between its
        neighbours; `mean`, train's mean; `other`, the nearest train case of the runner-up class.
        None: `interpolate`. The method `exact` is always relative to train's mean features.
    stretches
        How many equally long stretches of time there are; None: 16, or fewer where there are
        several features. The method `exact` gives shares to the model's own steps.
    orders
        Random orders for `shapley`: more are smoother, and take longer.
    nearest
        How many train cases of the predicted class, and of the runner-up, are given.

    Returns
    -------
    Explanations
        One for each case; with `to_dict` for JSON and `to_frame` for a table.

    Raises
    ------
    InputError
        X or train can't be used, or has other features than the model's train.
    ConfigError
        An option is unknown, or can't be had with this model.
    """
    from sklearn.utils.validation import check_is_fitted

    from tsprompt.data import as_cases

    check_is_fitted(model, "fitted_")
    known = None
    if train is not None:
        known = as_cases(train[0], argument="train", axes=model.axes), np.asarray(train[1])
    explainer = Explainer(
        model.fitted_,
        known,
        method=method,
        reference=reference,
        stretches=stretches,
        orders=orders,
        nearest=nearest,
    )
    return Explanations(tuple(explainer.explain(as_cases(X, axes=model.axes))))
