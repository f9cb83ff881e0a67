"""Views: what one method makes of the cases of a split, kept by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class View:
    """What one method makes of a split."""

    train: Floats
    """(B, R)"""
    test: Floats
    """(V, R)"""
    optional: npt.NDArray[np.bool_]
    """(R,) features that a head may weigh down."""


def kept(cache: Path, name: str, split: tuple[Any, Labels, Any], seed: int) -> View:
    """A view of train, its labels and test, from the folder or into it."""
    content = hashlib.sha256(f"{name} {seed}".encode())
    for one in split:
        content.update(np.ascontiguousarray(one).data)
    path = cache / name / f"{content.hexdigest()}.npz"
    if not path.exists():
        view = VIEWS[name](*split, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, train=view.train, test=view.test, optional=view.optional)
        part.replace(path)
    with np.load(path) as held:
        return View(held["train"], held["test"], held["optional"])


def _prompted(**choices: Any) -> Callable[..., View]:
    """What the default's head sees, or another recipe's of its kind."""

    def view(X: Any, y: Labels, X_test: Any, seed: int) -> View:
        import torch

        from tsprompt import PromptClassifier
        from tsprompt.data import as_cases

        model = PromptClassifier(random_state=seed, device="cpu", **choices).fit(X, y)
        train, test = (model.fitted_.features(as_cases(one)).float().numpy() for one in (X, X_test))
        width = train.shape[1] // len(model.readings_)
        optional = torch.cat([one.readout.optional(width) for one in model.readings_])
        return View(train, test, optional.numpy())

    return view


def _of_aeon(make: Callable[[int], Any]) -> Callable[..., View]:
    """What a transformation of aeon makes."""

    def view(X: Any, y: Labels, X_test: Any, seed: int) -> View:
        from tsprompt.baselines.aeon_isolation import isolated

        with isolated():
            transform = make(seed)
            train = np.asarray(transform.fit_transform(X.transpose(0, 2, 1), y))
            test = np.asarray(transform.transform(X_test.transpose(0, 2, 1)))
        train, test = (np.nan_to_num(one.astype(np.float32)) for one in (train, test))
        return View(train, test, np.zeros(train.shape[1], dtype=bool))

    return view


def _quant(seed: int) -> Any:
    from aeon.transformations.collection.interval_based import QUANTTransformer

    return QUANTTransformer()


def _hydra(seed: int) -> Any:
    from aeon.transformations.collection.convolution_based import HydraTransformer

    return HydraTransformer(random_state=seed, output_type="numpy")


def _shapelets(seed: int) -> Any:
    from aeon.transformations.collection.shapelet_based import RandomDilatedShapeletTransform

    return RandomDilatedShapeletTransform(random_state=seed)


VIEWS: dict[str, Callable[..., View]] = {
    "prompt": _prompted(),
    "no language model": _prompted(backbone="none:minilm"),
    "random weights": _prompted(backbone="random:minilm"),
    "quant": _of_aeon(_quant),
    "hydra": _of_aeon(_hydra),
    "shapelets": _of_aeon(_shapelets),
}
