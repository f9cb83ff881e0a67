"""Few shots and none: who learns from which cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.benchmark import Cell, Method, build, measure
from tsprompt.benchmark import Machine as LibraryMachine
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.heads import Head, heads
from tsprompt.heads.base import HoldsOut
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.model.training_data import TrainingData
from tsprompt.tuners import Problem
from tsprompt_cli.main import app
from tsprompt_datasets import few_shot, load_dataset

SHORT = "gradient:epochs=1"


def counts(labels: npt.NDArray[Any]) -> list[int]:
    return np.unique(labels, return_counts=True)[1].tolist()


# The draw


def test_shots_development_and_rest_are_disjoint_and_all_of_train() -> None:
    data = load_dataset("GunPoint")
    few = few_shot(data, 4, seed=1)
    assert few.development is not None
    assert few.unlabelled is not None
    assert counts(few.train.labels) == counts(few.development.labels) == [4, 4]
    parts = [*few.train.cases, *few.development.cases, *few.unlabelled]
    assert len(parts) == 50
    assert {one.tobytes() for one in parts} == {one.tobytes() for one in data.train.cases}
    assert few.test is data.test


def test_cases_to_learn_from_come_first() -> None:
    labels = np.array(["a"] * 7 + ["b"] * 4 + ["c"] * 2)
    cases = Cases(np.arange(13, dtype=np.float32)[:, None, None] * np.ones((1, 5, 1)))
    data = Dataset("X", Split(cases, labels), Split(cases, labels), "data-dir")
    with pytest.warns(TspromptNotice) as told:
        few = few_shot(data, 3, 0)
    assert counts(few.train.labels) == [3, 3, 2]
    assert few.development is not None
    assert dict(zip(*np.unique(few.development.labels, return_counts=True), strict=True)) == {
        "a": 3,
        "b": 1,
    }
    assert few.unlabelled is not None
    assert len(few.unlabelled) == 1
    said = [str(one.message) for one in told]
    assert said == [
        "X: fewer than 3 cases of train in: c (2); "
        "fewer than 3 cases of train left for development in: b (1), c (0)"
    ]


def test_with_0_shots_all_of_train_is_unlabelled() -> None:
    none = few_shot(load_dataset("GunPoint"), 0, seed=0)
    assert len(none.train) == 0
    assert none.development is None
    assert none.unlabelled is not None
    assert len(none.unlabelled) == 50
    with pytest.raises(ConfigError, match="0 or more"):
        few_shot(none, -1, 0)


# Who sees the development sample


def test_a_head_that_holds_out_learns_from_all_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(12, 4))).float()
    labels = np.array([0, 1] * 6)
    seen: list[int] = []
    train = MLP._train

    def watch(head: MLP, model: Any, learn: Any, held: Any) -> None:
        seen.extend((len(learn.rows), len(held.rows)))
        train(head, model, learn, held)

    monkeypatch.setattr(MLP, "_train", watch)
    shots = features[:4], labels[:4], 2, 0
    head = MLP(epochs=3).fit(Lesson(*shots, development=(features[4:], labels[4:])))
    assert seen == [4, 8]
    assert head.validation_kind() == "development sample"
    torch.testing.assert_close(head.mean_, features[:4].mean(dim=0))
    other = MLP(epochs=3).fit(Lesson(*shots, development=(features[4:] + 1, 1 - labels[4:])))
    assert head.validation_loss_ != other.validation_loss_
    seen.clear()
    again = MLP(epochs=3).fit(Lesson(*shots))
    assert seen == [2, 2]
    assert again.validation_kind() == "25% of train held out"


@pytest.mark.parametrize("scope", ["series", "step"])
def test_scales_and_readouts_learn_from_the_shots_alone(
    scope: str, tiny: dict[str, Any], separable: Any
) -> None:
    X, y, X_test, _ = separable
    options = {**tiny, "scope": scope, "readout": "pooled:pools=proportion"}
    fits = [
        PromptClassifier(**options).fit(X[:6], y[:6], development=(more, y[6:]))
        for more in (X[6:], 3 * X[6:] + 1)
    ]
    alone = PromptClassifier(**options).fit(X[:6], y[:6])
    # Ridge holds out nothing: the development sample changes nothing at all.
    for one in fits:
        assert np.array_equal(one.predict_proba(X_test), alone.predict_proba(X_test))


def test_a_trained_prompt_is_validated_on_the_development_sample(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, *_ = separable
    splits: list[tuple[list[int], list[int]]] = []
    split = Problem.split

    def watch(problem: Problem, share: float, seed: int) -> Any:
        parts = split(problem, share, seed)
        splits.append((parts[0].tolist(), parts[1].tolist()))
        return parts

    monkeypatch.setattr(Problem, "split", watch)
    options = {**tiny, "prompt": "gru:straight_through=true", "head": "mlp:epochs=3"}
    tuner = "gradient:epochs=2"
    fitted = PromptClassifier(**options, tuner=tuner).fit(X[:6], y[:6], development=(X[6:], y[6:]))
    assert splits == [(list(range(6)), list(range(6, 24)))]
    assert fitted.parts_.combination.validation_kind() == "development sample"


@pytest.mark.parametrize("head", ["mlp:epochs=2", "prototype:epochs=2"])
def test_tuner_and_head_hold_out_the_same_cases(
    head: str, tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the prompt was trained on is nothing for the head to validate on."""
    splits = []
    real = Problem.split

    def spy(self: Problem, *given: Any) -> Any:
        learn, held = real(self, *given)
        splits.append((len(learn), [self.cases[i].tobytes() for i in held]))
        return learn, held

    monkeypatch.setattr(Problem, "split", spy)
    seen = []
    held_out = HoldsOut.held_out

    def listen(self: HoldsOut, lesson: Lesson) -> Any:
        whole, learn, validate = held_out(self, lesson)
        seen.append((learn.tolist(), whole.labels[validate].tolist()))
        return whole, learn, validate

    monkeypatch.setattr(HoldsOut, "held_out", listen)
    options = {**tiny, "prompt": "soft", "tuner": "gradient:epochs=1", "readout": "mask"}
    fitted = PromptClassifier(**options, head=head).fit(separable.X, separable.y)
    [(learned, held)], [(rows, labels)] = splits, seen
    assert (learned, len(held), rows) == (18, 6, list(range(18)))
    assert sorted(labels) == [0, 0, 1, 1, 2, 2]
    assert fitted.report_["development sample, held out of train"] == 6


def test_search_validates_on_the_development_sample(tiny: dict[str, Any], separable: Any) -> None:
    """With a head that holds out, the draws are ranked by it."""
    X, y, *_ = separable
    options = {**tiny, "tuner": "search:draws=3", "head": "mlp:epochs=5"}
    losses = [
        PromptClassifier(**options)
        .fit(X[:6], y[:6], development=(X[6:], labels))
        .parts_.tuner.losses_
        for labels in (y[6:], np.roll(y[6:], 1))
    ]
    assert not set(losses[0]) & set(losses[1])


def test_one_shot_is_enough_with_a_development_sample(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    classifier = PromptClassifier(**tiny, head="mlp:epochs=30")
    with pytest.raises(InputError, match="fewer than 2 training cases"):
        classifier.fit(X[:3], y[:3])
    classifier.fit(X[:3], y[:3], development=(X[3:6], y[3:6]))
    chances = classifier.predict_proba(X_test)
    loaded = PromptClassifier.load(classifier.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)
    assert loaded.parts_.combination.validation_kind() == "development sample"


@pytest.mark.parametrize("choice", [{"head": "mlp:epochs=2"}, {"prompt": "soft", "tuner": SHORT}])
def test_a_class_without_a_development_case_is_learned_all_the_same(
    choice: dict[str, str], tiny: dict[str, Any], separable: Any
) -> None:
    X, y, *_ = separable
    classifier = PromptClassifier(**{**tiny, "readout": "mask", **choice})
    classifier.fit(X[:3], y[:3], development=(X[3:5], y[3:5]))
    assert np.isfinite(classifier.predict_proba(separable.X_test)).all()


def test_development_labels_are_those_of_y_and_no_text_of_them() -> None:
    X, y = np.random.default_rng(0).normal(size=(25, 4, 1)), np.arange(25)
    assert TrainingData.of(X, y, development=(X[:3], [24, 3, 10])).labels[-3:].tolist() == [
        24,
        3,
        10,
    ]
    with pytest.raises(InputError, match="the class '24', which y lacks"):
        TrainingData.of(X, y, development=(X[:3], ["24", "3", "10"]))


@pytest.mark.parametrize("labels", [np.array([b"a", b"b"]), np.array([b"a", b"b"], object)])
def test_bytes_are_no_labels(labels: Any) -> None:
    with pytest.raises(InputError, match="y holds bytes"):
        TrainingData.of(np.zeros((2, 4, 1)), labels)


@pytest.mark.parametrize("classes", [[], ["one"], ["one", "one"]])
def test_zero_shot_needs_two_classes(classes: list[str]) -> None:
    with pytest.raises(InputError, match="two or more"):
        TrainingData.without_labels(np.zeros((2, 4, 1)), classes)


def test_prompts_are_not_compared_by_nothing(tiny: dict[str, Any], separable: Any) -> None:
    """With one case of each class, leave-one-out has no case to say a thing about."""
    X, y, *_ = separable
    assert sorted(y[:3]) == sorted(set(y))
    classifier = PromptClassifier(**tiny, tuner="search:draws=2")
    with pytest.raises(InputError, match="prompts can't be compared"):
        classifier.fit(X[:3], y[:3])
    classifier.fit(X[:3], y[:3], development=(X[3:], y[3:]))
    assert np.isfinite(classifier.parts_.tuner.losses_).all()


def test_a_development_sample_that_can_not_be_used(tiny: dict[str, Any], separable: Any) -> None:
    X, y, *_ = separable
    fit = PromptClassifier(**tiny).fit
    for development, said in (
        ((X[:, :, :1], y), "development has 1 feature, X has 2"),
        ((X[:3], np.array(["calm", "mild", "new"])), "the class .new., which y lacks"),
        ((X[:3], y[:2]), r"have shape \(2,\); one for each of its 3 cases"),
        (X, "must be a pair"),
    ):
        with pytest.raises(InputError, match=said):
            fit(X, y, development=development)


# The benchmark and the command mean the same


def test_a_run_hands_over_what_the_shots_have_left(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = few_shot(load_dataset("UnitTest"), 2, 0)
    given: dict[str, Any] = {}
    fit = PromptClassifier.fit

    def watch(classifier: PromptClassifier, X: Any, y: Any, **more: Any) -> Any:
        given.update(more)
        return fit(classifier, X, y, **more)

    monkeypatch.setattr(PromptClassifier, "fit", watch)
    settings = {"backbone": tiny["backbone"], "n_prompts": 2}
    for recipe, uses in (("default", False), ("pet-ridge", True)):
        cell = Cell("UnitTest", Method("m", "model", recipe, settings), 0, shots=2)
        record, _ = measure(build(cell, LibraryMachine(device="cpu")), cell, data)
        assert record.shots == 2
        assert (given["unlabelled"] is data.unlabelled) == uses
        assert given["development"][0] is data.development.cases  # type: ignore[union-attr]


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words), terminal_width=120)


@pytest.fixture
def fit(tiny_bert: str, tmp_path: Path) -> Callable[..., Any]:
    def call(*words: str) -> Any:
        machine = ("--backbone", tiny_bert, "--device", "cpu", "--dtype", "float32")
        return run("fit", "UnitTest", *machine, "-o", str(tmp_path / "m"), *words)

    return call


def test_fit_repeats_the_draw_with_other_seeds(fit: Callable[..., Any], tmp_path: Path) -> None:
    words = ("--shots", "2", "--seeds", "3", "--recipe", "fast")
    done = fit(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    records = json.loads(done.stdout)["records"]
    assert len(records) == 9  # three seeds of the model and of two twins
    assert [one["seed"] for one in records[::3]] == [0, 1, 2]
    assert {(one["shots"], one["n_train"]) for one in records} == {(2, 4)}
    saved = PromptClassifier.load(tmp_path / "m", device="cpu")
    details = json.loads((tmp_path / "m" / "model.json").read_text())["details"]
    assert (details["seed"], details["shots"], details["n_train"]) == (0, 2, 4)
    few = few_shot(load_dataset("UnitTest"), 2, 0)
    assert saved.score(few.test.cases, few.test.labels) == records[0]["accuracy"]

    shown = fit(*words, "--no-ablations").stdout
    accuracies = [one["accuracy"] for one in records[::3]]
    assert "Test, 2 shots, seeds 0 to 2" in shown
    for figure in (np.mean(accuracies), np.std(accuracies, ddof=1), max(accuracies)):
        assert f"{figure:.3f}" in shown
    assert "4 cases to learn from, a development sample of 4" in shown


def test_seeds_need_shots(fit: Callable[..., Any]) -> None:
    done = fit("--seeds", "2")
    assert done.exit_code == 2
    assert "give --shots K" in done.stderr


# Zero shots


def test_0_shots_are_refused_where_something_must_learn(fit: Callable[..., Any]) -> None:
    done = fit("--shots", "0", "--combination", "compose", "--tuner", "search")
    assert done.exit_code == 2
    for words in ("the head 'ridge'", "the tuner 'search'", "the combination 'compose'"):
        assert words in " ".join(done.stderr.split())


@dataclass
class Nearest(Head):
    """Knows the classes' places before it has seen a case: for these tests alone."""

    without_cases = "nearest"

    class State(Head.State):
        n_classes_: int

    @property
    def needs_cases(self) -> bool:
        return False

    def _fit(self, lesson: Lesson) -> None:
        assert len(lesson.features) == len(lesson.labels) == 0
        self.n_classes_ = lesson.n_classes

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        scores = features[:, : self.n_classes_].double().softmax(dim=1)
        return np.asarray(scores.cpu().numpy())

    @property
    def n_parameters(self) -> int:
        return 0

    def validation_kind(self) -> str:
        return "none"


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    list(heads)
    monkeypatch.setitem(heads._parts, "nearest", Nearest)
    monkeypatch.setattr(Nearest, "name", "nearest")


@pytest.mark.usefixtures("nearest")
def test_a_head_that_need_not_learn_classifies_without_labels(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    options = {**tiny, "n_prompts": 2, "combination": "vote", "head": "nearest"}
    fitted = PromptClassifier(**options).fit_zero_shot(X, np.unique(y))
    chances = fitted.predict_proba(X_test)
    assert chances.shape == (15, 3)
    assert np.isnan(fitted.scores_["train_accuracy"])
    assert np.isfinite(chances).all()
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)
    with pytest.raises(InputError, match="each named once"):
        PromptClassifier(**options).fit_zero_shot(X, y)
    with pytest.raises(ConfigError, match=r"use a head that need not .*nearest"):
        PromptClassifier(**tiny).fit_zero_shot(X, np.unique(y))


@pytest.mark.usefixtures("nearest")
def test_the_command_with_0_shots(fit: Callable[..., Any]) -> None:
    done = fit("--shots", "0", "--head", "nearest", "--no-ablations", "--format", "json")
    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.stdout)["records"]
    assert (record["shots"], record["n_train"], record["train_accuracy"]) == (0, 0, None)


def test_label_words_calibrate_on_cases_without_labels(
    tiny: dict[str, Any], separable: Any
) -> None:
    """Without calibration all cases may get the word that the model likes best."""
    X, y, X_test, _ = separable
    head = "label-words:scores=tied,fitted=false"
    options = {**tiny, "n_prompts": 2, "readout": "mask"}
    for combination in ("concatenate", "vote", "augment"):
        by = {
            calibrate: PromptClassifier(
                **options, combination=combination, head=f"{head},calibrate={calibrate}"
            ).fit_zero_shot(X, np.unique(y))
            for calibrate in ("true", "false")
        }
        plain, calibrated = by["false"].predict_proba(X), by["true"].predict_proba(X)
        assert np.isfinite(by["true"].predict_proba(X_test)).all()
        ratios = np.log(calibrated).mean(axis=0) - np.log(plain).mean(axis=0)
        assert np.ptp(ratios) > 0
        assert np.ptp(np.log(calibrated).mean(axis=0)) < np.ptp(np.log(plain).mean(axis=0))
        assert by["true"].parts_.validation_kind().startswith("none, for no case has a label")


def test_a_baseline_has_no_zero_shot() -> None:
    cell = Cell("UnitTest", Method("r", "baseline", settings={"baseline": "ridge"}), 0, shots=0)
    with pytest.raises(ConfigError, match="baseline needs training cases"):
        measure(build(cell, LibraryMachine()), cell, few_shot(load_dataset("UnitTest"), 0, 0))
