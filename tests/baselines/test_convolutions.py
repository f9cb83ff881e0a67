"""Linear baselines: how decisions become probabilities, and that ROCKETs are those of aeon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quick_baselines import CONVOLUTIONS, by_name, made

from tsprompt.baselines.decisions import chances

pytestmark = pytest.mark.slow


def test_decision_values_become_probabilities() -> None:
    two = chances(np.array([0.0, 2.0, -800.0]))
    np.testing.assert_allclose(two[:, 1], [0.5, 1 / (1 + np.exp(-2)), 0])
    three = chances(np.array([[1.0, 1.0, 1.0], [900.0, 0.0, 0.0]]))
    np.testing.assert_allclose(three, [[1 / 3] * 3, [1, 0, 0]])


@by_name(CONVOLUTIONS)
def test_rockets_are_those_of_aeon(name: str, separable: Any) -> None:
    ours = made(name).fit(separable.X, separable.y)
    from aeon.classification import convolution_based as aeon

    theirs = {
        "rocket": lambda: aeon.RocketClassifier(200, random_state=0),
        "minirocket": lambda: aeon.MiniRocketClassifier(500, random_state=0),
        "multirocket-hydra": lambda: aeon.MultiRocketHydraClassifier(
            n_kernels=4, n_groups=64, random_state=0
        ),
    }[name]()
    if name == "multirocket-hydra":
        ours = made(name, rocket_kernels=6_250).fit(separable.X, separable.y)
    flipped = separable._replace(
        X=separable.X.transpose(0, 2, 1), X_test=separable.X_test.transpose(0, 2, 1)
    )
    theirs.fit(flipped.X, separable.y)
    noisy = separable.X_test + np.random.default_rng(0).normal(size=separable.X_test.shape)
    assert ours.predict(noisy).tolist() == theirs.predict(noisy.transpose(0, 2, 1)).tolist()
