"""What training may change: the prompt, the language model, both, or neither."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.trainable_copy import METHODS, TunedBackbone
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.tuners import gradient
from tsprompt.tuners.training import BestPrompt, MaskTrainer

pytestmark = pytest.mark.slow

QUICK = "gradient:epochs=4,patience=4,hidden=8"
TUNED = [f"{name}:method={method}" for name in ("lm", "prompt+lm") for method in METHODS]


def copy_of(backbone: Backbone, method: str, rank: int = 3) -> TunedBackbone:
    return TunedBackbone(backbone, method=method, rank=rank, learning_rate=1e-3, seed=0)


@pytest.fixture
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, "prompt": "soft", "tuner": QUICK, "readout": "mask"}


@pytest.mark.parametrize("train", TUNED)
def test_the_shared_model_is_untouched_and_the_copy_has_changed(
    train: str, choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    name = choices["backbone"]
    shared = load_backbone(name, 2, device="cpu", dtype="float32")
    fitted = PromptClassifier(**choices, train=train).fit(separable.X, separable.y)
    own = fitted.reader_.backbone
    assert load_backbone(name, 2, device="cpu", dtype="float32") is shared
    assert own.model is not shared.model
    assert fingerprint(shared.model) == shared.weights_hash == own.weights_hash
    assert not any(one.requires_grad for one in shared.model.parameters())

    fresh = fitted.parts_.train.prepare(shared, 0)
    changed = {
        key: not one.equal(fresh.trained[key])
        for key, one in own.trained.items()
        if "lora_A" not in key  # drawn with another seed
    }
    assert all(changed.values())
    frozen = {key: one for key, one in own.model.named_parameters() if key not in own.trained}
    for key, one in fresh.model.named_parameters():
        assert key not in frozen or one.equal(frozen[key])

    given = torch.randn(2, 9, 32)
    assert not own.run(given, (2,))[0].equal(shared.run(given, (2,))[0])
    path = fitted.save(tmp_path / "model")
    loaded = PromptClassifier.load(path, device="cpu")
    assert fingerprint(loaded.reader_.backbone.model) == fingerprint(own.model)
    expected = fitted.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)
    for again in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(again.predict_proba(separable.X_test), expected)


def test_only_what_changed_is_saved(
    choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    def saved(train: str) -> set[str]:
        fitted = PromptClassifier(**choices, train=train).fit(separable.X, separable.y)
        folder = fitted.save(tmp_path / train.replace(":", "-"))
        names = load_file(folder / "model.safetensors")
        kept = {name for name in names if name.startswith("/backbone/")}
        assert kept == {f"/backbone/{name}" for name in fitted.reader_.backbone.trained}
        return kept

    assert saved("prompt") == set()
    assert all("lora_" in name for name in saved("lm:method=lora"))
    assert not any("word_embeddings" in name for name in saved("lm:method=full"))


def test_the_parameters_that_each_method_trains(backbone: Backbone) -> None:
    hidden, layers, rank = 32, 2, 3
    lora = copy_of(backbone, "lora", rank)
    # Two matrices, D x rank and rank x D, beside the query's and the value's projection.
    assert lora.n_trained == layers * 2 * 2 * hidden * rank
    assert all("query" in key or "value" in key for key in lora.trained)
    norms = copy_of(backbone, "layernorm")
    # Scale and shift, twice in a layer and once behind the embeddings.
    assert norms.n_trained == (2 * layers + 1) * 2 * hidden
    words = backbone.word_vectors.numel()
    assert copy_of(backbone, "full").n_trained == backbone.n_parameters - words


@pytest.mark.parametrize("method", METHODS)
def test_before_training_the_copy_says_what_the_shared_model_says(
    method: str, backbone: Backbone
) -> None:
    given = torch.randn(2, 9, 32)
    [mine], [shared] = copy_of(backbone, method).run(given, (2,)), backbone.run(given, (2,))
    torch.testing.assert_close(mine, shared, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_gradient_reaches_all_that_may_change_and_nothing_else(
    method: str, checkpoint: bool, backbone: Backbone
) -> None:
    own = copy_of(backbone, method)
    for key, one in own.trained.items():
        if "lora_B" in key:
            torch.nn.init.normal_(one)  # it starts at zero, which hides the other matrix
    given = torch.randn(2, 9, 32)
    with own.learning(checkpoint=checkpoint):
        said = own.run(given, (own.depth,))[0]
        (said * torch.randn_like(said)).sum().backward()
        reached = {k for k, one in own.model.named_parameters() if one.grad is not None}
        assert reached == set(own.trained)
        for key, one in own.trained.items():
            assert one.grad is not None
            # One bias for all keys shifts all scores alike: the softmax does not see it.
            assert one.grad.abs().sum() > 0 or "key.bias" in key
    assert all(not one.requires_grad and one.grad is None for one in own.model.parameters())
    assert not own.run(given, (own.depth,))[0].requires_grad


def test_a_deep_prompt_is_heard_by_a_model_with_low_rank_additions(backbone: Backbone) -> None:
    own = copy_of(backbone, "lora")
    given, deep = torch.randn(2, 9, 32), torch.randn(2, 2, 4, 32)
    torch.testing.assert_close(own.run(given, (2,), deep), backbone.run(given, (2,), deep))


@pytest.mark.parametrize("train", ["lm", "prompt+lm"])
def test_the_prompt_moves_only_where_the_regime_says_so(
    train: str, choices: dict[str, Any], separable: Any
) -> None:
    start = PromptClassifier(**{**choices, "tuner": None}, train="tuning-free")
    fitted = PromptClassifier(**choices, train=train).fit(separable.X, separable.y)
    before = start.fit(separable.X, separable.y).readings_[0].prompt
    assert fitted.readings_[0].prompt.equals(before) == (train == "lm")
    assert ("largest gradient at the prompt" in fitted.report_) == (train == "prompt+lm")
    assert fitted.report_["largest gradient at the language model"] > 0


@pytest.mark.parametrize("train", ["lm", "prompt+lm"])
@pytest.mark.parametrize("prompt", ["hard", "manual", "none"])
def test_words_stay_fixed_while_the_model_learns(
    prompt: str, train: str, choices: dict[str, Any], separable: Any
) -> None:
    changed = {**choices, "prompt": prompt, "tuner": None}
    fitted = PromptClassifier(**{**changed, "tuner": QUICK}, train=train)
    fitted.fit(separable.X, separable.y)
    free = PromptClassifier(**changed, train="tuning-free").fit(separable.X, separable.y)
    assert fitted.readings_[0].prompt.equals(free.readings_[0].prompt)
    assert fitted.parts_.tuner.name == "gradient"
    trained = fitted.costs_["trainable_parameters"] - fitted.parts_.combination.n_parameters
    assert trained == fitted.reader_.backbone.n_trained


def states_at(
    monkeypatch: pytest.MonkeyPatch, losses: list[float]
) -> list[dict[str, torch.Tensor]]:
    """Give each epoch the next of these losses; what the model is then will be in the list."""
    given = iter(losses)
    states: list[dict[str, torch.Tensor]] = []
    real = BestPrompt.update

    def update(self: BestPrompt, module: Any, loss: float) -> bool:
        states.append(self.backbone.trained_state())
        return real(self, module, next(given))

    monkeypatch.setattr(gradient.BestPrompt, "update", update)
    return states


def test_the_best_epoch_of_the_model_is_restored(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = states_at(monkeypatch, [3.0, 1.0, 2.0, 2.0])
    fitted = PromptClassifier(**choices, train="prompt+lm").fit(separable.X, separable.y)
    assert len(states) == 4
    end = fitted.reader_.backbone.trained_state()
    same = [all(end[key].equal(state[key]) for key in end) for state in states]
    assert same == [False, True, False, False]
    # And the head has seen what that state says.
    features = fitted.reader_.features(
        fitted.readings_[0],
        fitted.parts_.strategy.transform(
            fitted.parts_.preprocessing.transform(_cases(separable.X))
        ),
    )
    chances = fitted.parts_.combination.probabilities(features)
    hits = fitted.classes_[chances.argmax(axis=1)] == separable.y
    assert hits.mean() == fitted.scores_["train_accuracy"]


@pytest.mark.parametrize("train", ["lm", "prompt+lm"])
def test_a_model_that_diverges_is_put_back_and_the_user_told(
    train: str, choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    wild = PromptClassifier(**choices, train=f"{train}:learning_rate=1e30")
    with pytest.warns(TspromptNotice, match="no epoch .* finite loss.*smaller learning_rate"):
        wild.fit(separable.X, separable.y)
    calm = PromptClassifier(**{**choices, "tuner": None}, train="tuning-free")
    calm.fit(separable.X, separable.y)
    own = wild.reader_.backbone
    assert fingerprint(own.model) == own.weights_hash
    assert wild.readings_[0].prompt.equals(calm.readings_[0].prompt)
    expected = wild.predict_proba(separable.X_test)
    assert np.allclose(expected, calm.predict_proba(separable.X_test), atol=1e-5)
    loaded = PromptClassifier.load(wild.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)


def test_a_model_that_diverges_late_is_put_back_to_its_best(
    choices: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = states_at(monkeypatch, [2.0, float("nan"), float("nan"), float("nan")])
    fitted = PromptClassifier(**choices, train="lm").fit(separable.X, separable.y)
    end = fitted.reader_.backbone.trained_state()
    assert all(end[key].equal(states[0][key]) for key in end)


@pytest.mark.parametrize(
    ("recipe", "tuner"),
    [
        ("prompt-tuning", "transprompt:epochs=1,pretraining_epochs=2"),
        ("original-surrogate", "surrogate:explore=2,epochs=2"),
        ("original-gru-st", "gradient:epochs=2"),
    ],
)
def test_all_tuners_say_that_training_came_to_nothing(
    recipe: str,
    tuner: str,
    tiny: dict[str, Any],
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = MaskTrainer.loss
    monkeypatch.setattr(MaskTrainer, "loss", lambda *given: real(*given) * float("nan"))
    options = {**tiny, "tuner": tuner, "readout": "mask", "random_state": 0}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TspromptNotice)
        fitted = PromptClassifier(recipe, **options).fit(separable.X, separable.y)
    assert any("no epoch of training had a finite loss" in str(one.message) for one in said)
    assert np.isfinite(fitted.predict_proba(separable.X_test)).all()


def test_a_prompt_that_diverges_is_the_one_from_before(
    choices: dict[str, Any], separable: Any
) -> None:
    tuner = f"{QUICK},learning_rate=1e30"
    with pytest.warns(TspromptNotice, match="no epoch .* finite loss"):
        wild = PromptClassifier(**{**choices, "tuner": tuner}).fit(separable.X, separable.y)
    calm = PromptClassifier(**{**choices, "tuner": None}, train="tuning-free")
    calm.fit(separable.X, separable.y)
    assert wild.readings_[0].prompt.equals(calm.readings_[0].prompt)
    assert np.isfinite(wild.predict_proba(separable.X_test)).all()


def _cases(X: Any) -> Any:
    from tsprompt.data import as_cases

    return as_cases(X)


def test_trained_parameters_are_counted_once(choices: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier(**choices, train="prompt+lm:method=lora,rank=2")
    costs = fitted.fit(separable.X, separable.y).costs_
    own = fitted.reader_.backbone
    head = fitted.parts_.combination.n_parameters
    prompt = 16 * 32
    assert costs["trainable_parameters"] == head + prompt + 2 * 2 * 2 * 32 * 2
    assert costs["total_parameters"] == head + prompt + own.n_parameters


@pytest.mark.parametrize("twin", ["random", "shuffled"])
def test_twins_are_trained_as_well(twin: str, choices: dict[str, Any], separable: Any) -> None:
    changed = {**choices, "backbone": f"{twin}:{choices['backbone']}"}
    fitted = PromptClassifier(**changed, train="lm").fit(separable.X, separable.y)
    shared = load_backbone(
        changed["backbone"], 2, fitted.reader_.backbone.seed, device="cpu", dtype="float32"
    )
    assert fingerprint(shared.model) == shared.weights_hash
    assert not fitted.reader_.backbone.model.get_parameter(
        "encoder.layer.0.output.dense.weight"
    ).equal(shared.model.get_parameter("encoder.layer.0.output.dense.weight"))


def test_training_is_in_float32_whatever_the_model_computes_in(
    choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    changed = {**choices, "dtype": "bfloat16"}
    fitted = PromptClassifier(**changed, train="lm:method=lora").fit(separable.X, separable.y)
    own = fitted.reader_.backbone
    assert {one.dtype for one in own.model.parameters()} == {torch.float32}
    base = load_backbone(choices["backbone"], 2, device="cpu", dtype="float32")
    key = "encoder.layer.0.output.dense.weight"
    assert own.model.get_parameter(key).equal(base.model.get_parameter(key))  # nothing rounded
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    expected = fitted.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)


def test_a_model_under_training_is_run_anew_in_every_step(
    choices: dict[str, Any], separable: Any
) -> None:
    changed = {**choices, "prompt": "hard"}
    free = PromptClassifier(**{**changed, "tuner": None}, train="tuning-free")
    once = free.fit(separable.X, separable.y).costs_["lm_tokens"]
    fitted = PromptClassifier(**changed, train="lm").fit(separable.X, separable.y)
    epochs = fitted.report_["epochs of training"]
    assert fitted.costs_["lm_tokens"] == once * (2 + epochs)  # first, each epoch, best


# --- what has no meaning ---


@pytest.mark.parametrize("train", ["lm", "prompt+lm"])
def test_several_prompts_are_refused_with_the_reason(
    train: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(**{**tiny, "n_prompts": 2}, train=train)
    with pytest.raises(ConfigError, match="would change the model that the others"):
        model.fit(separable.X, separable.y)


def test_a_backbone_without_layers_is_refused_with_the_reason(
    tiny: dict[str, Any], separable: Any
) -> None:
    none = {**tiny, "backbone": f"none:{tiny['backbone']}"}
    with pytest.raises(ConfigError, match="has no layers, so there is nothing of it to train"):
        PromptClassifier(**none, train="lm").fit(separable.X, separable.y)


@pytest.mark.parametrize("tuner", ["none", "search"])
def test_another_tuner_than_descent_is_refused(
    tuner: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(**tiny, tuner=tuner, train="lm")
    with pytest.raises(ConfigError, match=f"the tuner '{tuner}' knows none; use tuner=.gradient"):
        model.fit(separable.X, separable.y)


@pytest.mark.parametrize("option", ["method=half", "rank=0", "learning_rate=0"])
def test_senseless_options_are_refused(option: str, tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        PromptClassifier(**tiny, train=f"lm:{option}").fit(separable.X, separable.y)


def test_low_rank_additions_need_projections_that_are_known(
    make_bert: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    from tsprompt.backbones import trainable_copy

    monkeypatch.setattr(trainable_copy, "_QUERY_OR_VALUE", re.compile("nothing"))
    backbone = load_backbone(make_bert(seed=9), device="cpu", dtype="float32")
    with pytest.raises(ConfigError, match=r"method=lora: the bert model .* use method=full"):
        copy_of(backbone, "lora")


def test_ablations_of_a_tuned_model_keep_a_language_model(tiny: dict[str, Any]) -> None:
    from tsprompt.benchmark import Method, check, twins
    from tsprompt.benchmark.plan import ablations_of

    settings = {"backbone": tiny["backbone"], "n_prompts": 1, "train": "lm"}
    method = Method("tuned", "model", "default", settings)
    said = pytest.warns(TspromptNotice, match="a model that is fine-tuned can't do without")
    with said:
        rows = ablations_of(method)
    assert [one.name.partition(", ")[2] for one in rows] == [
        "random weights",
        "shuffled weights",
        "no prompt",
        "placebo",
    ]
    with said:
        assert [one.name for one in twins(method, tiny["backbone"])] == ["random weights"]
    check(rows)


def test_an_untrained_prompt_that_is_meant_to_be_trained_is_said(
    choices: dict[str, Any], separable: Any
) -> None:
    with pytest.warns(TspromptNotice, match="leaves it as it was drawn"):
        PromptClassifier(**{**choices, "tuner": "none"}).fit(separable.X, separable.y)
    # Any warning is an error here: none comes where the regime says so, or the prompt is fixed.
    PromptClassifier(**{**choices, "tuner": None}, train="tuning-free").fit(
        separable.X, separable.y
    )
    PromptClassifier(**{**choices, "tuner": "none", "prompt": "hard"}).fit(separable.X, separable.y)


def test_where_nothing_can_learn_it_is_said(tiny: dict[str, Any], separable: Any) -> None:
    """No gradient reaches the prompt, and the words' temperatures are not to be fitted."""
    head = "label-words:scores=tied,fitted=false,words=3|4|7"
    options = {**tiny, "prompt": "gru:length=4,hidden=4", "readout": "mask", "head": head}
    with pytest.warns(TspromptNotice, match="nothing here can be trained"):
        fitted = PromptClassifier(**options, tuner=QUICK).fit(separable.X, separable.y)
    assert fitted.report_["epochs of training"] == 0
    assert np.isfinite(fitted.predict_proba(separable.X_test)).all()
