"""What a fit will take is said before it: counted exactly, and nothing of it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.benchmark import Cell, Machine, baseline, estimate_run
from tsprompt.data import as_cases
from tsprompt.heads.ridge import Ridge
from tsprompt.model import estimate as estimating
from tsprompt.model import memory
from tsprompt.model.estimate import Asks, Estimate, estimate
from tsprompt.recipes import RECIPES, resolve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]

FEW = {"tokenizer": "kernels:steps=4", "n_prompts": 2}


@pytest.fixture
def say(tiny_bert: str, separable: Any) -> Callable[..., Estimate]:
    """The estimate of the small problem under some choices."""

    def make(recipe: str = "default", *, clock: Any = None, **choices: Any) -> Estimate:
        settings = resolve(recipe, {"backbone": tiny_bert, **choices})
        asks = Asks(as_cases(separable.X), len(separable.X_test), 3)
        more = {} if clock is None else {"clock": clock}
        return estimate(settings, asks, device="cpu", dtype="float32", **more)

    return make


@pytest.mark.parametrize("choices", [{}, {"scope": "step"}, {"strategy": "per-step"}])
def test_work_is_that_of_the_fit(
    choices: dict[str, Any],
    say: Callable[..., Estimate],
    tiny_bert: str,
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock that ticks with each position that the language model reads."""
    done = [0.0]
    run = Backbone.run

    def counted(self: Backbone, embeddings: Any, *args: Any, **more: Any) -> Any:
        done[0] += embeddings.shape[0] * embeddings.shape[1]
        return run(self, embeddings, *args, **more)

    monkeypatch.setattr(Backbone, "run", counted)
    told = say(**FEW, **choices, clock=lambda: done[0])
    done[0] = 0
    model = PromptClassifier(
        backbone=tiny_bert, device="cpu", dtype="float32", random_state=0, **FEW, **choices
    ).fit(separable.X, separable.y)
    fit, read = done[0], model.reader_.tokens_run
    model.predict_proba(separable.X_test)
    # Rows that are alike are read once, and more of them are alike in more cases.
    near = pytest.approx if choices.get("scope") != "step" else _not_far
    assert told.fit_seconds == near(fit)
    assert told.predict_seconds == near(done[0] - fit)
    assert told.tokens == near(model.reader_.tokens_run)
    assert told.unknown == ()
    assert read > 0


def _not_far(value: float) -> Any:
    return pytest.approx(value, rel=0.5)


def test_the_head_of_more_cases_takes_longer(separable: Any, tiny_bert: str) -> None:
    """By the number of products and solutions, on a clock that ticks each time it is asked."""
    ticks = iter(range(10**6))
    settings = resolve("default", {"backbone": tiny_bert, **FEW})
    many = as_cases(separable.X[:1].repeat(3_000, axis=0))
    seconds = [
        estimate(settings, Asks(cases, 0, 3), clock=lambda: float(next(ticks))).fit_seconds or 0
        for cases in (many[:300], many)
    ]
    assert seconds[1] > 20 * seconds[0]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"tuner": "search"}, "tuner 'search' seeks"),
        ({"prompt": "soft", "tuner": "gradient"}, "tuner 'gradient' seeks"),
        ({"head": "mlp"}, "head 'mlp'"),
        ({"combination": "vote"}, "combination 'vote'"),
        ({"train": "lm", "n_prompts": 1}, "train 'lm' trains the language model"),
    ],
)
def test_what_nobody_knows_before_is_named(
    choices: dict[str, Any], said: str, say: Callable[..., Estimate]
) -> None:
    told = say(**{**FEW, **choices})
    assert any(said in one for one in told.unknown)
    assert told.fit_seconds is not None


def test_what_is_trained_before_anything_is_read_has_no_time(say: Callable[..., Estimate]) -> None:
    told = say(**FEW, strategy="autoencoder")
    assert "strategy 'autoencoder' is trained first" in told.unknown[0]
    assert (told.fit_seconds, told.seconds, told.tokens) == (None, None, None)
    assert told.memory_bytes > 0


def test_a_head_that_iterates_is_named(
    say: Callable[..., Estimate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "EXACT_CASES", 20)
    assert "goes over more than 20 cases" in say(**FEW).unknown[0]


@pytest.mark.parametrize(
    "recipe",
    [name for name, one in RECIPES.items() if not one.settings.tokenizer.startswith("image")],
)
def test_every_recipe_has_an_estimate_and_nothing_is_fitted(
    recipe: str, say: Callable[..., Estimate], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a head was fitted")

    monkeypatch.setattr(Ridge, "_fit", refuse)
    several = RECIPES[recipe].settings.train == "prompt"  # a model is fine-tuned under one
    told = say(recipe, n_prompts=3 if several else 1)
    assert told.cases == 24
    assert told.memory_bytes > 0
    assert told.unknown or told.seconds is not None
    assert (told.tokens is None) == (told.seconds is None)


def test_what_would_be_refused_says_so(
    say: Callable[..., Estimate], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(**FEW).refused is None
    monkeypatch.setattr(memory, "_LEAST", 0)
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    assert "this fit needs about" in str(say(**FEW).refused)


def test_a_baseline_has_none(separable: Any) -> None:
    cell = Cell("A", baseline("prior"), 0)
    assert estimate_run(cell, None, Machine()) is None  # type: ignore[arg-type]
