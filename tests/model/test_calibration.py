"""Sets of classes: they hold the true one as often as is promised, or it is said why they can't."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tsprompt import PromptClassifier
from tsprompt.base.tensor_folder import digest_of
from tsprompt.combinations import Evidence, Task, combinations
from tsprompt.errors import ConfigError, InputError, ModelFileError, TspromptNotice
from tsprompt.heads import heads
from tsprompt.model.calibration import Calibration, Kept, cases_needed, unlike_train


def chances_of(rng: np.random.Generator, labels: np.ndarray, n_classes: int = 4) -> np.ndarray:
    """Probabilities (n, C) of a model that is often right."""
    scores = rng.normal(size=(len(labels), n_classes))
    scores[np.arange(len(labels)), labels] += 1.5
    return np.asarray(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def fitted(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    return PromptClassifier(**tiny).fit(separable.X, separable.y)


# --- the sets ---


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_sets_of_exchangeable_cases_keep_the_promise(coverage: float) -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(200):
        labels = rng.integers(4, size=60)
        chances = chances_of(rng, labels)
        calibration = Calibration.of(labels[:40], chances[:40], 0)
        held.append(Kept.of(calibration.sets(chances[40:], coverage), labels[40:]).coverage)
    error = np.std(held) / np.sqrt(len(held))
    exact = np.ceil(41 * coverage - 1e-9) / 41
    assert abs(np.mean(held) - exact) < 4 * error
    assert np.mean(held) > coverage - 4 * error


def test_by_class_the_promise_holds_for_a_class_that_is_hard() -> None:
    rng, held = np.random.default_rng(0), {"all": [], "class": []}
    for _ in range(100):
        labels = np.repeat([0, 1, 2, 3], 40)
        chances = chances_of(rng, labels)
        chances[labels == 3] = rng.dirichlet(np.ones(4), size=40)
        half = np.arange(160) % 2 == 0
        calibration = Calibration.of(labels[half], chances[half], 0)
        for by, own in held.items():
            sets = calibration.sets(chances[~half], 0.8, by=by)
            own.append(Kept.of(sets, labels[~half]).by_class[3])
    assert np.mean(held["class"]) > 0.78
    assert np.mean(held["all"]) < np.mean(held["class"]) - 0.1


def test_the_least_number_of_cases_is_what_it_is_said_to_be() -> None:
    assert [cases_needed(one) for one in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    labels = np.zeros(9, int)
    chances = np.tile([0.9, 0.1], (9, 1))
    calibration = Calibration.of(labels, chances, 0)
    assert calibration.sets(np.array([[0.95, 0.05]]), 0.9).tolist() == [[True, False]]
    with pytest.raises(InputError, match=r"0\.91 needs 11 cases .* there are 9; ask for 0\.9 or"):
        calibration.sets(chances, 0.91)
    for count in range(1, 120):
        own = Calibration.of(np.zeros(count, int), np.full((count, 2), 0.5), 0)
        with pytest.raises(InputError, match="ask for") as caught:
            own.check_count(0.999)
        own.check_count(float(str(caught.value).partition("ask for ")[2].split()[0]))


def test_a_class_of_few_cases_is_in_every_set_and_that_is_said() -> None:
    labels = np.array([0] * 20 + [1] * 3)
    calibration = Calibration.of(labels, np.eye(2)[labels] * 0.8 + 0.1, 0)
    with pytest.warns(TspromptNotice, match="1 of the 2 classes are in every set"):
        sets = calibration.sets(np.array([[0.9, 0.1]]), 0.9, by="class")
    assert sets.tolist() == [[True, True]]
    with pytest.raises(InputError, match="cases of each class"):
        calibration.sets(np.array([[0.9, 0.1]]), 0.99, by="class")


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, float("nan"), "0.9", True, None])
def test_a_coverage_outside_0_and_1_is_refused(fitted: PromptClassifier, coverage: Any) -> None:
    with pytest.raises(ConfigError, match="lies between 0 and 1"):
        fitted.predict_set(np.zeros((1, 8)), coverage)


def test_empty_and_large_sets_are_unlike_train() -> None:
    sets = np.arange(6)[:, None] > np.arange(5)
    assert unlike_train(sets).tolist() == [True, False, False, True, True, True]
    assert unlike_train(sets[:4, :3]).tolist() == [True, False, False, True]
    assert unlike_train(sets[:3, :2]).tolist() == [True, False, True]


def test_a_class_that_train_lacked_is_in_no_set() -> None:
    kept = Kept.of(np.ones((2, 2), bool), np.array([0, -1]))
    assert kept.coverage == 0.5
    assert np.isnan(kept.by_class[1])


def test_a_case_without_a_number_counts_as_missed() -> None:
    chances = np.full((4, 2), [0.9, 0.1])
    chances[1] = np.nan
    calibration = Calibration.of(np.zeros(4, int), chances, 0)
    assert calibration.chances.tolist() == [0, 0.9, 0.9, 0.9]
    assert calibration.sets(np.full((1, 2), np.nan), 0.5).tolist() == [[False, False]]


def test_many_cases_are_thinned_and_filters_of_warnings_stay() -> None:
    import warnings

    before = list(warnings.filters)
    labels = np.zeros(5000, int)
    calibration = Calibration.of(labels, np.full((5000, 2), 0.5), 0)
    calibration.sets(np.array([[0.5, 0.5]]), 0.9)
    assert len(calibration) == 4000
    assert warnings.filters == before


# --- what a fit leaves ---


def test_each_case_of_train_is_judged_once(fitted: PromptClassifier, separable: Any) -> None:
    calibration = fitted.fitted_.calibration
    assert calibration is not None
    counts = np.unique(separable.y, return_counts=True)[1]
    assert np.bincount(calibration.labels).tolist() == counts.tolist()


@pytest.mark.parametrize("name", ["concatenate", "vote", "augment", "compose"])
@pytest.mark.parametrize("head", ["ridge", "mlp:epochs=5"])
def test_what_is_judged_was_not_learned_from(name: str, head: str) -> None:
    """Labels that nothing tells: a case that was learned from is told, one left out is not."""
    rng, count = np.random.default_rng(0), 120
    labels = rng.permutation(np.arange(count) % 3)
    draws = 1 if name == "concatenate" else 2
    combination = combinations.build(name)
    tasks = [Task.whole(3)] * draws
    if name == "compose":
        combination.groups_ = np.eye(3, dtype=int).tolist()
        tasks, draws = [Task(tuple(one)) for one in combination.groups_], 3
    evidence = Evidence(
        features=torch.from_numpy(rng.normal(size=(count, 300 * draws))).float(),
        members=list(range(draws)),
        tasks=tasks,
        labels=labels,
        n_classes=3,
        optional=torch.zeros(300 * draws, dtype=torch.bool),
    )
    combination.fit(evidence, heads.build(head), 0)
    judged = combination.judged(evidence)
    assert judged is not None
    assert judged.chances.shape == (len(judged.rows), 3)
    assert np.array_equal(labels[judged.rows], judged.labels)
    known = combination.probabilities(evidence.features).argmax(axis=1) == labels
    right = judged.chances.argmax(axis=1) == judged.labels
    if head == "ridge":
        assert known.mean() > 0.9
        assert len(judged.rows) == count
    if len(right) > 20:
        assert right.mean() < 0.55


def test_a_tree_of_sub_tasks_is_judged_too() -> None:
    rng, count = np.random.default_rng(0), 80
    labels = np.arange(count) % 4
    groups = [[0, 0, 1, 1], [0, 1, -1, -1], [-1, -1, 0, 1]]
    combination = combinations.build("compose:tasks=hierarchy")
    combination.groups_ = groups
    signal = np.eye(4)[labels] * 2
    features = np.concatenate([signal + rng.normal(size=(count, 4)) for _ in groups], axis=1)
    evidence = Evidence(
        features=torch.from_numpy(features).float(),
        members=[0, 1, 2],
        tasks=[Task(tuple(one)) for one in groups],
        labels=labels,
        n_classes=4,
        optional=torch.zeros(12, dtype=torch.bool),
    )
    combination.fit(evidence, heads.build("ridge"), 0)
    judged = combination.judged(evidence)
    assert judged is not None
    assert judged.rows.tolist() == list(range(count))
    right = (judged.chances.argmax(axis=1) == labels).mean()
    known = (combination.probabilities(evidence.features).argmax(axis=1) == labels).mean()
    assert 0.5 < right <= known
    assert np.allclose(judged.chances.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"combination": "distil", "n_prompts": 2}, "labels that others gave who knew the cases"),
        (
            {"prompt": "soft:length=2", "tuner": "gradient:epochs=1"},
            "prompt was trained on the cases",
        ),
    ],
)
def test_where_no_case_is_new_it_is_said_why_and_other_cases_do(
    tiny: dict[str, Any], separable: Any, changes: dict[str, Any], reason: str
) -> None:
    model = PromptClassifier(**{**tiny, **changes}).fit(separable.X, separable.y)
    with pytest.raises(ConfigError, match=reason) as caught:
        model.predict_set(separable.X)
    assert "calibrate_on" in str(caught.value)
    model.calibrate_on(separable.X_test, separable.y_test)
    assert model.predict_set(separable.X_test, 0.8).shape == (len(separable.X_test), 3)


def test_a_development_sample_calibrates_where_train_can_not(
    tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(**{**tiny, "combination": "distil", "n_prompts": 2})
    model.fit(separable.X, separable.y, development=(separable.X_test, separable.y_test))
    assert len(model.fitted_.calibrated(0.8)) == len(separable.y_test)


def test_zero_shot_there_is_nothing_to_calibrate_by(tiny: dict[str, Any], separable: Any) -> None:
    names = ["ba", "be", "bi"]
    model = PromptClassifier(
        **tiny,
        head="label-words:fitted=false,scores=tied,words=1|2|3",
        readout="mask",
        tuner="none",
    ).fit_zero_shot(separable.X, names)
    with pytest.raises(ConfigError, match="fitted without labels"):
        model.predict_set(separable.X)


def test_labels_to_calibrate_on_are_those_of_train(
    fitted: PromptClassifier, separable: Any
) -> None:
    labels = np.full(len(separable.X_test), "odd")
    with pytest.raises(InputError, match="y has the class 'odd', which train lacked"):
        fitted.calibrate_on(separable.X_test, labels)


# --- saved ---


def test_it_is_saved_and_models_without_say_so(
    fitted: PromptClassifier, separable: Any, tmp_path: Path
) -> None:
    path = fitted.save(tmp_path / "model")
    loaded = PromptClassifier.load(path, device="cpu")
    expected = fitted.predict_set(separable.X_test, 0.8)
    assert np.array_equal(loaded.predict_set(separable.X_test, 0.8), expected)
    loaded.fitted_.calibration = None
    bare = PromptClassifier.load(loaded.save(tmp_path / "bare"), device="cpu")
    with pytest.raises(ConfigError, match="earlier release"):
        bare.predict_set(separable.X_test)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chances", torch.full((5,), 1.5, dtype=torch.float64)),
        ("chances", torch.zeros(4, dtype=torch.float64)),
        ("chances", torch.full((5,), float("nan"), dtype=torch.float64)),
        ("labels", torch.full((5,), 3)),
        ("labels", torch.full((5,), -1)),
    ],
)
def test_a_damaged_one_is_refused(
    fitted: PromptClassifier, tmp_path: Path, name: str, value: torch.Tensor
) -> None:
    path = fitted.save(tmp_path / "model")
    tensors = load_file(path / "model.safetensors")
    for other in ("chances", "labels"):
        tensors[f"/calibration/{other}"] = tensors[f"/calibration/{other}"][:5]
    tensors[f"/calibration/{name}"] = value
    save_file(tensors, path / "model.safetensors")
    header = json.loads((path / "model.json").read_text())
    header["tensors_sha256"] = sha256((path / "model.safetensors").read_bytes()).hexdigest()
    header["digest"] = digest_of(header)
    (path / "model.json").write_text(json.dumps(header))
    with pytest.raises(ModelFileError, match=f"calibration, .*(?:{name}|is 5 long where A is 4)"):
        PromptClassifier.load(path, device="cpu")
