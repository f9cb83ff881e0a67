"""Heads: solved right, judged on what they have not seen, calibrated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.heads import heads
from tsprompt.heads.dual import _leave_one_out
from tsprompt.heads.lesson import Lesson, hold_out
from tsprompt.heads.mlp import MLP, Perceptron
from tsprompt.heads.ridge import Ridge
from tsprompt.heads.weighing import standardiser

ALONE = [name for name in heads if not heads[name].reads_mask]
"""Heads that need no language model to be tested; those of words have files of their own."""


def problem(
    count: int = 30, size: int = 8, classes: int = 3, gap: float = 2.0, seed: int = 0
) -> tuple[Tensor, np.ndarray]:
    """Features (B, R) of classes whose centres lie `gap` deviations from zero."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    centres = gap * np.random.default_rng(99).standard_normal((classes, size))
    features = centres[labels] + rng.standard_normal((count, size))
    return torch.from_numpy(features.astype(np.float32)), labels


# --- ridge ---


@pytest.mark.parametrize("size", [3, 12, 60])
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 300.0])
def test_leave_one_out_residuals_are_those_of_refits(size: int, penalty: float) -> None:
    """Against 12 refits, each without one case; features and intercept fixed beforehand or not."""
    rng = np.random.default_rng(size)
    x = rng.standard_normal((12, size))
    x -= x.mean(axis=0)
    y = np.where(rng.permutation(12)[:, None] % 3 == np.arange(3), 1.0, -1.0)
    values, vectors = torch.linalg.eigh(torch.from_numpy(x @ x.T))
    values = values.clamp(min=0)
    rotated = vectors.T @ torch.from_numpy(y - y.mean(axis=0))
    found = _leave_one_out(values, vectors, rotated, penalty)
    for i in range(12):
        keep = np.arange(12) != i
        mean_x, mean_y = x[keep].mean(axis=0), y[keep].mean(axis=0)
        centred = x[keep] - mean_x
        gram = centred.T @ centred + penalty * np.eye(size)
        weights = np.linalg.solve(gram, centred.T @ (y[keep] - mean_y))
        expected = y[i] - (mean_y + (x[i] - mean_x) @ weights)
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=1e-6, atol=1e-8)


def test_ridge_is_the_ridge_of_scikit_learn_at_its_penalty() -> None:
    from sklearn.linear_model import Ridge as Reference

    features, labels = problem()
    head = Ridge().fit(Lesson(features, labels, 3, 0))
    x = ((features - features.mean(0)) / features.std(0, correction=0)).numpy().astype(float)
    y = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    reference = Reference(alpha=head.penalty_).fit(x, y)
    np.testing.assert_allclose(head.weights_.numpy(), reference.coef_.T, atol=1e-4)
    np.testing.assert_allclose(head.bias_.numpy(), reference.intercept_, atol=1e-4)
    scores = reference.predict(x) / head.temperature_
    expected = torch.from_numpy(scores).softmax(dim=1).numpy()
    np.testing.assert_allclose(head.probabilities(features), expected, atol=1e-4)


def test_the_penalty_has_the_least_leave_one_out_error() -> None:
    features, labels = problem(gap=0.6, size=40)
    chosen = Ridge().fit(Lesson(features, labels, 3, 0))
    assert chosen.penalty_ in np.logspace(-3, 5, 17)
    x = (features - chosen.mean_) / chosen.unit_
    y = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    values, vectors = torch.linalg.eigh((x @ x.T).double())
    rotated = vectors.T @ torch.from_numpy(y - y.mean(axis=0))
    errors = {
        penalty: float(
            _leave_one_out(values.clamp(min=0), vectors, rotated, penalty).square().sum()
        )
        for penalty in np.logspace(-3, 5, 17)
    }
    assert chosen.penalty_ == pytest.approx(min(errors, key=lambda penalty: errors[penalty]))
    assert 1e-3 < chosen.penalty_ < 1e5


def test_noise_gets_a_larger_penalty_than_signal() -> None:
    signal = Ridge().fit(Lesson(*problem(gap=3.0), 3, 0))
    noise = Ridge().fit(Lesson(*problem(gap=0.0), 3, 0))
    assert noise.penalty_ > 2 * signal.penalty_


def test_ridge_validation_is_leave_one_out_and_no_better_than_chance_on_noise() -> None:
    features, labels = problem(count=60, size=200, gap=0.0)
    head = Ridge().fit(Lesson(features, labels, 3, 0))
    train = (head.probabilities(features).argmax(axis=1) == labels).mean()
    assert train == 1.0
    assert head.validation_accuracy_ < 0.6
    assert head.validation_loss_ > 0.9


def test_ridge_probabilities_are_calibrated_on_cases_it_has_not_seen() -> None:
    """Sure where it is right, unsure where it is not: the loss is near that of the best scaling."""
    features, labels = problem(count=200, gap=0.7)
    test, test_labels = problem(count=400, gap=0.7, seed=5)
    head = Ridge().fit(Lesson(features, labels, 3, 0))
    chances = head.probabilities(test)
    assert abs(chances.max(axis=1).mean() - (chances.argmax(axis=1) == test_labels).mean()) < 0.1


def test_the_only_case_of_a_class_is_not_judged_by_a_ridge_without_it() -> None:
    features, labels = problem(count=31, gap=3.0)
    labels = np.where(np.arange(31) == 30, 3, labels)
    head = Ridge().fit(Lesson(features, labels, 4, 0))
    assert head.validation_accuracy_ == 1.0
    assert head.validation_kind() == "leave-one-out"


def test_a_ridge_of_one_case_of_each_class_validates_on_the_development_sample() -> None:
    features, labels = problem(count=33, gap=1.0)
    _, first = np.unique(labels, return_index=True)
    rest = np.setdiff1d(np.arange(33), first)
    few = features[first], labels[first]

    alone = Ridge().fit(Lesson(*few, 3, 0))
    assert np.isnan([alone.validation_loss_, alone.validation_accuracy_]).all()
    assert "one case of each class" in alone.validation_kind()
    # No surer of train than one case in four can be.
    assert alone.probabilities(few[0]).max() <= 0.75

    seen = Ridge().fit(Lesson(*few, 3, 0, development=(features[rest], labels[rest])))
    guessed = seen.probabilities(features[rest]).argmax(axis=1)
    assert seen.validation_accuracy_ == (guessed == labels[rest]).mean()
    assert seen.validation_kind() == "development sample"
    assert np.array_equal(guessed, alone.probabilities(features[rest]).argmax(axis=1))


def test_one_single_case_is_enough_for_the_development_sample_to_judge() -> None:
    """One against the rest, in few shots: of the rest alone, a ridge that says 'rest' is right."""
    features, labels = problem(count=33, classes=8, gap=1.0)
    first = np.unique(labels, return_index=True)[1]
    rest = np.setdiff1d(np.arange(33), first)
    own = (labels == 0).astype(np.intp)
    head = Ridge().fit(
        Lesson(features[first], own[first], 2, 0, development=(features[rest], own[rest]))
    )
    assert head.validation_kind() == "development sample"
    guessed = head.probabilities(features[rest]).argmax(axis=1)
    assert head.validation_accuracy_ == (guessed == own[rest]).mean()


def test_cases_with_probabilities_stand_for_the_class_of_a_single_one() -> None:
    features, labels = problem(count=33, gap=3.0)
    _, first = np.unique(labels, return_index=True)
    known = np.where(np.isin(np.arange(33), first), labels, -1)
    head = Ridge().fit(Lesson(features, known, 3, 0, chances=np.eye(3)[labels]))
    assert head.validation_accuracy_ == 1.0


def test_rows_of_one_case_do_not_judge_each_other() -> None:
    """Two rows of each case: as with one case of each class, nothing is left to validate on."""
    features, labels = problem(count=6)
    head = Ridge().fit(Lesson(features, labels, 3, 0, groups=labels.copy()))
    assert np.isnan(head.validation_loss_)


def test_ridge_has_no_randomness() -> None:
    features, labels = problem()
    one, other = (Ridge().fit(Lesson(features, labels, 3, seed)) for seed in (0, 1))
    assert np.array_equal(one.probabilities(features), other.probabilities(features))


def optional_problem(good: bool) -> tuple[Tensor, np.ndarray, Tensor]:
    """Features of which the last 300 are optional: either they tell the classes, or are noise."""
    features, labels = problem(count=60, size=8, gap=0.7)
    rng = np.random.default_rng(3)
    extra = rng.standard_normal((60, 300))
    if good:
        extra += 0.7 * rng.standard_normal((3, 300))[labels]
    joined = torch.cat([features, torch.from_numpy(extra.astype(np.float32))], dim=1)
    return joined, labels, torch.arange(308) >= 8


def test_optional_features_are_left_out_where_they_harm() -> None:
    features, labels, optional = optional_problem(good=False)
    head = Ridge().fit(Lesson(features, labels, 3, 0, optional))
    assert head.optional_weight_ == 0
    assert not head.weights_[optional].any()
    alone = Ridge().fit(Lesson(features[:, ~optional], labels, 3, 0))
    torch.testing.assert_close(head.weights_[~optional], alone.weights_)
    assert head.validation_loss_ == pytest.approx(alone.validation_loss_)
    everything = Ridge().fit(Lesson(features, labels, 3, 0))
    assert head.validation_loss_ < everything.validation_loss_


def test_optional_features_are_used_where_they_help() -> None:
    features, labels, optional = optional_problem(good=True)
    head = Ridge().fit(Lesson(features, labels, 3, 0, optional))
    assert head.optional_weight_ > 0
    assert head.weights_[optional].abs().sum() > 0
    without = Ridge(weights=(0.0,)).fit(Lesson(features, labels, 3, 0, optional))
    assert head.validation_loss_ < without.validation_loss_


def test_a_weight_of_one_is_no_weight() -> None:
    features, labels, optional = optional_problem(good=True)
    weighed = Ridge(weights=(1.0,)).fit(Lesson(features, labels, 3, 0, optional))
    plain = Ridge().fit(Lesson(features, labels, 3, 0))
    torch.testing.assert_close(weighed.weights_, plain.weights_)


def test_a_weight_is_that_of_inner_products() -> None:
    """Features scaled by the root of the weight, and no weight, give the same scores."""
    from sklearn.linear_model import Ridge as Reference

    features, labels, optional = optional_problem(good=True)
    head = Ridge(weights=(0.3,)).fit(Lesson(features, labels, 3, 0, optional))
    x = ((features - head.mean_) / head.unit_).numpy().astype(float)
    x[:, optional.numpy()] *= np.sqrt(0.3)
    y = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    expected = torch.from_numpy(
        Reference(alpha=head.penalty_).fit(x, y).predict(x) / head.temperature_
    ).softmax(dim=1)
    np.testing.assert_allclose(head.probabilities(features), expected, atol=1e-4)


@pytest.mark.gpu
def test_features_may_be_on_a_gpu() -> None:
    features, labels, optional = optional_problem(good=True)
    there = Ridge().fit(Lesson(features.cuda(), labels, 3, 0, optional))
    here = Ridge().fit(Lesson(features, labels, 3, 0, optional))
    torch.testing.assert_close(there.weights_, here.weights_)
    assert there.probabilities(features.cuda()).shape == (60, 3)


def test_giving_up_on_many_cases_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, optional = optional_problem(good=True)
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 40)
    monkeypatch.setattr("tsprompt.heads.ridge.SUMMED_FEATURES", 0)
    monkeypatch.setattr("tsprompt.heads.ridge._ITERATIONS", 2)
    with pytest.warns(TspromptNotice, match="unsolved"):
        head = Ridge(low=-3, high=-2, steps=2).fit(Lesson(features, labels, 3, 0, optional))
    assert head.validation_kind() == "leave-one-out on 40 cases"


def test_many_cases_are_solved_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conjugate gradients find what the direct solution at the same penalty is."""
    features, labels, optional = optional_problem(good=True)
    direct = Ridge(low=1, high=2, steps=2, weights=(0.3,)).fit(
        Lesson(features, labels, 3, 0, optional)
    )
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 40)
    monkeypatch.setattr("tsprompt.heads.ridge._TOLERANCE", 1e-6)
    monkeypatch.setattr("tsprompt.heads.ridge._COLUMNS", 64)
    iterated = Ridge(low=1, high=2, steps=2, weights=(0.3,))
    iterated.fit(Lesson(features, labels, 3, 0, optional))
    assert iterated.penalty_ == direct.penalty_
    torch.testing.assert_close(iterated.weights_, direct.weights_, rtol=1e-3, atol=1e-5)
    assert iterated.validation_accuracy_ > 0.9


# --- mlp ---


def small_mlp(**options: float) -> MLP:
    return MLP(**{"hidden": 16, "epochs": 60, "learning_rate": 1e-2, **options})  # type: ignore[arg-type]


def test_mlp_keeps_the_epoch_with_the_least_validation_loss() -> None:
    features, labels = problem(gap=0.5)
    head = small_mlp(epochs=200, patience=200).fit(Lesson(features, labels, 3, 0))
    _, held = hold_out(labels, head.validation, 0)
    chances = torch.from_numpy(head.probabilities(features[held]))
    loss = functional.nll_loss(chances.log(), torch.from_numpy(labels[held]))
    assert float(loss) == pytest.approx(head.validation_loss_, abs=1e-5)
    hits = (chances.argmax(dim=1).numpy() == labels[held]).mean()
    assert hits == pytest.approx(head.validation_accuracy_)
    # Had it gone on to the end it would be worse: the losses of its epochs say so.
    losses = [
        small_mlp(epochs=n, patience=200).fit(Lesson(features, labels, 3, 0)) for n in (1, 200)
    ]
    assert head.validation_loss_ <= losses[0].validation_loss_
    assert head.epochs_run_ == 200


def test_mlp_stops_after_patience_epochs_without_improvement() -> None:
    features, labels = problem(gap=0.0)
    head = small_mlp(epochs=500, patience=5, learning_rate=0.01).fit(Lesson(features, labels, 3, 0))
    assert 6 < head.epochs_run_ < 100

    def loss_after(epochs: int) -> float:
        longer = small_mlp(epochs=epochs, patience=500, learning_rate=0.01)
        return longer.fit(Lesson(features, labels, 3, 0)).validation_loss_

    best = head.epochs_run_ - 5
    assert loss_after(best) == head.validation_loss_ == loss_after(best + 5)
    assert loss_after(best - 1) > head.validation_loss_


def test_mlp_scales_by_the_part_that_it_learns_from() -> None:
    features, labels = problem()
    learn, _ = hold_out(labels, 0.25, 0)
    head = small_mlp().fit(Lesson(features, labels, 3, 0))
    mean, unit = standardiser(features[torch.from_numpy(learn)])
    assert torch.equal(head.mean_, mean)
    assert torch.equal(head.unit_, unit)


def test_mlp_depends_on_its_seed_alone() -> None:
    features, labels = problem()
    torch.manual_seed(1)
    one = small_mlp().fit(Lesson(features, labels, 3, 0))
    torch.manual_seed(2)
    again, other = (
        small_mlp().fit(Lesson(features, labels, 3, 0)),
        small_mlp().fit(Lesson(features, labels, 3, 1)),
    )
    assert np.array_equal(one.probabilities(features), again.probabilities(features))
    assert not np.array_equal(one.probabilities(features), other.probabilities(features))


def test_mlp_keeps_the_global_random_numbers() -> None:
    features, labels = problem()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small_mlp(epochs=2).fit(Lesson(features, labels, 3, 0)).probabilities(features)
    assert torch.equal(torch.rand(3), expected)


def test_mlp_is_the_mask_model_with_two_layers() -> None:
    model = MLP(hidden=5).module(7, 3)
    assert isinstance(model, Perceptron)
    assert [tuple(one.shape) for one in model.parameters()] == [(5, 7), (5,), (3, 5), (3,)]


# --- hold_out ---


@given(
    st.lists(st.integers(2, 30), min_size=2, max_size=6),
    st.floats(0.05, 0.95),
    st.integers(0, 1000),
)
def test_hold_out_parts_are_disjoint_complete_and_hold_every_class(
    counts: list[int], share: float, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    learn, held = hold_out(labels, share, seed)
    assert sorted([*learn, *held]) == list(range(len(labels)))
    assert set(labels[learn]) == set(labels[held]) == set(range(len(counts)))


def test_hold_out_is_stratified() -> None:
    labels = np.repeat([0, 1], [80, 20])
    _, held = hold_out(labels, 0.25, 0)
    assert np.bincount(labels[held]).tolist() == [20, 5]


# --- all of them ---


def test_standardiser_leaves_a_constant_feature_alone() -> None:
    mean, unit = standardiser(torch.tensor([[5.0, 1.0], [5.0, 3.0]]))
    assert mean.tolist() == [5, 2]
    assert unit.tolist() == [1, 1]


@pytest.mark.parametrize("name", ALONE)
def test_constant_and_single_features_are_no_division_by_zero(name: str) -> None:
    labels = np.arange(12) % 2
    for features in (torch.full((12, 4), 3.0), torch.zeros(12, 1)):
        chances = heads.build(name).fit(Lesson(features, labels, 2, 0)).probabilities(features)
        np.testing.assert_allclose(chances, 0.5, atol=0.05)


@pytest.mark.parametrize("name", ALONE)
def test_far_away_features_have_finite_probabilities(name: str) -> None:
    head = heads.build(name).fit(Lesson(*problem(), 3, 0))
    chances = head.probabilities(torch.full((2, 8), 1e6))
    assert np.isfinite(chances).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)


@pytest.mark.parametrize("name", ALONE)
def test_validation_says_what_it_is(name: str) -> None:
    head = heads.build(name)
    assert np.isnan(head.validation_loss_)
    assert head.validation_kind()
    features, labels = problem(gap=4.0, count=60)
    head.fit(Lesson(features, labels, 3, 0))
    assert 0 <= head.validation_loss_ < 0.5
    assert head.validation_accuracy_ > 0.9
    assert {"validation_loss_", "validation_accuracy_"} <= set(head.state())


@pytest.mark.parametrize(
    "spec",
    [
        "ridge:low=5,high=5",
        "ridge:steps=1",
        "mlp:hidden=0",
        "mlp:learning_rate=0",
        "mlp:epochs=0",
        "mlp:patience=0",
        "mlp:batch=0",
        "mlp:validation=0",
        "mlp:validation=1",
    ],
)
def test_wrong_options_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        heads.build(spec)
