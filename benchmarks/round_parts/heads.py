"""Heads of the prompt's view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from round_parts.views import Labels, View

FOLDS = 5


@dataclass
class Split:
    """What a design sees of a split."""

    views: dict[str, View]
    y: Labels
    """Of train, as numbers."""
    seed: int
    said: dict[str, Any] = field(default_factory=dict)
    """What has been worked out for a view, and other designs may use."""


Design = Callable[[Split], Labels]
"""Labels of test."""


def ridge(view: View, y: Labels, seed: int, **more: Any) -> tuple[Any, Any]:
    """Our head: probabilities of train where each case is left out, and of test."""
    import torch

    from tsprompt.heads import Lesson
    from tsprompt.heads.ridge import Ridge

    features, test = torch.from_numpy(view.train), torch.from_numpy(view.test)
    optional = torch.from_numpy(view.optional)
    lesson = Lesson(features, y, int(y.max()) + 1, seed, optional=optional, **more)
    head = Ridge().fit(lesson)
    assert head.judged is not None
    held = np.full((len(y), lesson.n_classes), 1 / lesson.n_classes)
    held[head.judged.rows] = head.judged.chances
    return held, head.probabilities(test)


def plain(view: View, y: Labels, seed: int) -> Labels:
    return np.asarray(ridge(view, y, seed)[1].argmax(axis=1))


def _balanced(view: View, y: Labels, seed: int) -> Labels:
    weights = len(y) / len(np.unique(y)) / np.bincount(y)[y]
    return np.asarray(ridge(view, y, seed, weights=weights)[1].argmax(axis=1))


def _coordinates(view: View) -> tuple[Any, Any]:
    """Train and test in as many numbers as train has cases: inner products, and with them all that
    a linear head or one of distances can learn, are those of the standardised features."""
    mean, unit = view.train.mean(axis=0), view.train.std(axis=0)
    unit[unit < 1e-6 * (1 + np.abs(mean))] = 1
    weight = np.where(view.optional, 0.3, 1.0) ** 0.5 / np.sqrt(len(mean))
    x, x_test = ((one - mean) / unit * weight for one in (view.train, view.test))
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    kept = values > 1e-8 * values[-1]
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, x_test @ (x.T @ vectors[:, kept]) / roots


def folds_of(y: Labels, seed: int) -> Any:
    from sklearn.model_selection import StratifiedKFold

    count = min(FOLDS, int(np.bincount(y).min()))
    return StratifiedKFold(count, shuffle=True, random_state=seed) if count > 1 else None


def _searched(make: Callable[[int], Any], grid: dict[str, list[Any]]) -> Callable[..., Labels]:
    """A head of scikit-learn, its options chosen by folds of train."""

    def design(view: View, y: Labels, seed: int) -> Labels:
        from sklearn.model_selection import GridSearchCV

        x, x_test = _coordinates(view)
        folds, model = folds_of(y, seed), make(seed)
        if grid and folds is not None:
            model = GridSearchCV(model, grid, cv=folds, scoring="neg_log_loss")
        return np.asarray(model.fit(x, y).predict(x_test))

    return design


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300)


def _support(seed: int) -> Any:
    from sklearn.svm import SVC

    return SVC(probability=True, random_state=seed)


def _discriminant(seed: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _gaussian(seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    return GaussianProcessClassifier(ConstantKernel(10.0) * RBF(1.0), random_state=seed)


def _on(head: Callable[[View, Labels, int], Labels]) -> Design:
    return lambda split: head(split.views["prompt"], split.y, split.seed)


_STRENGTHS = [float(one) for one in np.logspace(-2, 4, 7)]
HEADS: dict[str, Design] = {
    "ridge (the default)": _on(plain),
    "ridge, classes balanced": _on(_balanced),
    "logistic": _on(_searched(_logistic, {"C": _STRENGTHS})),
    "support vectors, RBF": _on(
        _searched(_support, {"C": [1.0, 10.0, 100.0], "gamma": [0.1, 0.3, 1.0, 3.0]})
    ),
    "discriminant, Ledoit-Wolf": _on(_searched(_discriminant, {})),
    "Gaussian process, RBF": _on(_searched(_gaussian, {})),
}
