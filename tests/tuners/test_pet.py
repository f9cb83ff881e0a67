"""PET and iPET: patterns with fine-tuned models of their own label for one classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.trainable_copy import TunedBackbone
from tsprompt.combinations import Evidence, Task
from tsprompt.combinations.soft_labels import drawn
from tsprompt.errors import ConfigError
from tsprompt.tuners import Problem, pattern_model
from tsprompt.tuners.accumulation import Accumulation
from tsprompt.tuners.case_tokens import CaseTokens
from tsprompt.tuners.pattern_model import Examples, PatternModel
from tsprompt.tuners.pet import Pet, _Patterns, distillation

TIED = "label-words:scores=tied"
QUICK = Pet(verbalizer=TIED, patterns=2, steps=2, final_steps=2)


@pytest.fixture
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, "recipe": "pet", "tuner": QUICK}


@pytest.fixture
def problem_of(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Problem]:
    """What the tuner is given, of 9 cases with a label and 15 without."""

    class SeenError(Exception):
        pass

    def make(**changes: Any) -> Problem:
        seen: list[Problem] = []

        def find(_: Pet, problem: Problem) -> Any:
            seen.append(problem)
            raise SeenError

        X, y = separable.X, separable.y
        model = PromptClassifier(**{**choices, **changes})
        with monkeypatch.context() as patch:
            patch.setattr(Pet, "find", find)
            with pytest.raises(SeenError):
                model.fit(X[:9], y[:9], unlabelled=X[9:])
        return seen[0]

    return make


def pattern(problem: Problem, verbalizer: str = TIED, number: int = 0) -> PatternModel:
    words = Pet(verbalizer=verbalizer)._verbalizer()
    base = problem.reader.backbone
    assert isinstance(base, TunedBackbone)
    return PatternModel(problem, problem.draw(number), words, base)


def patterns(problem: Problem, **options: Any) -> _Patterns:
    base, free = problem.reader.backbone, problem.unlabelled
    assert isinstance(base, TunedBackbone)
    assert free is not None
    tokens = CaseTokens(problem.reader, problem.tokenizer, problem.cases)
    numbers = torch.arange(len(free)) + len(problem.labels)
    asked = Pet(**{**QUICK.options(), **options})
    return _Patterns(asked, problem, base, tokens, pool=free, numbers=numbers)


# One pattern's model


def test_a_step_descends_both_losses_by_their_shares(
    problem_of: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """(1 - alpha) L_CE + alpha L_MLM: with losses of 5 and 13 and alpha 0.25 that is 7."""
    problem, losses = problem_of(), []
    real = Accumulation.learn

    def learn(*asked: Any) -> Any:
        losses.append(real(*asked))
        return losses[-1]

    own = pattern(problem)
    weight = next(iter(own.backbone.trained.values()))
    monkeypatch.setattr(Accumulation, "learn", learn)
    monkeypatch.setattr(own, "loss", lambda *_: lambda part: weight.sum() * 0 + 5)
    monkeypatch.setattr(own, "masked_loss", lambda *_: lambda part: weight.sum() * 0 + 13)
    train(own, problem, alpha=0.25)
    assert float(losses[0]) == pytest.approx(0.75 * 5 + 0.25 * 13)
    train(own, problem, alpha=0.0)
    assert float(losses[-1]) == pytest.approx(5)


def train(own: PatternModel, problem: Problem, **changes: Any) -> None:
    tokens = CaseTokens(problem.reader, problem.tokenizer, problem.cases)
    options = {"steps": 1, "batch": 4, "free_batch": 4, "alpha": 1e-4, "share": 0.15, "seed": 0}
    own.train(Examples.of(problem), tokens, torch.arange(9), **{**options, **changes})


def test_the_loss_of_the_labels_is_over_the_classes_words(
    problem_of: Callable[..., Problem],
) -> None:
    """Of the words' scores at the mask alone: no temperature, no bias, no calibration."""
    problem = problem_of()
    own = pattern(problem)
    tokens = CaseTokens(problem.reader, problem.tokenizer, problem.cases)
    rows = tokens.of(torch.arange(4))
    words = own.backbone.words
    ids = torch.tensor([words.id(one[0]) for one in problem.classes])  # first pieces: c, m, w
    with torch.no_grad():
        _, mask = own.reader.hidden(rows, own.reading.prompt, own.reading.layers)
        scores = mask[:, 0, 0] @ own.backbone.word_vectors[ids].T
        expected = torch.nn.functional.cross_entropy(scores, torch.from_numpy(problem.labels[:4]))
        found = own.loss(Examples.of(problem), tokens)(torch.arange(4))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not [one for one in own.coach.parameters() if one.requires_grad]


def test_each_pattern_has_a_model_of_its_own_with_its_head_for_words(
    problem_of: Callable[..., Problem], tiny_mlm: str
) -> None:
    problem = problem_of(backbone=tiny_mlm)
    one, two = (pattern(problem, "label-words", number) for number in (0, 1))
    start = two.backbone.trained_state()
    before = fingerprint(problem.reader.backbone.model)
    assert any(name.startswith("words.") for name in start)
    train(one, problem, steps=2, alpha=0.5)
    assert all(two.backbone.trained[name].equal(kept) for name, kept in start.items())
    moved = {name for name, kept in start.items() if not one.backbone.trained[name].equal(kept)}
    assert {name for name in start if name.startswith("words.")} <= moved
    assert fingerprint(problem.reader.backbone.model) == before


def test_a_pattern_weighs_what_it_knew_before_training(
    problem_of: Callable[..., Problem], choices: dict[str, Any], separable: Any
) -> None:
    """The accuracy is that of the words under the pretrained model, without any fitting."""
    problem = problem_of()
    own = pattern(problem, number=2)
    text = problem.prompt.texts[2]  # type: ignore[attr-defined]
    head = "label-words:scores=tied,fitted=false,calibrate=false"
    plain = {"recipe": "manual", "prompt": f'manual:template="{text}"', "head": head}
    plain |= {"readout": "mask", "tokenizer": choices.get("tokenizer") or "bins:steps=32"}
    plain |= {"tuner": None}
    zero = PromptClassifier(**{**choices, **plain, "train": "tuning-free"})
    zero.fit(separable.X[:9], separable.y[:9])
    assert own.accuracy == zero.scores_["train_accuracy"]
    before = own.accuracy
    train(own, problem, steps=1)
    assert own.accuracy == before


# Together


def test_soft_labels_are_the_weighted_mean_of_scores_at_a_temperature(
    problem_of: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = patterns(problem_of(), temperature=2.0)
    said = {0: (np.array([[2.0, 0.0, 0.0]]), 0.75), 1: (np.array([[0.0, 1.0, 0.0]]), 0.25)}
    monkeypatch.setattr(own, "_said", lambda k, generation, given=None: said[k])
    powers = [math.exp(1.5 / 2), math.exp(0.25 / 2), 1.0]
    np.testing.assert_allclose(own.teach(), [[one / sum(powers) for one in powers]])
    assert own.accuracies == [0.75, 0.25]


def test_the_last_model_is_distilled() -> None:
    """T^2 KL: scores 2 and 0 against a half each at T = 2 are 4 (ln cosh 1/2) by hand."""
    loss = distillation(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.5, 0.5]]), 2.0)
    assert float(loss) == pytest.approx(4 * math.log(math.cosh(0.5)))
    same = distillation(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]).softmax(1), 2.0)
    assert float(same) == pytest.approx(0, abs=1e-6)


def test_cases_are_drawn_in_proportion_to_how_sure_they_are() -> None:
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    first = 0
    for seed in range(2_000):
        cases, labels = drawn(chances, np.array([1, 5]), np.random.default_rng(seed))
        assert labels.tolist() == [0, 1, 1]
        assert set(cases[1:].tolist()) == {2, 3}
        first += int(cases[0] == 0)
    assert first / 2_000 == pytest.approx(0.9 / 1.5, abs=0.03)
    none, _ = drawn(chances, np.array([0, 0]), np.random.default_rng(0))
    assert none.tolist() == []


def test_the_sets_grow_by_what_other_patterns_say(
    problem_of: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine cases, three of each class, twice as many in each generation; each pattern is sure of
    one class alone, and is never taught by itself."""
    own = patterns(problem_of(), generations=2, factor=2.0, share=1.0)
    learned: dict[tuple[int, int], Any] = {}

    def said(k: int, generation: int, given: Any = None) -> Any:
        learned[k, generation] = given
        scores = np.zeros((15, 3))
        scores[:, k] = 5.0 + generation
        return scores, 0.5

    monkeypatch.setattr(own, "_said", said)
    own.teach()
    assert learned[0, 0] is learned[1, 0] is None
    for k in (0, 1):
        cases, labels = learned[k, 1]
        assert labels.tolist() == [1 - k] * 3  # of each class as many as train has
        assert len(set(cases.tolist())) == 3
    assert own.sizes == [9, 12]


def test_what_others_have_labelled_is_learned_with_train(
    problem_of: Callable[..., Problem],
) -> None:
    known = Examples.of(problem_of(class_weight={"calm": 2.0}))
    more = known.with_more(torch.tensor([12, 10]), torch.tensor([0, 1]))
    assert more.cases.tolist() == [*range(9), 12, 10]
    assert more.labels[-2:].tolist() == [0, 1]
    assert more.weights is not None
    assert float(more.weights[-2] / more.weights[-1]) == pytest.approx(2.0)


# The head learns what it is taught


def test_a_head_learns_from_labels_that_were_given() -> None:
    features = torch.arange(8.0).reshape(4, 2)
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    evidence = Evidence(
        features=features[:2],
        members=[0],
        tasks=[Task.whole(2)],
        labels=np.array([0, 1]),
        n_classes=2,
        optional=torch.zeros(2, dtype=torch.bool),
        taught=(chances, features[2:3]),
        weights=np.array([1.0, 3.0]),
    )
    lesson = evidence.lesson(0)
    assert lesson.labels.tolist() == [0, 1, -1]
    assert lesson.features.equal(features[:3])
    assert np.array_equal(lesson.chances, chances)  # type: ignore[arg-type]
    assert lesson.weights.tolist() == [1.0, 3.0, 2.0]  # type: ignore[union-attr]


# The classifier


@pytest.mark.parametrize("recipe", ["pet", "ipet"])
def test_it_learns_from_unlabelled_cases_and_is_saved(
    recipe: str, choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    generations = 2 if recipe == "ipet" else 1
    tuner = Pet(**{**QUICK.options(), "generations": generations})
    options = {**choices, "recipe": recipe, "tuner": tuner}
    fitted = PromptClassifier(**options).fit(X[:9], y[:9], unlabelled=X[9:])
    chances = fitted.predict_proba(X_test)
    other = PromptClassifier(**options).fit(X[:9], y[:9], unlabelled=X[9:] + 1)
    assert not np.allclose(chances, other.predict_proba(X_test))
    assert len(fitted.readings_[0].prompt) == 0  # the last model reads no pattern
    shared = load_backbone(choices["backbone"], 2, device="cpu", dtype="float32")
    assert fingerprint(shared.model) == shared.weights_hash
    assert fingerprint(fitted.reader_.backbone.model) != shared.weights_hash
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)
    assert "trained on before" in fitted.fitted_.design.validation_kind()
    assert ("cases of generation 2" in fitted.report_) == (recipe == "ipet")


def test_without_unlabelled_cases_train_is_labelled(
    choices: dict[str, Any], separable: Any
) -> None:
    fitted = PromptClassifier(**choices).fit(separable.X, separable.y)
    assert (fitted.predict(separable.X_test) == separable.y_test).mean() > 0.6
    with pytest.raises(ConfigError, match="labels that models gave"):
        fitted.predict_set(separable.X_test)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokenizer": "kernels"}, "are no words; use alpha=0, or the tokenizer bins"),
        ({"train": "prompt"}, "trains language models .* use train=.lm"),
        ({"train": "prompt+lm"}, "trains language models .* use train=.lm"),
        ({"readout": "pooled"}, "patterns answer at the mask"),
        ({"scope": "step"}, 'use scope="series"'),
        ({"head": "mlp"}, "gives soft labels, and the head 'mlp' can't learn from them"),
        ({"prompt": "manual"}, "has no 2 different patterns"),
        ({"tuner": "pet:verbalizer=ridge"}, "is not one of: .*label-words"),
        ({"tuner": "pet:patterns=1,generations=2"}, "no other that could label"),
        ({"tuner": "pet:alpha=1"}, "alpha is 0 or more and lies below 1"),
        ({"tuner": "pet:temperature=0"}, "temperature must be positive"),
    ],
)
def test_errors_before_anything_is_trained(
    changes: dict[str, Any], said: str, choices: dict[str, Any], separable: Any
) -> None:
    with pytest.raises(ConfigError, match=said):
        PromptClassifier(**{**choices, **changes}).fit(separable.X, separable.y)


def test_embeddings_can_be_read_without_the_masked_loss(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pattern_model, "masked_loss", None)  # it is not asked
    tuner = Pet(**{**QUICK.options(), "alpha": 0.0})
    fitted = PromptClassifier(**{**choices, "tokenizer": "kernels:steps=8", "tuner": tuner})
    fitted.fit(separable.X, separable.y)
    assert np.isfinite(fitted.predict_proba(separable.X_test)).all()
