"""The sktime adapter passes sktime's own checks and says the same as the core."""

from __future__ import annotations

import numpy as np
import pytest
from sktime.utils.estimator_checks import check_estimator

from tsprompt import PromptClassifier as Core
from tsprompt.sktime import PromptClassifier

pytestmark = pytest.mark.slow

OPTIONS = {"backbone": "none", "n_prompts": 1, "random_state": 0}


@pytest.fixture
def panel() -> tuple[np.ndarray, np.ndarray]:
    """X in sktime's order (cases, features, timesteps), with T != F."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 10)
    wave = np.sin(np.linspace(0, 9, 20))
    X = (
        rng.normal(scale=0.3, size=(20, 3, 20))
        + np.where(y == "a", 1.0, -1.0)[:, None, None] * wave
    )
    return X, y


@pytest.mark.filterwarnings("ignore")
def test_passes_sktimes_check_estimator() -> None:
    results = check_estimator(PromptClassifier, raise_exceptions=True, verbose=False)
    assert len(results) > 50
    assert set(results.values()) == {"PASSED"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_agrees_with_the_core_and_swaps_the_axes_once(
    panel: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = panel
    ours = Core(**OPTIONS).fit(X.transpose(0, 2, 1), y).predict_proba(X.transpose(0, 2, 1))
    theirs = PromptClassifier(**OPTIONS).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(ours, theirs)


def test_has_the_cores_parameters() -> None:
    assert PromptClassifier().get_params() == Core().get_params()
