"""The original experiments' recipes behave as DESIGN describes them, to the letter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier, TspromptNotice
from tsprompt.backbones import Backbone, load_backbone
from tsprompt.prompts.base import normal_to_ids, place
from tsprompt.prompts.buffer import Buffer
from tsprompt.prompts.gru import GRU
from tsprompt.prompts.hard import Hard

pytestmark = pytest.mark.slow


@pytest.fixture
def backbone(tiny_bert: str) -> Backbone:
    return load_backbone(tiny_bert, dtype="float32")


def fit(recipe: str, tiny_bert: str, separable: Any, **choices: Any) -> PromptClassifier:
    options = {"backbone": tiny_bert, "tokenizer": "bins:words=index", "random_state": 0}
    model = PromptClassifier(recipe, **{**options, **choices})
    return model.fit(separable.X, separable.y)


def test_original_standardises_bins_and_redraws_until_the_best_draw_wins(
    tiny_bert: str, separable: Any
) -> None:
    model = fit("original", tiny_bert, separable, tuner="search:draws=4")
    parts = model.parts_
    assert parts.preprocessing.standardise == "train"
    assert (parts.tokenizer.name, parts.tokenizer.edges) == ("bins", "width")
    assert parts.readout.name == "mask"
    assert model.readings_[0].layers == (2,), "the last hidden state"
    assert (parts.head.name, parts.scope) == ("mlp", "step")
    losses = parts.tuner.losses_
    assert len(losses) == 4
    assert len(set(losses)) > 1, "the draws differ"
    assert model.scores_["validation_loss"] == pytest.approx(min(losses)), "the best draw was kept"


def test_a_bins_number_is_what_the_language_model_reads(tiny_bert: str, separable: Any) -> None:
    model = fit("original", tiny_bert, separable, tuner="search:draws=1")
    tokenizer, reader = model.readings_[0].tokenizer, model.reader_
    cases = model.parts_.preprocessing.transform(_cases(separable.X))
    tokens = torch.cat([tokens for _, tokens in reader.tokenise(tokenizer, cases)])
    assert tokens.min() == 0
    assert tokens.max() == tokenizer.bins - 1


def test_one_pass_of_the_language_model_for_each_draw(tiny_bert: str, separable: Any) -> None:
    one = fit("original", tiny_bert, separable, tuner="search:draws=1").costs_["lm_tokens"]
    three = fit("original", tiny_bert, separable, tuner="search:draws=3").costs_["lm_tokens"]
    assert three == 3 * one


def test_normal_draws_fill_the_vocabulary_like_a_bell() -> None:
    size = 1001
    assert normal_to_ids(torch.tensor([-9.0, -3.0, 0.0, 3.0, 9.0]), size).tolist() == [
        0,
        0,
        500,
        1000,
        1000,
    ]
    ids = normal_to_ids(torch.randn(20_000, generator=torch.Generator().manual_seed(0)), size)
    middle = ((ids > 333) & (ids < 667)).float().mean()
    assert 0.66 < middle < 0.70, "one standard deviation either side"


def test_the_slice_and_the_mask_fall_anywhere_in_the_prompt() -> None:
    rng = np.random.default_rng(0)
    drawn = {place("random", 3, rng) for _ in range(500)}
    assert {before for before, _ in drawn} == {0, 1, 2, 3, 4}
    assert {mask for _, mask in drawn} == {0, 1, 2, 3}
    assert place("around", 8, rng) == (4, 8)


def test_hard_prompts_by_normal_values_are_vocabulary_ids(backbone: Backbone) -> None:
    prompt = Hard(draws="normal", placement="random").draw(16, backbone, np.random.default_rng(1))
    assert prompt.ids is not None
    assert prompt.ids.shape == (16,)
    assert int(prompt.ids.max()) < len(backbone.word_vectors)


@pytest.mark.parametrize("model", [GRU(), Buffer()])
def test_the_embedding_lookup_blocks_the_gradient(model: Any, backbone: Backbone) -> None:
    module = model.module(8, backbone, np.random.default_rng(0))
    said = module()
    ids, vectors = said.ids, said.vectors
    assert torch.equal(vectors, backbone.word_vectors[ids])
    assert not vectors.requires_grad


@pytest.mark.parametrize("model", [GRU(straight_through=True), Buffer(straight_through=True)])
def test_straight_through_reads_the_same_words_and_lets_the_gradient_flow(
    model: Any, backbone: Backbone
) -> None:
    module = model.module(8, backbone, np.random.default_rng(0))
    said = module()
    ids, vectors = said.ids, said.vectors
    torch.testing.assert_close(vectors, backbone.word_vectors[ids])
    vectors.square().sum().backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert any(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_original_gru_reports_that_its_gradient_is_exactly_zero(
    tiny_bert: str, separable: Any
) -> None:
    with pytest.warns(TspromptNotice, match="no gradient reached the prompt 'gru'"):
        model = fit("original-gru", tiny_bert, separable, tuner="gradient:epochs=3")
    assert model.report_["largest gradient at the prompt"] == 0.0


def test_original_gru_keeps_the_prompt_that_it_drew(tiny_bert: str, separable: Any) -> None:
    with pytest.warns(TspromptNotice):
        trained = fit("original-gru", tiny_bert, separable, tuner="gradient:epochs=3")
    drawn = fit("original-gru", tiny_bert, separable, tuner="none", train="tuning-free")
    assert torch.equal(trained.readings_[0].prompt.ids, drawn.readings_[0].prompt.ids)
    assert trained.costs_["lm_tokens"] == drawn.costs_["lm_tokens"], "the LM was run once"


def test_original_gru_straight_through_learns(tiny_bert: str, separable: Any) -> None:
    model = fit("original-gru-st", tiny_bert, separable, tuner="gradient:epochs=3,patience=3")
    drawn = fit("original-gru-st", tiny_bert, separable, tuner="none", train="tuning-free")
    assert model.report_["largest gradient at the prompt"] > 0
    assert not torch.equal(model.readings_[0].prompt.ids, drawn.readings_[0].prompt.ids) or (
        model.costs_["lm_tokens"] > drawn.costs_["lm_tokens"]
    )


def test_surrogate_carries_a_gradient_and_fits_what_the_model_says(
    tiny_bert: str, separable: Any
) -> None:
    tuner = "surrogate:explore=3,epochs=3,surrogate_steps=200"
    model = fit("original-surrogate-replay", tiny_bert, separable, tuner=tuner)
    assert model.report_["largest gradient at the prompt"] > 0
    assert model.report_["surrogate's first mean squared error"] < 0.1


def test_surrogate_learns_from_train_without_the_development_sample(
    tiny_bert: str, separable: Any
) -> None:
    """The first error is of the surrogate before the development sample has any say."""
    tuner = "surrogate:explore=3,epochs=1,surrogate_steps=20"
    options = {"backbone": tiny_bert, "tokenizer": "bins:words=index", "random_state": 0}
    X, y = separable.X, separable.y
    errors = []
    for scale in (1, -3):
        model = PromptClassifier("original-surrogate-replay", **options, tuner=tuner)
        model.fit(X[:15], y[:15], development=(scale * X[15:], y[15:]))
        errors.append(model.report_["surrogate's first mean squared error"])
    assert errors[0] == errors[1]


def test_original_takes_minilm_and_says_so_where_bert_large_is_not_cached() -> None:
    from tsprompt.backbones.catalogue import choose

    with pytest.warns(TspromptNotice, match="minilm stands in for it"):
        assert choose("bert-large-uncased|minilm") == "minilm"


def _cases(X: Any) -> Any:
    from tsprompt.data import as_cases

    return as_cases(X)
