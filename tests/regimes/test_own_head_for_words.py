"""Fine-tuning with a head that reads words trains the model's own head for masked words."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.trainable_copy import METHODS, TunedBackbone
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.model.header import BackboneEntry

QUICK = "gradient:epochs=3,patience=3"
FAMILIES = ("Bert", "Roberta", "DistilBert", "MPNet", "Electra")


def copied(folder: str, method: str = "full") -> TunedBackbone:
    base = load_backbone(folder, device="cpu", dtype="float32")
    return TunedBackbone(base, method=method, rank=2, learning_rate=1e-3, seed=0, speaks=True)


def words_of(backbone: TunedBackbone) -> dict[str, Any]:
    return {key: one for key, one in backbone.trained.items() if key.startswith("words.")}


@pytest.fixture
def choices(tiny: dict[str, Any], tiny_mlm: str) -> dict[str, Any]:
    options = {"readout": "mask", "head": "label-words", "train": "lm", "tuner": QUICK}
    return {**tiny, "backbone": tiny_mlm, **options}


def test_after_training_the_heads_numbers_have_moved_and_the_shared_one_has_not(
    choices: dict[str, Any], separable: Any
) -> None:
    shared = word_scorer(load_backbone(choices["backbone"], 2, 0, "cpu", "float32"), "model")
    before = fingerprint(shared.transform)
    fitted = PromptClassifier(**choices).fit(separable.X, separable.y)
    own = fitted.reader_.backbone
    assert own.speaker is not None
    fresh = own.anew(0, speaks=True)
    moved = {key: not one.equal(fresh.trained[key]) for key, one in words_of(own).items()}
    assert {"words.decoder.bias"} < set(moved)
    assert all(moved.values())
    assert fingerprint(shared.transform) == before
    assert fitted.parts_.head.met_scorer is own.speaker
    assert own.n_parameters > fresh.n_parameters - 1 > sum(map(torch.numel, words_of(own).values()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gradient_reaches_what_the_method_trains_of_the_head(
    family: str, method: str, make_mlm: Callable[..., str]
) -> None:
    backbone = copied(make_mlm(family), method)
    head = word_scorer(backbone, "model")
    for key, one in backbone.trained.items():
        if "lora_B" in key:
            torch.nn.init.normal_(one)  # it starts at zero, which hides the other matrix
    given = torch.randn(3, 7, 32)
    with backbone.learning():
        said = head.say(backbone.run(given, (2,))[0][:, 3])
        head.scores(said).log_softmax(dim=1)[:, 40].sum().backward()
        reached = {key for key, one in words_of(backbone).items() if one.grad is not None}
        assert reached == set(words_of(backbone)) != set()
    expected = {"full": "dense.weight|transform.weight|projector.weight|bias", "lora": "lora_"}
    wanted = expected.get(method, "ln_tuning")
    assert any(part in key for key in reached for part in wanted.split("|"))
    assert not any(one.requires_grad for _, one in head.named_parameters())


def test_untied_vectors_of_words_are_trained_and_embeddings_are_not(
    make_mlm: Callable[..., str],
) -> None:
    untied = copied(make_mlm("Bert", tie_word_embeddings=False))
    assert "words.decoder.weight" in untied.trained
    tied = copied(make_mlm("Bert"))
    assert "words.decoder.weight" not in tied.trained
    assert word_scorer(tied, "model").vectors is tied.word_vectors


def test_a_saved_model_says_the_same(
    choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    fitted = PromptClassifier(**choices).fit(separable.X, separable.y)
    expected = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)
    for again in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(again.predict_proba(separable.X_test), expected)
    saved = words_of(fitted.reader_.backbone)
    for key, one in words_of(loaded.reader_.backbone).items():
        assert one.equal(saved[key])


def test_models_that_were_saved_before_have_the_head_as_it_was_trained_first() -> None:
    known = {"name": "minilm", "depth": 1, "weights_hash": "0" * 64}
    assert BackboneEntry(**known).speaks is False


@pytest.mark.parametrize("head", ["ridge", "label-words:scores=tied"])
def test_nothing_is_copied_where_nobody_asks_the_head(
    head: str, choices: dict[str, Any], separable: Any
) -> None:
    fitted = PromptClassifier(**{**choices, "head": head}).fit(separable.X, separable.y)
    assert fitted.reader_.backbone.speaker is None
    assert not words_of(fitted.reader_.backbone)
