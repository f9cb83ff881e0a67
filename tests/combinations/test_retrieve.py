"""RetroPrompt's prediction: neighbours beside the head, weighed inside train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.combinations import Evidence, Task
from tsprompt.combinations.retrieve import Retrieve
from tsprompt.errors import ConfigError
from tsprompt.heads import Head, Judgement, Lesson
from tsprompt.heads.ridge import Ridge


class Fixed(Head):
    """A head that says the same of every case."""

    chances = (0.6, 0.4)

    def _fit(self, lesson: Lesson) -> None:
        rows = np.arange(len(lesson.labels))
        self.judged = Judgement(rows, lesson.labels, self.probabilities(lesson.features))

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        return np.tile(self.chances, (len(features), 1))

    def fresh(self) -> Head:
        return type(self)()

    @property
    def n_parameters(self) -> int:
        return 0

    def validation_kind(self) -> str:
        return "fixed"


def evidence(features: Tensor, labels: npt.NDArray[Any], **more: Any) -> Evidence:
    classes = int(labels.max()) + 1
    optional = torch.zeros(features.shape[1], dtype=torch.bool)
    return Evidence(
        features, [0], [Task.whole(classes)], labels, classes, optional=optional, **more
    )


def test_the_answer_is_the_weighed_sum_of_both() -> None:
    """P = w P_kNN + (1 - w) P_head, P_kNN a softmax of minus the squared distances, by hand."""
    keys = torch.tensor([[0.0], [1.0], [3.0]])
    made = Retrieve(neighbours=3, temperature=2.0, weight=0.25)
    made.fit(evidence(keys, np.array([0, 0, 1])), Fixed(), 0)
    votes = np.exp(-np.array([4.0, 1.0, 1.0]) / 2)
    of_class = np.array([votes[0] + votes[1], votes[2]]) / votes.sum()
    expected = 0.25 * of_class + 0.75 * np.array([0.6, 0.4])
    np.testing.assert_allclose(made.probabilities(torch.tensor([[2.0]])), [expected])
    two = Retrieve(neighbours=1, temperature=2.0, weight=1.0)
    two.fit(evidence(keys, np.array([0, 0, 1])), Fixed(), 0)
    np.testing.assert_allclose(two.probabilities(torch.tensor([[2.4]])), [[0, 1]])


def test_some_cases_choose_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the time that it takes does not grow with the square of the cases."""
    monkeypatch.setattr("tsprompt.heads.datastore._DECIDING", 10)
    features, labels = problem(useful=True)
    made = Retrieve()
    given = evidence(features, labels)
    made.fit(given, Fixed(), 0)
    judged = made.judged(given)
    assert judged is not None
    assert len(judged.rows) == 10
    assert (judged.labels == labels[judged.rows]).all()
    assert len(made.labels_) == len(labels)
    np.testing.assert_allclose(made.probabilities(features).argmax(axis=1), labels)


def problem(useful: bool, count: int = 40) -> tuple[Tensor, npt.NDArray[np.intp]]:
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(count) % 2).astype(np.intp)
    noise = rng.normal(size=(count, 6))
    return torch.from_numpy(noise + 4.0 * useful * labels[:, None]).float(), labels


def test_neighbours_that_know_are_asked_and_those_that_do_not_are_not() -> None:
    class Even(Fixed):
        chances = (0.5, 0.5)

    good, bad = Retrieve(), Retrieve()
    good.fit(evidence(*problem(useful=True)), Even(), 0)
    bad.fit(evidence(*problem(useful=False)), Even(), 0)
    assert good.weight_ == 1.0
    # Were a case its own neighbour, random labels would look as if they could be looked up.
    assert bad.weight_ == 0.0
    assert good.validation_accuracy_ == 1
    assert bad.validation_accuracy_ == 0.5


def test_what_is_chosen_has_the_least_loss_of_all_that_is_tried() -> None:
    features, labels = problem(useful=True)
    features += 3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    made = Retrieve()
    made.fit(evidence(features, labels), Ridge(), 0)
    others = []
    for weight in (0.0, 0.5, 1.0):
        other = Retrieve(weight=weight)
        other.fit(evidence(features, labels), Ridge(), 0)
        others.append(other.validation_loss_)
    assert made.validation_loss_ <= min(others)
    ridge = Ridge().fit(evidence(features, labels).lesson(0))
    assert others[0] == pytest.approx(ridge.validation_loss_, abs=1e-9)
    said = made.judged(evidence(features, labels))
    assert said is not None
    assert len(said.rows) == 40
    np.testing.assert_allclose(said.chances.sum(axis=1), 1)


def test_cases_of_a_development_sample_may_be_near_all_of_train() -> None:
    features, labels = problem(useful=True)
    extra = evidence(features[:30], labels[:30], development=(features[30:], labels[30:]))

    class Held(Fixed):
        def _fit(self, lesson: Lesson) -> None:
            assert lesson.development is not None
            rows = np.arange(30, 40)
            chances = self.probabilities(lesson.development[0])
            self.judged = Judgement(rows, lesson.development[1], chances)

    made = Retrieve()
    made.fit(extra, Held(), 0)
    assert made.weight_ == 1.0
    assert made.validation_accuracy_ == 1


def test_where_no_case_can_say_which_is_better_both_count_alike() -> None:
    class Silent(Fixed):
        def _fit(self, lesson: Lesson) -> None:
            pass

    made = Retrieve()
    made.fit(evidence(*problem(useful=True)), Silent(), 0)
    assert (made.weight_, made.neighbours_) == (0.5, 1)
    assert made.judged(evidence(*problem(useful=True))) is None


def test_the_recipe_reports_what_it_chose_and_is_saved(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, y_test = separable
    head = "auto-words:scores=tied,words=2"
    fitted = PromptClassifier("retroprompt", **tiny, head=head).fit(X, y)
    assert (fitted.predict(X_test) == y_test).mean() > 0.8
    assert 0 <= fitted.report_["weight of the neighbours"] <= 1
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), fitted.predict_proba(X_test))


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"temperature": 0.0}, {"weight": 1.5}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="retrieve"):
        Retrieve(**wrong)
