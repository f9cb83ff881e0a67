"""PromptClassifier by scikit-learn's rules: parameters, random numbers, labels, figures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import fit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init

from tsprompt import PromptClassifier, progress
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.heads.mlp import MLP
from tsprompt.tokenizers.kernels import Kernels

# --- scikit-learn's rules ---


def test_the_constructor_only_stores() -> None:
    classifier = PromptClassifier()
    names = inspect.signature(PromptClassifier).parameters
    assert vars(classifier).keys() == names.keys()
    marks = {name: object() for name in names}
    stored = vars(PromptClassifier(**marks))  # type: ignore[arg-type]
    assert all(stored[name] is mark for name, mark in marks.items())
    check_no_attributes_set_in_init("PromptClassifier", classifier)


def test_defaults_leave_every_choice_to_the_recipe() -> None:
    from tsprompt.recipes import Settings

    params = PromptClassifier().get_params()
    assert params["recipe"] == "default"
    assert all(params[name] is None for name in vars(Settings()))


def test_params_are_set_and_cloned() -> None:
    classifier = PromptClassifier(tokenizer=Kernels(steps=5), n_prompts=2)
    copy = clone(classifier).set_params(head="mlp", tokenizer="bins")
    assert copy.get_params()["head"] == "mlp"
    assert copy.n_prompts == 2
    assert classifier.tokenizer == Kernels(steps=5)
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        copy.set_params(nonsense=1)


def test_fitting_changes_no_parameter(tiny: dict[str, Any], ragged: Any) -> None:
    head = MLP(epochs=3)
    classifier = PromptClassifier(**tiny, scope="step", head=head, preprocessing="standard")
    before = dict(classifier.get_params())
    with pytest.warns(TspromptNotice, match="resampled to the longest of train, 20 timesteps"):
        classifier.fit(ragged.X, ragged.y)
    assert classifier.get_params() == before
    assert classifier.head is head
    assert head.state() == MLP().state()


def test_what_fitting_learns_ends_in_an_underscore(fitted: PromptClassifier) -> None:
    learned = vars(fitted).keys() - fitted.get_params().keys()
    assert learned
    assert all(name.endswith("_") and not name.startswith("_") for name in learned)
    documented = str(PromptClassifier.__doc__).split("Attributes")[1]
    for name in ("classes_", "n_features_in_", "scores_", "costs_", "report_", "readings_"):
        assert name in documented
        assert hasattr(fitted, name)


@pytest.mark.parametrize("call", ["predict", "predict_proba", "save"])
def test_it_is_not_fitted_before_fit(call: str, separable: Any) -> None:
    with pytest.raises(NotFittedError):
        getattr(PromptClassifier(), call)(separable.X)


def test_grid_search_over_specs(tiny: dict[str, Any], separable: Any) -> None:
    grid: dict[str, list[Any]] = {
        "tokenizer": ["bins", "kernels:steps=5", Kernels(steps=7)],
        "n_prompts": [1, 2],
    }
    search = GridSearchCV(PromptClassifier(**tiny), grid, cv=2).fit(separable.X, separable.y)
    assert search.best_params_["tokenizer"] in grid["tokenizer"]
    assert search.score(separable.X_test, separable.y_test) > 0.8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_numbers_of_numpy_count_as_well(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    grid = {"n_prompts": np.arange(1, 3), "batch_tokens": np.array([512])}
    search = GridSearchCV(PromptClassifier(**tiny), grid, cv=2, error_score="raise")
    best = search.fit(separable.X, separable.y).best_estimator_
    loaded = PromptClassifier.load(best.save(tmp_path / "model"), device="cpu")
    assert type(loaded.n_prompts) is type(loaded.batch_tokens) is int
    assert np.array_equal(loaded.predict(separable.X_test), best.predict(separable.X_test))


def test_cross_val_score_and_pipeline(tiny: dict[str, Any], separable: Any) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    classifier = make_pipeline(FunctionTransformer(), PromptClassifier(**tiny))
    scores = cross_val_score(classifier, separable.X, separable.y, cv=3)
    assert scores.mean() > 0.8


@pytest.mark.parametrize("tokenizer", [None, "kernels:length=5", Kernels(length=5)])
def test_options_of_parts_are_parameters(tokenizer: Any) -> None:
    classifier = PromptClassifier(tokenizer=tokenizer, recipe="fast")
    before = classifier.get_params()
    assert before["tokenizer__steps"] == (32 if not isinstance(tokenizer, Kernels) else 64)
    # Setting what is there changes nothing, so that a search over defaults keeps the recipe.
    assert clone(classifier).set_params(**before).get_params() == before
    changed = clone(classifier).set_params(tokenizer__steps=64, tokenizer__quantiles=np.int64(7))
    after = changed.get_params()
    assert (after["tokenizer__steps"], after["tokenizer__quantiles"]) == (64, 7)
    assert after["tokenizer__length"] == before["tokenizer__length"]
    assert classifier.get_params() == before
    assert isinstance(tokenizer, Kernels) == isinstance(changed.tokenizer, Kernels)
    again = clone(changed).set_params(tokenizer="bins", tokenizer__bins=9)
    assert again.tokenizer == "bins:bins=9"


def test_options_of_parts_that_there_are_not() -> None:
    with pytest.raises(ConfigError, match="no option 'stepz'; did you mean steps"):
        PromptClassifier().set_params(tokenizer__stepz=1)
    with pytest.raises(ConfigError, match="steps must be 1 or more"):
        PromptClassifier().set_params(tokenizer__steps=0)
    with pytest.raises(ValueError, match="Invalid parameter"):
        PromptClassifier().set_params(nonsense__steps=1)
    assert "tokenizer__steps" not in PromptClassifier(tokenizer="unknown").get_params()
    assert PromptClassifier(prompt="soft").get_params()["tuner__epochs"] > 1


def test_a_pipeline_searches_options_of_parts(tiny: dict[str, Any], separable: Any) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pipe = make_pipeline(FunctionTransformer(), PromptClassifier(**tiny))
    grid = {"promptclassifier__tokenizer__steps": np.array([3, 7])}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(separable.X, separable.y)
    (steps,) = search.best_params_.values()
    fitted = search.best_estimator_[-1]
    assert fitted.parts_.tokenizer.steps == steps
    assert search.score(separable.X_test, separable.y_test) > 0.8


def test_it_says_that_it_takes_series_with_gaps() -> None:
    tags = PromptClassifier().__sklearn_tags__()
    assert tags.input_tags.three_d_array
    assert tags.input_tags.allow_nan
    assert tags.input_tags.two_d_array
    assert tags.estimator_type == "classifier"


def test_fit_returns_itself_and_a_second_fit_forgets_the_first(
    tiny: dict[str, Any], separable: Any
) -> None:
    classifier = PromptClassifier(**tiny)
    assert classifier.fit(separable.X, separable.y) is classifier
    classifier.fit(separable.X[:16, :, :1], np.arange(16) % 2)
    assert classifier.classes_.tolist() == [0, 1]
    assert classifier.n_features_in_ == 1
    fresh = PromptClassifier(**tiny).fit(separable.X[:16, :, :1], np.arange(16) % 2)
    test = separable.X_test[:, :, :1]
    assert np.array_equal(classifier.predict_proba(test), fresh.predict_proba(test))


# --- random numbers ---


def test_random_state(tiny: dict[str, Any], separable: Any) -> None:
    def chances(state: Any) -> np.ndarray:
        return fit(tiny, separable, random_state=state).predict_proba(separable.X_test)

    assert np.array_equal(chances(3), chances(3))
    assert np.array_equal(chances(np.random.RandomState(3)), chances(3))
    assert not np.array_equal(chances(None), chances(None))
    state = np.random.RandomState(3)
    assert not np.array_equal(chances(state), chances(state))


def test_members_are_drawn_apart_and_keep_their_draw_when_more_join(
    tiny: dict[str, Any], separable: Any
) -> None:
    two, three = (fit(tiny, separable, n_prompts=n) for n in (2, 3))
    prompts = [tuple(one.prompt.ids.tolist()) for one in three.readings_]  # type: ignore[union-attr]
    assert len(set(prompts)) == 3
    assert [tuple(one.prompt.ids.tolist()) for one in two.readings_] == prompts[:2]  # type: ignore[union-attr]
    weights = [one.tokenizer.state()["weights_"] for one in three.readings_]
    assert not weights[0].equal(weights[1])


def test_an_ablation_draws_the_same_tokenizers_and_prompts(
    tiny: dict[str, Any], separable: Any
) -> None:
    ablated = fit(tiny, separable, backbone=f"none:{tiny['backbone']}")
    plain = fit(tiny, separable)
    for one, other in zip(plain.readings_, ablated.readings_, strict=True):
        assert one.tokenizer.state()["weights_"].equal(other.tokenizer.state()["weights_"])
        assert one.prompt.ids.equal(other.prompt.ids)  # type: ignore[union-attr,arg-type]


# --- labels ---


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a"]),
        np.array(["b", "a"], dtype=object),
        np.array([7, -3]),
        np.array([True, False]),
        np.array([2.0, 1.0]),
        ["x", "y"],
        [2, 1],
        (True, False),
    ],
)
def test_labels_of_any_kind_come_back_as_they_were(
    tiny: dict[str, Any], separable: Any, labels: Any
) -> None:
    kept = separable.y != "mild"
    X, which = separable.X[kept], (separable.y[kept] == "wild").astype(int)
    y: Any = [labels[i] for i in which]
    if isinstance(labels, np.ndarray):
        y = np.array(y, dtype=labels.dtype)
    fitted = PromptClassifier(**tiny).fit(X, y)
    assert fitted.classes_.tolist() == sorted(labels)
    assert fitted.classes_.dtype == np.asarray(y).dtype
    found = fitted.predict(X)
    assert found.dtype == fitted.classes_.dtype
    assert found.tolist() == list(y)


def test_probabilities_are_in_the_order_of_classes(
    fitted: PromptClassifier, separable: Any
) -> None:
    assert fitted.classes_.tolist() == sorted(set(separable.y))
    chances = fitted.predict_proba(separable.X_test)
    right = np.searchsorted(fitted.classes_, separable.y_test)
    assert (chances[np.arange(15), right] > 0.5).all()


# --- figures ---


def test_no_probability_is_above_one(
    fitted: PromptClassifier, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shares that are added up round to more, which scikit-learn's scores refuse."""
    above = np.array([[np.nextafter(1, 2), 0.0]] * len(separable.y_test))
    combination = type(fitted.fitted_.design.combination)
    monkeypatch.setattr(combination, "probabilities", lambda self, features: above)
    assert fitted.predict_proba(separable.X_test).max() == 1


def test_scores_and_costs_are_what_they_say(
    fitted: PromptClassifier, tiny: dict[str, Any], separable: Any
) -> None:
    assert fitted.scores_["train_accuracy"] == fitted.score(separable.X, separable.y)
    assert 0 <= fitted.scores_["validation_accuracy"] <= 1
    assert fitted.costs_["lm_tokens"] == 24 * (3 + 16 + 20)
    assert 0 < fitted.costs_["lm_seconds"] < fitted.costs_["fit_seconds"]
    features, classes = fitted.parts_.combination.heads_[0].state()["weights_"].shape
    assert fitted.costs_["trainable_parameters"] == features * classes + classes
    total = fitted.costs_["total_parameters"] - fitted.costs_["trainable_parameters"]
    assert total == fitted.reader_.backbone.n_parameters
    none = fit(tiny, separable, backbone=f"none:{tiny['backbone']}")
    assert none.costs_["lm_tokens"] == 0


def test_progress_is_shown_only_when_asked_for(
    tiny: dict[str, Any], separable: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tiny, separable).predict(separable.X_test)
    assert capsys.readouterr() == ("", "")
    shown: list[str] = []

    @contextmanager
    def bar() -> Iterator[None]:
        shown.append("shown")
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "bar", bar)
        fit(tiny, separable, verbose=True).predict(separable.X_test)
    assert len(shown) == 2


def test_whoever_listens_hears_how_far_it_is(tiny: dict[str, Any], separable: Any) -> None:
    heard: dict[str, tuple[float, float]] = {}
    with progress.listen(lambda stage, done, total: heard.update({stage: (done, total)})):
        fit(tiny, separable, n_prompts=2, tuner="search:draws=2")
    assert heard
    assert all(done == total == 24 for done, total in heard.values())


def test_the_search_keeps_the_draw_that_validates_best(
    tiny: dict[str, Any], separable: Any
) -> None:
    one = fit(tiny, separable, tuner="search:draws=1", head="mlp:epochs=20")
    many = fit(tiny, separable, tuner="search:draws=6", head="mlp:epochs=20")
    losses = many.parts_.tuner.state()["losses_"]
    assert len(losses) == 6
    assert many.report_["best draw's validation loss"] == min(losses)
    assert one.parts_.tuner.state()["losses_"] == losses[:1]
    assert many.scores_["validation_loss"] == pytest.approx(min(losses))
