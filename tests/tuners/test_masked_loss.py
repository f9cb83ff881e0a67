"""The masked-language loss: what is hidden, and that it is the loss of the model's own training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tsprompt.backbones import BatchSize, load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.errors import ConfigError
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts.mask import Mask
from tsprompt.strategies.shared import Shared
from tsprompt.tokenizers.bins import Bins
from tsprompt.tuners import masked_loss as module
from tsprompt.tuners.masked_loss import check_masks, hide, masked_loss


def reader_of(backbone: Any) -> Reader:
    return Reader(backbone, Shared(), length=1, scope="series", batch=BatchSize(2_048))


def test_eight_in_ten_become_the_mask_one_another_word_and_one_stays(backbone: Any) -> None:
    torch.manual_seed(0)
    tokens = torch.full((40, 50, 10), backbone.words.id("7"))
    hidden, wanted = hide(tokens, 0.15, backbone)
    assert hidden[~wanted].equal(tokens[~wanted])
    assert wanted.double().mean() == pytest.approx(0.15, abs=0.01)
    own = hidden[wanted]
    assert (own == backbone.words.mask).double().mean() == pytest.approx(0.8, abs=0.02)
    assert (own == tokens[wanted]).double().mean() == pytest.approx(0.1, abs=0.02)
    others = own[(own != backbone.words.mask) & (own != tokens[wanted])]
    assert set(others.tolist()) <= set(backbone.words.plain)
    assert len(set(others.tolist())) > 50


def test_it_is_the_loss_of_transformers_own_model(
    tiny_mlm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForMaskedLM

    backbone = load_backbone(tiny_mlm, device="cpu", dtype="float32")
    words = backbone.words
    tokens = torch.tensor([words.plain[:6], words.plain[20:26]])[:, :, None]
    hidden, wanted = tokens.clone(), torch.zeros_like(tokens, dtype=torch.bool)
    for case, step in ((0, 1), (0, 4), (1, 2)):
        hidden[case, step], wanted[case, step] = words.mask, True
    monkeypatch.setattr(module, "hide", lambda *_: (hidden, wanted))
    reading = Reading(Bins(), Prompt(None), Mask(), (backbone.layers,))
    own = masked_loss(reader_of(backbone), reading, tokens, word_scorer(backbone, "model"), 0.15)

    ids = torch.full((2, 9), words.cls)
    ids[:, 1:7], ids[:, 7], ids[:, 8] = hidden[:, :, 0], words.mask, words.sep
    labels = torch.full_like(ids, -100)
    labels[:, 1:7] = tokens[:, :, 0].where(wanted[:, :, 0], torch.tensor(-100))
    model = AutoModelForMaskedLM.from_pretrained(tiny_mlm).eval()
    with torch.no_grad():
        theirs = model(input_ids=ids, labels=labels).loss
    torch.testing.assert_close(own, theirs, atol=1e-5, rtol=1e-5)


def test_where_nothing_was_hidden_it_is_nought(backbone: Any) -> None:
    reading = Reading(Bins(), Prompt(None), Mask(), (backbone.layers,))
    tokens = torch.full((1, 2, 1), backbone.words.id("7"))
    scorer = word_scorer(backbone, "tied")
    assert masked_loss(reader_of(backbone), reading, tokens, scorer, 1e-9) == 0


@pytest.mark.parametrize("kind", ["gpt2", "bart"])
def test_a_model_that_fills_no_masks_is_refused(kind: str, make_family: Callable[..., str]) -> None:
    with pytest.raises(ConfigError, match=r"fills no masks.* use alpha=0"):
        check_masks(load_backbone(make_family(kind), device="cpu", dtype="float32"), "pet")
