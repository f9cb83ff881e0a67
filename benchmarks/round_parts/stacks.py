"""Several views together, each with the learner that suits it."""

from __future__ import annotations

from typing import Any

import numpy as np

from round_parts.heads import Design, Split, folds_of, plain, ridge
from round_parts.views import Labels, View

TREES = 200
OTHERS = ("quant", "hydra", "shapelets")


def _trees(view: View, y: Labels, seed: int) -> tuple[Any, Any]:
    """Extra trees: probabilities of train from folds, and of test."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import cross_val_predict

    made = ExtraTreesClassifier(
        TREES, max_features=0.1, criterion="entropy", random_state=seed, n_jobs=1
    )
    folds, classes = folds_of(y, seed), int(y.max()) + 1
    held = np.full((len(y), classes), 1 / classes)
    if folds is not None:
        held = cross_val_predict(made, view.train, y, cv=folds, method="predict_proba")
    return held, made.fit(view.train, y).predict_proba(view.test)


def _said(split: Split, name: str) -> tuple[Any, Any]:
    """Probabilities by a view: of train cases that were left out, and of test."""
    if name not in split.said:
        learner = _trees if name == "quant" else ridge
        split.said[name] = learner(split.views[name], split.y, split.seed)
    return split.said[name]


def _alone(name: str) -> Design:
    return lambda split: np.asarray(_said(split, name)[1].argmax(axis=1))


def _weighed(*names: str) -> Design:
    """Probabilities weighed by the accuracy on left-out train cases to the fourth power (Large,
    Lines and Bagnall 2019)."""

    def design(split: Split) -> Labels:
        total: Any = 0.0
        for name in names:
            held, said = _said(split, name)
            total = total + (held.argmax(axis=1) == split.y).mean() ** 4 * said
        return np.asarray(total.argmax(axis=1))

    return design


def _stacked(*names: str) -> Design:
    """A logistic regression on the logarithms of what each view says of left-out train cases."""

    def design(split: Split) -> Labels:
        from sklearn.linear_model import LogisticRegression

        said = [_said(split, name) for name in names]
        x, x_test = (
            np.concatenate([np.log(np.maximum(one[part], 1e-3)) for one in said], axis=1)
            for part in (0, 1)
        )
        return np.asarray(LogisticRegression(C=0.1, max_iter=300).fit(x, split.y).predict(x_test))

    return design


def _together(*names: str) -> Design:
    """One ridge on the features of several views, each view's scaled to count alike."""

    def design(split: Split) -> Labels:
        train, test, optional = [], [], []
        for name in names:
            own = split.views[name]
            mean, unit = own.train.mean(axis=0), own.train.std(axis=0)
            kept = unit > 1e-6 * (1 + np.abs(mean))
            train.append(((own.train - mean) / unit)[:, kept])
            test.append(((own.test - mean) / unit)[:, kept])
            optional.append(own.optional[kept])
        joined = View(*(np.concatenate(one, axis=-1) for one in (train, test, optional)))
        return plain(joined, split.y, split.seed)

    return design


STACKS: dict[str, Design] = {
    "prompt (the default)": _alone("prompt"),
    "quant": _alone("quant"),
    "hydra": _alone("hydra"),
    "shapelets": _alone("shapelets"),
    "prompt + hydra, one ridge": _together("prompt", "hydra"),
    "prompt + shapelets, one ridge": _together("prompt", "shapelets"),
    "prompt + quant, weighed": _weighed("prompt", "quant"),
    "all four, weighed": _weighed("prompt", *OTHERS),
    "all four, stacked": _stacked("prompt", *OTHERS),
}
WITHOUT: dict[tuple[str, str], Design] = {
    (f"all four, {how}", f"{instead or 'nothing'} for the prompt"): make(
        *([instead] if instead else []), *OTHERS
    )
    for how, make in (("weighed", _weighed), ("stacked", _stacked))
    for instead in ("random weights", "no language model", "")
}
"""Design and what takes the place of its language model -> the ablation."""
