"""The scores of words at the mask, by the model's own head or by tied vectors."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from words_at_the_mask import WORD_HEADS

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.errors import ConfigError


def masked(folder: str) -> tuple[Tensor, Tensor, Any]:
    """The states at a mask, and what transformers' own model says there."""
    from transformers import AutoModelForMaskedLM

    backbone = load_backbone(folder, device="cpu", dtype="float32")
    words = backbone.words
    ids = torch.tensor([[words.cls, words.plain[3], words.mask, words.plain[8], words.sep]])
    states = backbone.run(backbone.embed(ids), (backbone.layers,))[0][:, 2]
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return states, model(input_ids=ids).logits[:, 2], backbone


@pytest.mark.parametrize(
    "kind", ["Bert", "Roberta", "DistilBert", "MPNet", "Electra", "Bert untied"]
)
def test_the_word_scorer_is_the_head_of_the_masked_language_model(
    kind: str, make_mlm: Callable[..., str]
) -> None:
    family, _, untied = kind.partition(" ")
    states, expected, backbone = masked(make_mlm(family, tie_word_embeddings=not untied))
    scorer = word_scorer(backbone, "model")
    torch.testing.assert_close(scorer.scores(scorer.say(states)), expected, atol=1e-5, rtol=1e-5)
    some = torch.tensor([5, 90, 7])
    torch.testing.assert_close(
        scorer.scores(scorer.say(states), some), expected[:, some], atol=1e-5, rtol=1e-5
    )


def test_the_bias_and_the_transform_are_the_files(make_mlm: Callable[..., str]) -> None:
    """Weights that differ from a fresh head's: nothing is quietly drawn anew."""
    one, other = (
        word_scorer(load_backbone(make_mlm("Bert", seed=seed), device="cpu"), "model")
        for seed in (0, 1)
    )
    assert one.weights_hash != other.weights_hash
    assert one.bias.abs().sum() > 0


def test_a_model_without_a_head_is_refused_and_tied_is_offered_by_name(backbone: Any) -> None:
    with pytest.raises(ConfigError, match=r"cls\.predictions.*scores=tied"):
        word_scorer(backbone, "model")
    states = torch.randn(3, backbone.hidden_size)
    scorer = word_scorer(backbone, "tied")
    torch.testing.assert_close(scorer.scores(scorer.say(states)), states @ backbone.word_vectors.T)


@pytest.mark.parametrize("head", [name for name in WORD_HEADS if name != "prototype"])
def test_a_head_that_needs_the_models_scores_refuses_a_model_without(
    head: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(**tiny, readout="mask", head=head)
    with pytest.raises(ConfigError, match="scores=tied"):
        model.fit(separable.X, separable.y)


def test_tied_and_model_scores_differ(speaking: Any) -> None:
    states = torch.randn(4, speaking.hidden_size)
    own, tied = (word_scorer(speaking, kind) for kind in ("model", "tied"))
    assert not torch.allclose(own.scores(own.say(states)), tied.scores(tied.say(states)), atol=0.1)


def test_tied_is_refused_where_states_and_embeddings_differ_in_size(
    make_mlm: Callable[..., str],
) -> None:
    folder = make_mlm("Electra", embedding_size=16)
    with pytest.raises(ConfigError, match="have 32 entries and its word embeddings 16"):
        word_scorer(load_backbone(folder, device="cpu", dtype="float32"), "tied")


def test_gradients_flow_through_the_word_scorer_and_leave_it_as_it_is(speaking: Any) -> None:
    scorer = word_scorer(speaking, "model")
    before = fingerprint(scorer.transform)
    states = torch.randn(2, speaking.hidden_size, requires_grad=True)
    scorer.scores(scorer.say(states)).square().sum().backward()
    assert states.grad is not None
    assert states.grad.abs().sum() > 0
    assert not any(one.requires_grad for one in scorer.transform.parameters())
    assert fingerprint(scorer.transform) == before


def test_twins_treat_the_word_scorer_as_the_other_weights(tiny_mlm: str) -> None:
    def scorer(twin: str, seed: int = 0) -> Any:
        return word_scorer(load_backbone(twin + tiny_mlm, None, seed, "cpu", "float32"), "model")

    own, shuffled, none = scorer(""), scorer("shuffled:"), scorer("none:")
    assert none.weights_hash == own.weights_hash
    assert len({scorer("random:", seed).weights_hash for seed in (0, 1)} | {own.weights_hash}) == 3
    dense = [
        next(one for key, one in part.transform.named_parameters() if key.endswith("dense.weight"))
        for part in (own, shuffled)
    ]
    assert not dense[0].equal(dense[1])
    assert dense[0].flatten().sort().values.equal(dense[1].flatten().sort().values)
    # Tied decoders are the twin's own embeddings.
    assert shuffled.vectors is shuffled.backbone.word_vectors


def test_a_twin_of_a_model_without_a_head_has_none(tiny_bert: str) -> None:
    with pytest.raises(ConfigError, match="no head that gives scores to words"):
        word_scorer(load_backbone(f"random:{tiny_bert}", device="cpu"), "model")


def test_a_copy_of_a_word_scorer_loads_instead_of_carrying_weights(speaking: Any) -> None:
    scorer = word_scorer(speaking, "model")
    again = pickle.loads(pickle.dumps(scorer))
    assert again.weights_hash == scorer.weights_hash
    assert len(pickle.dumps(scorer)) < 2_000
    assert copy.deepcopy(scorer).vectors.equal(scorer.vectors)
