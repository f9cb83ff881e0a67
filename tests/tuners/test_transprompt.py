"""TransPrompt: encoders of a universal prompt and of each task's, de-biasing, and a model that is
tuned with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEWER, QUICK, problem_of
from torch import nn

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.tuners import transprompt
from tsprompt.tuners.gradient import Gradient
from tsprompt.tuners.together import rounds
from tsprompt.tuners.training import MaskTrainer
from tsprompt.tuners.transprompt import (
    Joined,
    TransPrompt,
    _courses,
    _joint,
    _Weighted,
    instance_weights,
    sub_tasks,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


@pytest.fixture(scope="module")
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, **QUICK}


# --- encoders ---

ENCODED = "p-tuning:length=4,hidden=8"


def test_each_prompt_is_the_mean_of_what_two_encoders_write(choices: dict[str, Any]) -> None:
    """A universal LSTM that all tasks train, and one for each task: none of them shared."""
    own = {**choices, "prompt": ENCODED}
    problems = [problem_of(own, *kind_of_data(kind, 0)) for kind in KINDS_OF_DATA]
    joint = _joint(problems)
    recurrent = [
        {id(one) for one in part.modules() if isinstance(one, nn.LSTM)}
        for part in (joint[0].universal, *(module.specific for module in joint))
    ]
    assert [len(one) for one in recurrent] == [1] * 4
    assert len(set.union(*recurrent)) == 4
    for module in joint:
        parts = module.universal.prompt().vectors, module.specific.prompt().vectors
        assert parts[0] is not None
        assert parts[1] is not None
        vectors = module.prompt().vectors
        assert vectors is not None
        torch.testing.assert_close(vectors, (parts[0] + parts[1]) / 2)
    firsts = transprompt._read_all(problems, joint)
    (batch, loss), *_ = next(rounds(_courses(problems, joint, firsts, TransPrompt(hidden=8)), 8))
    loss(batch).backward()
    reached = [
        all(one.grad is not None for one in part.parameters())
        for part in (joint[0].universal, *(module.specific for module in joint))
    ]
    assert reached == [True, True, False, False]


def test_the_recipe_learns_encoders_and_adapts_what_they_wrote(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    starts = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Any, module: Any, first: Any) -> Any:
        starts.append((problem.start, module.prompt()))
        return descend(self, problem, module, first)

    monkeypatch.setattr(Gradient, "descend", spy)
    own = {**choices, "prompt": ENCODED, "tuner": f"transprompt:{FEWER}"}
    fitted = PromptClassifier("transprompt", **own).fit(separable.X, separable.y)
    ((start, began),) = starts
    assert start is not None
    assert began.equals(start)
    assert not fitted.readings_[0].prompt.equals(start)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    chances = fitted.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


# --- the model is tuned ---


def test_the_language_model_is_tuned_with_the_encoders(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    seen = []
    descend, pretrained = Gradient.descend, TransPrompt.pretrain

    def first(self: TransPrompt, problems: Any) -> Any:
        seen.append(problems[0].reader.backbone.trained_state())
        return pretrained(self, problems)

    def second(self: Gradient, problem: Any, module: Any, found: Any) -> Any:
        seen.append(problem.reader.backbone.trained_state())
        return descend(self, problem, module, found)

    monkeypatch.setattr(TransPrompt, "pretrain", first)
    monkeypatch.setattr(Gradient, "descend", second)
    own = {**choices, "prompt": ENCODED, "tuner": f"transprompt:{FEWER}"}
    fitted = PromptClassifier("transprompt", **own, train="prompt+lm:learning_rate=0.001")
    fitted.fit(separable.X, separable.y)
    before, adapted = seen
    after = fitted.reader_.backbone.trained_state()
    assert before
    # Changed by all tasks together, and from there on by adaptation.
    assert any(not torch.equal(before[name], adapted[name]) for name in before)
    assert any(not torch.equal(adapted[name], after[name]) for name in before)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    chances = fitted.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


def test_other_pretraining_does_not_tune_the_model(choices: dict[str, Any], separable: Any) -> None:
    with pytest.raises(ConfigError, match="trains the language model by descent"):
        PromptClassifier("ppt", **choices, train="prompt+lm").fit(separable.X, separable.y)


# --- tasks, and de-biasing ---


def test_the_universal_part_learns_from_all_tasks_and_the_others_from_their_own(
    choices: dict[str, Any],
) -> None:
    problems = [problem_of(choices, *kind_of_data(kind, 0)) for kind in KINDS_OF_DATA]
    joint = _joint(problems)
    firsts = transprompt._read_all(problems, joint)
    losses = next(rounds(_courses(problems, joint, firsts, TransPrompt(hidden=8)), 8))
    for task, (batch, loss) in enumerate(losses):
        for module in joint:
            module.zero_grad()
        loss(batch).backward()
        reached = [
            sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None) > 0
            for part in (joint[0].universal, *(module.specific for module in joint))
        ]
        assert reached == [True, *(own == task for own in range(3))]
    assert all(module.universal is joint[0].universal for module in joint)


def test_a_prompt_is_the_mean_of_two(choices: dict[str, Any]) -> None:
    problems = [problem_of(choices, *kind_of_data(kind, 0)) for kind in KINDS_OF_DATA]
    tuner = TransPrompt(hidden=8, pretraining_epochs=2, pretraining_patience=2)
    found = tuner.pretrain(problems)
    shared = tuner.for_others()
    assert shared is not None
    universal = shared.vectors
    assert universal is not None
    own = [2 * one.vectors - universal for one in found if one.vectors is not None]
    assert len(own) == 3
    joint = _joint(problems)
    for module, trained in zip(joint, own, strict=True):
        before = module.specific.prompt().vectors
        assert before is not None
        # Two epochs of small steps: what is left over is each task's own prompt, near its start.
        assert 0 < float((trained - before).abs().max()) < 1
    assert not torch.allclose(own[0], own[1])
    assert not universal.equal(problems[0].draw(0).vectors)


def test_cases_weigh_by_prototypes_of_their_own_and_of_other_tasks() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(20) % 2
    centre = torch.zeros(2, 6)
    centre[0], centre[1] = 3.0, -3.0
    features = centre[labels] + 0.1 * torch.randn(20, 6, generator=generator)
    features[0] = centre[1]  # says another class than its label
    elsewhere = torch.full((20, 6), 3.0)  # the other task is where class 0 of this one is
    elsewhere += 0.1 * torch.randn(20, 6, generator=generator)
    everything = torch.arange(20)

    def weights(alpha: float) -> torch.Tensor:
        return instance_weights(
            [features, elsewhere], [labels, labels], [everything, everything], alpha
        )[0]

    own, other = weights(1.0), weights(0.0)
    assert own.mean() == pytest.approx(1)
    assert own.argmin() == 0
    assert other[labels == 0][1:].min() > other[labels == 1].max()


def test_tasks_count_alike_whatever_their_size(choices: dict[str, Any]) -> None:
    problems = [
        problem_of(choices, *kind_of_data("waves", 0, count=40)),
        problem_of(choices, *kind_of_data("noise", 0, count=12)),
    ]
    joint = _joint(problems)
    firsts = transprompt._read_all(problems, joint)
    courses = _courses(problems, joint, firsts, TransPrompt(hidden=8))
    asked = list(rounds(courses, 8))
    assert len(asked) == 4  # of 30 cases of the larger; the smaller's come again
    assert all(len(losses) == 2 for losses in asked)
    for course in courses:
        trainer = course.trainer
        assert isinstance(trainer, _Weighted)
        assert trainer.nearness[trainer.learn].mean() == pytest.approx(1, abs=1e-5)


def test_entropy_holds_back_sure_answers(choices: dict[str, Any]) -> None:
    problem = problem_of(choices, *kind_of_data("waves", 0))
    found = problem.read(problem.draw(0), "first")
    courses = [
        _courses([problem], _joint([problem]), [found], TransPrompt(hidden=8, entropy=entropy))[0]
        for entropy in (0.0, 0.5)
    ]
    cases = courses[0].trainer.learn
    courses[1].trainer.coach = courses[0].trainer.coach
    with torch.no_grad():
        plain, held = (one.loss(found.features[cases], cases) for one in courses)
        chances = courses[0].trainer.coach(found.features[cases]).softmax(dim=1)
    entropy = float(-(chances * chances.log()).sum(dim=1).mean())
    assert float(plain - held) == pytest.approx(0.5 * entropy, rel=1e-3)


def test_one_set_gives_tasks_of_its_classes_and_is_read_once(
    choices: dict[str, Any], separable: Any
) -> None:
    problem = problem_of(choices, separable.X, separable.y)
    tasks = sub_tasks(problem)
    assert [task.labels.sum() for task in tasks] == [8, 8, 8]
    assert all(task.n_classes == 2 for task in tasks)
    joint = _joint(tasks)
    before = problem.reader.tokens_run
    found = transprompt._read_all(tasks, joint)
    once = problem.reader.tokens_run - before
    assert found[0] is found[1] is found[2]
    assert isinstance(joint[0], Joined)
    problem.read(joint[0].prompt(), "again")
    assert problem.reader.tokens_run - before == 2 * once
    with pytest.warns(TspromptNotice, match="across 3 tasks that are made of train"):
        PromptClassifier("transprompt", **{**choices, "tuner": f"transprompt:{FEWER}"}).fit(
            separable.X, separable.y
        )


def test_tasks_made_of_train_learn_nothing_that_tuning_validates_on(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[tuple[set[bytes], set[bytes]]] = []
    real = MaskTrainer.__init__

    def spy(self: MaskTrainer, problem: Any, *given: Any) -> None:
        real(self, problem, *given)
        parts = self.learn.tolist(), self.validate.tolist()
        learn, held = ({problem.cases[i].tobytes() for i in part} for part in parts)
        trainers.append((learn, held))

    monkeypatch.setattr(MaskTrainer, "__init__", spy)
    tuner = "transprompt:epochs=1,pretraining_epochs=1"
    with pytest.warns(TspromptNotice, match="3 tasks that are made of train"):
        PromptClassifier("prompt-tuning", **tiny, tuner=tuner).fit(separable.X, separable.y)
    *tasks, tuning = trainers
    assert len(tasks) == 3
    assert all(task == tuning for task in tasks)
    assert not tuning[0] & tuning[1]
