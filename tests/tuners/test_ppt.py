"""PPT: three questions by format, made of series by hand, and one prompt for all sets."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEWER, QUICK, problem_of

from tsprompt import PromptClassifier
from tsprompt.backbones.template import Prompt
from tsprompt.data import Cases, FloatArray, as_cases
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.model.pretrained_prompts import UNIVERSAL, pretrain
from tsprompt.prompts.base import FixedPrompt
from tsprompt.tuners import Problem, ppt, tuners
from tsprompt.tuners.ppt import PPT
from tsprompt.tuners.pretexts import FORMATS, level_edges, roughness
from tsprompt.tuners.together import Course

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


@pytest.fixture(scope="module")
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, **QUICK}


def column(*values: float) -> FloatArray:
    """A series of one feature."""
    return np.array(values, dtype=np.float32)[:, None]


OWN = column(*range(8))
OTHER = column(*range(10, 18))


def ask(name: str, edges: Any = None, seed: int = 0) -> list[tuple[list[float], int]]:
    rng = np.random.default_rng(seed)
    asked = FORMATS[name].ask(OWN, OTHER, rng, np.zeros(4) if edges is None else edges)
    return [(series[:, 0].tolist(), answer) for series, answer in asked]


# --- the questions ---


def test_a_pair_follows_or_is_of_the_same_series_or_of_another() -> None:
    assert ask("pair") == [
        ([0, 1, 2, 3, 14, 15, 16, 17], 0),
        ([4, 5, 6, 7, 0, 1, 2, 3], 1),
        ([0, 1, 2, 3, 4, 5, 6, 7], 2),
    ]
    assert FORMATS["pair"].answers == 3


def test_of_three_candidates_one_follows() -> None:
    places = []
    for seed in range(12):
        [(series, answer)] = ask("choice", seed=seed)
        assert series[:2] == [0, 1]
        candidates = [series[2:4], series[4:6], series[6:8]]
        assert candidates[answer] == [2, 3]
        same, foreign = sorted(one for k, one in enumerate(candidates) if k != answer)
        assert same in ([4, 5], [6, 7])
        assert foreign in ([10, 11], [12, 13], [14, 15], [16, 17])
        places.append(answer)
    assert set(places) == {0, 1, 2}


def test_a_single_series_has_one_of_five_levels() -> None:
    """By hand: 0 to 7 has changes of 1 and a standard deviation of sqrt(5.25)."""
    rough = 1 / np.sqrt(5.25)
    assert roughness(OWN) == pytest.approx(rough, rel=1e-6)
    assert roughness(column(*[3.0] * 8)) == 0
    for level in range(5):
        edges = np.array([0.1 if k < level else 9.0 for k in range(4)])
        assert ask("single", edges) == [(list(range(8)), level)]
    # The fifths of all sets' series together.
    rng = np.random.default_rng(0)
    sets = [Cases(rng.standard_normal((20, 12, 1)).cumsum(axis=1) * k) for k in (1, 2)]
    edges = level_edges(sets)
    levels = [np.searchsorted(edges, roughness(one), side="right") for s in sets for one in s]
    assert np.bincount(levels).tolist() == [8] * 5


def test_no_series_is_both_learned_from_and_held_out(choices: dict[str, Any]) -> None:
    X, y = kind_of_data("noise", 0, count=12)
    problem = problem_of(choices, X, y)
    whole = {one.tobytes(): k for k, one in enumerate(problem.cases)}
    starts = {one[:6].tobytes(): k for k, one in enumerate(problem.cases)}
    held: list[set[int]] = []
    for name in FORMATS:
        made = PPT(pretraining_cases=8).asked(problem, name, np.zeros(4))
        assert made.learn is not None
        assert made.learn == 6 * (3 if name == "pair" else 1)
        own = [starts.get(one[:6].tobytes(), -1) for one in made.cases]
        learned, kept = set(own[: made.learn]) - {-1}, set(own[made.learn :]) - {-1}
        assert not learned & kept
        held.append(kept)
        if name == "pair":
            assert [whole.get(one.tobytes()) is not None for one in made.cases][2::3] == [True] * 8
    assert held[0] == held[1] == held[2]


# --- one prompt ---


def test_one_prompt_learns_all_formats_on_all_sets(
    choices: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[list[Course]] = []
    learn = ppt.learn_together

    def spy(courses: Any, *rest: Any) -> Any:
        taken.append(list(courses))
        return learn(courses, *rest)

    monkeypatch.setattr(ppt, "learn_together", spy)
    sets = {kind: (kind_of_data(kind, 0)[0], None) for kind in KINDS_OF_DATA}
    made = pretrain(sets, "ppt", **{**choices, "tuner": f"ppt:{FEWER}"})
    assert [task.name for task in made.tasks] == [UNIVERSAL]
    (courses,) = taken
    assert len(courses) == 3 * 3
    assert len({id(course.module) for course in courses}) == 1
    # Answers to one format are one perceptron's, whatever the set.
    assert len({id(course.trainer.coach) for course in courses}) == 3
    assert [course.features.problem.n_classes for course in courses] == [3] * 6 + [5] * 3
    assert made.report["sets of pre-training"] == 3
    chance = (2 * np.log(3) + np.log(5)) / 3
    assert made.report["the same by chance"] == pytest.approx(chance)


def test_the_prompt_hears_every_format_and_every_set(choices: dict[str, Any]) -> None:
    problems = [problem_of(choices, *kind_of_data(kind, 0)) for kind in ("waves", "noise")]
    tuner = PPT(hidden=8)
    module = problems[0].module(0)
    edges = level_edges([one.train for one in problems])
    for course in tuner._courses(problems, module, edges):
        module.zero_grad()
        cases = course.features.batches(course.trainer.learn, 8)[0]
        course.loss(course.features.of(course.module, cases), cases).backward()
        assert all(float(one.grad.abs().sum()) > 0 for one in module.parameters())  # type: ignore[union-attr]


@pytest.mark.parametrize("formats", ["single", "pair+choice"])
def test_formats_can_be_chosen(formats: str, choices: dict[str, Any]) -> None:
    X, _ = kind_of_data("waves", 0)
    made = pretrain({"a": (X, None)}, "ppt", **choices, tuner=f"ppt:{FEWER},formats={formats}")
    chance = np.mean([np.log(FORMATS[one].answers) for one in formats.split("+")])
    assert made.report["the same by chance"] == pytest.approx(chance)
    with pytest.raises(ConfigError, match="are not of: pair, choice, single"):
        tuners.build("ppt:formats=none+pair")


def start_of(problem: Problem) -> Prompt:
    return PPT(epochs=2, hidden=8, pretraining_epochs=2).own_start(problem)


def test_pretraining_without_labels_reads_no_label(choices: dict[str, Any]) -> None:
    X, y = kind_of_data("waves", 0)
    starts = [start_of(problem_of(choices, X, labels)) for labels in (y, np.roll(y, 1))]
    assert starts[0].equals(starts[1])


def test_the_development_sample_is_not_pretrained_on(choices: dict[str, Any]) -> None:
    X, y = kind_of_data("waves", 0)
    problem, train = problem_of(choices, X, y), list(X[:8])
    starts = [
        start_of(dataclasses.replace(problem, cases=Cases([*train, *extra]), learn=8))
        for extra in (X[8:], -3 * X[8:])
    ]
    assert starts[0].equals(starts[1])


def test_a_pretrained_prompt_does_better_than_a_random_one(
    choices: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(choices, *kind_of_data("waves", 0, count=40))
    losses = []
    for fixed in (False, True):
        if fixed:
            monkeypatch.setattr(Problem, "module", lambda own, _: FixedPrompt(own.draw(0)))
        epochs = {"pretraining_epochs": 40, "pretraining_patience": 40}
        tuner = PPT(hidden=8, formats="choice", **epochs)
        tuner.pretrain([problem])
        losses.append(tuner.pretraining_["mean loss on questions held out"])
        assert (tuner.for_others().equals(FixedPrompt(problem.draw(0)).prompt())) == fixed  # type: ignore[union-attr]
    assert losses[0] < losses[1]
    assert losses[0] < tuner.pretraining_["the same by chance"]


def test_ppt_alone_says_what_it_pretrains_on(choices: dict[str, Any]) -> None:
    X, y = kind_of_data("waves", 0)
    options = {**choices, "tuner": f"ppt:{FEWER}"}
    with pytest.warns(TspromptNotice, match="on the series of train itself, without their labels"):
        fitted = PromptClassifier("ppt", **options).fit(X, y)
    assert fitted.report_["sets of pre-training"] == 1
    with pytest.raises(InputError, match="cuts series in quarters"):
        PromptClassifier("ppt", **options).fit(X[:, :5], y)
    assert len(as_cases(X)) == 32
