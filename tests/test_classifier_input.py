"""What PromptClassifier refuses, what it does with series that are too long, and what it leaves
unread: test data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import fit
from sklearn.exceptions import NotFittedError

from tsprompt import PromptClassifier
from tsprompt.errors import BackboneError, ConfigError, InputError, TspromptNotice
from tsprompt.heads.mlp import MLP
from tsprompt.tokenizers.kernels import Kernels

# --- bad input ---


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 5, 1)), "holds no cases"),
        (np.array([[["a"]]] * 6), "not numbers"),
        ([np.zeros((3, 1)), np.zeros((3, 2))] * 3, "X\\[1\\] has 2 features"),
        (np.zeros((5, 4, 1)), r"y has shape \(6,\); one label for each of the 5 cases"),
    ],
)
def test_series_that_cannot_be_used_are_refused(tiny: dict[str, Any], X: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PromptClassifier(**tiny).fit(X, [0, 1] * 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0] * 6, r"one class only \(0\)"),
        ([0, 1] * 2, r"y has shape \(4,\)"),
        (np.zeros((6, 1)), r"y has shape \(6, 1\)"),
        ([0, 1, 0, 1, 0, np.nan], r"y\[5\] is nan, which is no class"),
        ([0, 1, 0, 1, 0, np.inf], r"y\[5\] is inf, which is no class"),
        (np.array([0, 1, 0, 1, 0, np.nan]), "y holds NaN or inf, the first at 5"),
        (np.array([0, "a", 0, 1, 0, 1], dtype=object), r"several types \(int, str\)"),
        (np.array(["a", None, "b", "a", "b", "a"], dtype=object), r"y\[1\] is None"),
        (np.array(["a", np.nan, "b", "a", "b", "a"], dtype=object), r"y\[1\] is nan"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tiny: dict[str, Any], y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PromptClassifier(**tiny).fit(np.zeros((6, 5, 1)), y)


def test_names_of_features_stay_with_the_model(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    import pandas as pd

    train, test = ([pd.DataFrame(one, columns=["x", "y"]) for one in X] for X in separable[::2])
    fitted = PromptClassifier(**tiny).fit(train, separable.y)
    assert fitted.feature_names_in_.tolist() == ["x", "y"]
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    expected = fitted.predict_proba(test)
    for one in (fitted, loaded):
        moved = [frame[["y", "x"]] for frame in test]
        assert np.array_equal(one.predict_proba(moved), expected)
        with pytest.raises(InputError, match="column 'y' is missing"):
            one.predict([frame[["x"]] for frame in test])
    assert not hasattr(fit(tiny, separable), "feature_names_in_")


def test_channels_first_stay_so_when_saved(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    flipped = separable.X.transpose(0, 2, 1)
    fitted = PromptClassifier(**tiny, axes="BFT").fit(flipped, separable.y)
    expected = fit(tiny, separable).predict_proba(separable.X)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    for one in (fitted, loaded):
        assert np.array_equal(one.predict_proba(flipped), expected)
    with pytest.warns(TspromptNotice, match='use axes="BFT"'):
        PromptClassifier(**tiny).fit(flipped, separable.y)


def test_what_a_model_was_fitted_on_is_asked_of_what_it_predicts(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    fitted = fit(tiny, separable)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    for one in (fitted, loaded):
        with pytest.warns(TspromptNotice, match="all series have 19 timesteps and those of train"):
            one.predict(separable.X_test[:, 1:])


def test_a_class_with_one_case_needs_a_head_that_holds_nothing_out(
    tiny: dict[str, Any], separable: Any
) -> None:
    X, y = separable.X[:9], np.array(["a", "b"] * 4 + ["rare"])
    with pytest.raises(InputError, match=r'class rare has fewer than 2 .* use head="ridge"'):
        PromptClassifier(**tiny, head="mlp").fit(X, y)
    with pytest.raises(InputError, match=r'class rare .* tuner="gradient" .* use tuner="search"'):
        PromptClassifier(**{**tiny, "prompt": "soft"}, tuner="gradient").fit(X, y)
    assert PromptClassifier(**tiny).fit(X, y).predict_proba(X).shape == (9, 3)


def test_features_must_be_those_of_the_fit(fitted: PromptClassifier, separable: Any) -> None:
    for features in (1, 3):
        with pytest.raises(InputError, match=f"X has {features} features?, the model .* with 2"):
            fitted.predict(np.zeros((2, 20, features)))
    with pytest.raises(InputError, match="X has 1 feature,"):
        fitted.predict(separable.X_test[:, :, 0])
    with pytest.raises(InputError, match=r"give X\.transpose\(0, 2, 1\)"):
        fitted.predict(separable.X_test.transpose(0, 2, 1))


def test_gaps_without_a_policy_are_refused_and_with_one_are_said(
    tiny: dict[str, Any], gappy: Any
) -> None:
    with pytest.raises(InputError, match=r'missing or infinite values, .* missing="interpolate"'):
        fit(tiny, gappy, preprocessing="standard:missing=error")
    with pytest.warns(TspromptNotice, match=r"\d+ missing values in \d+ of 24 cases were filled"):
        fit(tiny, gappy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "defalt"}, "did you mean default"),
        ({"strategy": "per_step"}, "did you mean per-step"),
        ({"tokenizer": "kernel"}, "did you mean kernels"),
        ({"tokenizer": "kernels:steps=abc"}, "steps must be a whole number or none: 'abc'"),
        ({"tokenizer": "kernels:steps=7.5"}, "steps must be a whole number or none: 7.5"),
        ({"tokenizer": "kernels:length=none"}, "length must be a whole number: None"),
        ({"tokenizer": "kernels:scale=true"}, "scale must be a number: True"),
        ({"tokenizer": "kernels:sphere=2"}, "sphere must be true or false: 2"),
        ({"tokenizer": "kernels:response=none"}, "'none' is not one of: rank, std"),
        ({"axes": "NTF"}, "axes='NTF' is not one of: BTF, BFT"),
        ({"axes": None}, "axes=None is not one of: BTF, BFT"),
        ({"device": None}, "not one of: auto, cpu, cuda, mps"),
        ({"dtype": None}, "not one of: auto, float32, bfloat16"),
        ({"recipe": None}, "no recipe is called None"),
        ({"n_prompts": np.float64(2)}, "n_prompts must be a whole number"),
        ({"tokenizer": "kernels:stepz=4"}, "did you mean steps"),
        ({"prompt": "hardd"}, "did you mean hard"),
        ({"tuner": "serch"}, "did you mean search"),
        ({"readout": "pool"}, "did you mean pooled"),
        ({"head": "rigde"}, "did you mean ridge"),
        ({"preprocessing": "standart"}, "did you mean standard"),
        ({"head": MLP}, "is not a head"),
        ({"head": Kernels()}, "is not a head"),
        ({"scope": "steps"}, "not one of: series, step"),
        ({"n_prompts": 0}, "1 or more: 0"),
        ({"n_prompts": 1.5}, "whole number"),
        ({"n_prompts": "2"}, "n_prompts must be a whole number of 1 or more: '2'"),
        ({"n_prompts": True}, "n_prompts must be a whole number of 1 or more: True"),
        ({"batch_tokens": True}, "batch_tokens must be a whole number of 1 or more: True"),
        ({"batch_tokens": 0}, "batch_tokens must be a whole number of 1 or more: 0"),
        ({"prompt": "hard:length=0"}, 'for no prompt use prompt="none"'),
        ({"prompt": "hard:placement=left"}, "not one of: around, random"),
        ({"prompt": "none:length=3"}, 'use prompt="hard"'),
        ({"prompt": "none", "tuner": "search"}, "'search' can't find the prompt 'none'"),
        ({"readout": "mask:layers=3"}, "no layer 3; the backbone has layers 0 to 2"),
        ({"readout": "mask:layers=-3"}, "no layer -3"),
        ({"device": "tpu"}, "not one of: auto, cpu, cuda, mps"),
        ({"dtype": "float16"}, "not one of: auto, float32, bfloat16"),
        ({"prompt": "hard:length=126"}, "not even one fits beside the prompt"),
        ({"strategy": "per-step", "prompt": "hard:length=126"}, "not even one fits"),
        ({"scope": "step", "prompt": "hard:length=126"}, "not even one fits"),
    ],
)
def test_choices_that_are_unknown_or_contradict_are_refused(
    tiny: dict[str, Any], separable: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(tiny, separable, **changes)


def test_more_features_than_positions_say_which_tokenizers_do(tiny: dict[str, Any]) -> None:
    X, y = np.random.default_rng(0).standard_normal((6, 120, 120)), [0, 1] * 3
    with pytest.raises(ConfigError, match=r"120 features takes 120 tokens .*kernels"):
        PromptClassifier(**tiny, tokenizer="bins").fit(X, y)
    PromptClassifier(**tiny, tokenizer="patches").fit(X, y)


def test_an_absent_backbone_lists_what_is_there(tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(BackboneError, match="On this machine there are: minilm"):
        fit(tiny, separable, backbone="bert-large-uncased")


# --- longer than the model can read ---


@pytest.mark.parametrize(
    ("strategy", "tokenizer", "patch"),
    [("shared", "bins", 5), ("per-step", "bins", 7), ("shared", "patches:steps=none", 3)],
)
def test_a_series_longer_than_the_positions_becomes_patches_and_none_of_it_is_cut(
    tiny: dict[str, Any], strategy: str, tokenizer: str, patch: int
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 261, 2)), [0, 1] * 3
    classifier = PromptClassifier(**tiny, strategy=strategy, tokenizer=tokenizer)
    with pytest.warns(
        TspromptNotice,
        match=r"261 timesteps don't fit into the 128 positions .*"
        f"steps are patches of {patch} timesteps",
    ):
        classifier.fit(X, y)
    chances = classifier.predict_proba(X)
    for t in (0, 130, 259, 260):
        changed = X.copy()
        changed[:, t] += 100
        assert not np.array_equal(classifier.predict_proba(changed), chances), t


def test_what_fits_is_not_commented_on(tiny: dict[str, Any]) -> None:
    X, y = np.random.default_rng(0).standard_normal((6, 300, 1)), [0, 1] * 3
    PromptClassifier(**tiny, tokenizer="kernels:steps=20").fit(X, y).predict(X)


# --- test data never reaches the fit ---


def test_predicting_changes_nothing_that_was_fitted(
    tiny: dict[str, Any], separable: Any, gappy: Any
) -> None:
    classifier = fit(tiny, separable)
    expected = classifier.predict_proba(separable.X_test)
    classifier.predict(1e4 * separable.X_test[::-1])
    with pytest.warns(TspromptNotice, match="were filled"):
        classifier.predict(gappy.X_test)
    assert np.array_equal(classifier.predict_proba(separable.X_test), expected)


@pytest.mark.parametrize("scope", ["series", "step"])
def test_a_case_does_not_depend_on_those_beside_it(
    tiny: dict[str, Any], separable: Any, scope: str
) -> None:
    classifier = fit(tiny, separable, scope=scope, n_prompts=2)
    together = classifier.predict_proba(separable.X_test)
    alone = np.concatenate([classifier.predict_proba(one[None]) for one in separable.X_test])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    backwards = classifier.predict_proba(separable.X_test[::-1])[::-1]
    np.testing.assert_allclose(backwards, together, atol=1e-5)


def test_companions_of_any_length_change_nothing(tiny: dict[str, Any], ragged: Any) -> None:
    """Nothing is padded: a case beside longer, shorter or equally long ones is the same case."""
    classifier = fit(tiny, ragged, n_prompts=2)
    one = ragged.X_test[0]
    expected = classifier.predict_proba([one])
    for companion in (one[:7], one, np.concatenate([one, one])):
        for batch in ([one, companion], [companion, one][::-1], [one, companion, companion]):
            np.testing.assert_allclose(classifier.predict_proba(batch)[:1], expected, atol=1e-5)


def test_train_in_another_form_gives_the_same(tiny: dict[str, Any], separable: Any) -> None:
    expected = fit(tiny, separable).predict_proba(separable.X_test)
    forms: list[Callable[[np.ndarray], Any]] = [list, lambda X: X.astype(float), np.ndarray.tolist]
    for form in forms:
        other = PromptClassifier(**tiny).fit(form(separable.X), separable.y.tolist())
        found = other.predict_proba(form(separable.X_test))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_handed_in_is_not_changed(tiny: dict[str, Any], gappy: Any) -> None:
    X, y, X_test = gappy.X.copy(), gappy.y.copy(), gappy.X_test.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        PromptClassifier(**tiny).fit(X, y).predict(X_test)
    np.testing.assert_array_equal(X, gappy.X)
    np.testing.assert_array_equal(y, gappy.y)
    np.testing.assert_array_equal(X_test, gappy.X_test)


# --- a fit that fails ---


@pytest.mark.parametrize("error", [RuntimeError("broke"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["fit_features", "tokenise", "forget"])
@pytest.mark.parametrize("fitted_before", [False, True])
def test_a_fit_that_fails_leaves_nothing_to_predict_with(
    tiny: dict[str, Any], separable: Any, error: BaseException, where: str, *, fitted_before: bool
) -> None:
    classifier = PromptClassifier(**tiny)
    if fitted_before:
        classifier.fit(separable.X, separable.y)

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"tsprompt.reading.reader.Reader.{where}", fail)
        with pytest.raises(type(error)):
            classifier.fit(separable.X[:, :, :1], separable.y)
    for call in (classifier.predict, classifier.save):
        with pytest.raises(NotFittedError):
            call(separable.X_test)
    assert classifier.fit(separable.X, separable.y).score(separable.X_test, separable.y_test) > 0.8
