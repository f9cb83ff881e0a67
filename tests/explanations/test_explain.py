"""Shares add up, point to what decides, and come with train cases alike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier, explain
from tsprompt.errors import ConfigError, InputError
from tsprompt.explanations.grid import Grid
from tsprompt.explanations.references import fixed, interpolated
from tsprompt.readouts.mask import Mask
from tsprompt.readouts.pooled import Pooled

EVERY = ("mean", "std", "max", "min", "proportion", "segments")


def margin(model: PromptClassifier, X: Any) -> np.ndarray:
    """Log-odds of the likeliest class against the second."""
    ordered = np.sort(np.log(model.predict_proba(X)), axis=1)
    return ordered[:, -1] - ordered[:, -2]


@pytest.fixture(scope="module")
def model(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    settings = {**tiny, "n_prompts": 2}
    return PromptClassifier("fast", **settings).fit(separable.X, separable.y)


# --- readouts divide ---


@pytest.mark.parametrize("pool", EVERY)
@pytest.mark.parametrize("tokens", [7, 3, 1])
def test_a_pool_is_the_sum_of_what_tokens_add(pool: str, tokens: int) -> None:
    own = torch.Generator().manual_seed(tokens)
    data = torch.randn(5, 2, tokens, 4, generator=own, dtype=torch.float64)
    readout = Pooled(pools=("mean",), maybe=() if pool == "mean" else (pool,))
    readout.fit(data.transpose(1, 2).flatten(0, 1).to(torch.float32))
    features = readout.pool(data, data[:, :, :1])
    mean, weights = torch.randn(2, features.shape[1], 3, generator=own, dtype=torch.float64)
    mean = mean[:, 0]
    shares = readout.divide(data, data[:, :, :1], mean, weights)
    assert shares.shape == (5, tokens, 3)
    assert torch.allclose(shares.sum(dim=1), (features - mean) @ weights, atol=1e-6)


def test_the_masks_of_steps_are_the_steps_own() -> None:
    data = torch.randn(2, 1, 3, 4)
    weights = torch.randn(12, 2)
    shares = Mask().divide(data, data, torch.zeros(12), weights)
    assert torch.allclose(shares[:, 1], data[:, 0, 1] @ weights[4:8], atol=1e-5)
    assert Mask().divides("step")
    assert not Mask().divides("series")
    assert not Pooled(pools=("mean", "mask")).divides("series")


# --- exact shares ---


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tokenizer": "bins"},
        {"tokenizer": "patches:steps=6"},
        {"scope": "step", "readout": "mask"},
        {"strategy": "per-step"},
        {"readout": "pooled:pools=mean+std+max+min+proportion"},
        {"preprocessing": "standard:length=33"},
    ],
)
def test_exact_shares_add_up_to_the_score(
    tiny: dict[str, Any], separable: Any, change: dict[str, Any]
) -> None:
    model = PromptClassifier("fast", **tiny, **change).fit(separable.X, separable.y)
    found = explain(model, separable.X_test, method="exact")
    scores = [one.base + one.by_stretch.sum() for one in found]
    assert scores == pytest.approx(margin(model, separable.X_test), abs=1e-4)
    assert [one.predicted for one in found] == model.predict(separable.X_test).tolist()


def test_exact_shares_of_series_of_other_lengths(tiny: dict[str, Any], ragged: Any) -> None:
    model = PromptClassifier("fast", **tiny).fit(ragged.X, ragged.y)
    found = explain(model, ragged.X_test, method="exact")
    scores = [one.base + one.by_timestep().sum() for one in found]
    assert scores == pytest.approx(margin(model, ragged.X_test), abs=1e-4)


def test_tokens_of_one_feature_give_exact_shares_of_features(
    tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier("fast", **tiny, tokenizer="bins").fit(separable.X, separable.y)
    first = explain(model, separable.X_test[:1], method="exact")[0]
    assert first.features_by == "exact"
    assert first.cells.shape == (20, 2)
    assert first.by_feature.sum() == pytest.approx(first.score - first.base, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"head": "mlp"}, "'mlp' are not linear in the features"),
        ({"combination": "vote"}, "'vote' with the head 'ridge' are not linear"),
        ({"readout": "mask"}, "'mask' are no sums over the tokens"),
        ({"strategy": "autoencoder:epochs=2"}, "leaves no order of time"),
    ],
)
def test_what_can_not_be_divided_says_why(
    tiny: dict[str, Any], separable: Any, change: dict[str, Any], why: str
) -> None:
    model = PromptClassifier("fast", **tiny, **change).fit(separable.X, separable.y)
    with pytest.raises(ConfigError, match=why):
        explain(model, separable.X_test, method="exact")
    found = explain(model, separable.X_test[:2], method="ablation", stretches=3)
    assert np.isfinite(found[0].cells).all()


# --- taking cells away ---


def test_shapley_shares_add_up_and_do_not_change(model: PromptClassifier, separable: Any) -> None:
    asked = separable.X_test[:3]
    found = explain(model, asked, method="shapley", orders=2, stretches=4)
    sums = [one.base + one.cells.sum() for one in found]
    assert sums == pytest.approx(margin(model, asked), abs=1e-3)
    again = explain(model, asked, method="shapley", orders=2, stretches=4)
    assert all((a.cells == b.cells).all() for a, b in zip(found, again, strict=True))


def test_ablation_is_what_the_score_loses(model: PromptClassifier, separable: Any) -> None:
    X = separable.X_test[:1]
    one = explain(model, X, method="ablation", reference="mean", stretches=5)[0]
    assert one.grid.stretches.tolist() == [[0, 4], [4, 8], [8, 12], [12, 16], [16, 20]]
    without = X.copy()
    without[:, 4:8, 1] = separable.X[:, :, 1].mean()
    chances = np.log(model.predict_proba(without)[0])
    number = {label: i for i, label in enumerate(model.classes_)}
    left = chances[number[one.predicted]] - chances[number[one.runner_up]]
    assert one.cells[1, 1] == pytest.approx(one.score - left, abs=1e-4)


def test_a_planted_pattern_is_found(tiny: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    X = 0.05 * rng.standard_normal((40, 40, 2))
    y = np.arange(40) % 2
    X[y == 1, 20:30, 1] += np.hanning(10) * 3
    model = PromptClassifier("fast", **tiny).fit(X, y)
    found = explain(model, X[1:9:2], train=(X, y), reference="other", stretches=4, orders=4)
    for one in found:
        assert int(one.by_stretch.argmax()) == 2
        assert int(one.by_feature.argmax()) == 1


@pytest.mark.parametrize("gap", [(0, 3), (4, 6), (17, 20)])
def test_straight_lines_join_what_is_left(gap: tuple[int, int]) -> None:
    values = np.linspace([0.0, 5.0], [19.0, 5.0], 20)
    kept = np.ones((1, 20, 2), dtype=bool)
    kept[0, gap[0] : gap[1]] = False
    made = interpolated(np.array([7.0, 8.0])).make(values, kept)[0]
    inside = gap[0] > 0 and gap[1] < 20
    assert np.allclose(made, values) == inside
    assert (made[kept[0]] == values[kept[0]]).all()
    empty = interpolated(np.array([7.0, 8.0])).make(values, np.zeros_like(kept))[0]
    assert (empty == [7.0, 8.0]).all()


def test_a_reference_of_another_length_is_brought_to_this_one() -> None:
    made = fixed(np.array([[0.0], [10.0]]), "x").make(np.ones((3, 1)), np.zeros((1, 3, 1), bool))
    assert made[0, :, 0].tolist() == [0.0, 5.0, 10.0]


def test_cells_stand_for_values() -> None:
    grid = Grid(np.array([[0, 2], [2, 5]]), ((0, 2), (1,)), ("a", "b"))
    cells = np.array([[[True, False], [False, True]]])
    spread = grid.spread(cells, 5)[0]
    assert spread[:, 0].tolist() == spread[:, 2].tolist() == [True, True, False, False, False]
    assert spread[:, 1].tolist() == [False, False, True, True, True]


# --- train ---


def test_nearest_cases_are_of_the_two_classes(model: PromptClassifier, separable: Any) -> None:
    train = separable.X, separable.y
    one = explain(model, separable.X_test[:1], train=train, method="exact")[0]
    labels = [near.label for near in one.nearest]
    assert labels == [one.predicted] * 3 + [one.runner_up] * 3
    for part in (one.nearest[:3], one.nearest[3:]):
        assert sorted(near.distance for near in part) == [near.distance for near in part]
    assert all((near.values == separable.X[near.number]).all() for near in one.nearest)


def test_a_train_case_is_not_its_own_neighbour(model: PromptClassifier, separable: Any) -> None:
    train = separable.X, separable.y
    one = explain(model, separable.X[4:5], train=train, method="exact")[0]
    assert 4 not in [near.number for near in one.nearest]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"method": "shaply"}, ConfigError, "did you mean shapley"),
        ({"reference": "zero"}, ConfigError, "known: interpolate, mean, other"),
        ({"reference": "other"}, ConfigError, "takes values of train cases"),
        ({"stretches": 0}, ConfigError, "stretches=0 is too few"),
        ({"orders": 0}, ConfigError, "orders=0 is too few"),
        ({"nearest": -1}, ConfigError, "nearest=-1 is too few"),
        ({"train": (np.zeros((2, 20, 2)), ["calm", "wid"])}, InputError, "did you mean wild"),
        ({"train": (np.zeros((2, 20, 2)), ["calm"])}, InputError, "1 label for 2 cases"),
        ({"train": (np.zeros((1, 20, 3)), ["calm"])}, InputError, "train has 3 features"),
    ],
)
def test_what_can_not_be_used_is_refused(
    model: PromptClassifier,
    separable: Any,
    options: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        explain(model, separable.X_test, **options)
    with pytest.raises(InputError, match="X has 1 feature,"):
        explain(model, separable.X_test[:, :, :1])


def test_gaps_are_filled_before_anything_is_taken_away(tiny: dict[str, Any], gappy: Any) -> None:
    with pytest.warns(UserWarning, match="missing values"):
        model = PromptClassifier("fast", **tiny).fit(gappy.X, gappy.y)
    with pytest.warns(UserWarning, match="missing values") as told:
        found = explain(model, gappy.X_test, method="ablation", stretches=2)
    assert len(told) == 1
    assert all(np.isfinite(one.cells).all() for one in found)


def test_answers_are_json_and_tables(model: PromptClassifier, separable: Any) -> None:
    train = separable.X, separable.y
    found = explain(model, separable.X_test[:2], train=train, method="ablation", stretches=4)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [one["case"] for one in told] == [1, 2]
    assert len(told[0]["stretches"]) == 4
    assert len(told[0]["nearest"]) == 6
    rows = found.to_frame()
    assert len(rows) == 2 * 4 * 2
    assert rows["share"].sum() == pytest.approx(sum(one.cells.sum() for one in found))
