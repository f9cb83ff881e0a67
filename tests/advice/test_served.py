"""What a backbone can do, and which recipes it serves: what is said is what a fit then does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tsprompt import PromptClassifier
from tsprompt.advice.served import abilities, served, trial
from tsprompt.errors import BackboneError, TspromptError
from tsprompt.recipes import RECIPES, Recipe, Settings

SOME = ("default", "manual", "knn-prompting", "p-tuning-v2", "demonstrations", "nsp", "image")
"""Recipes that ask for words, for a mask, for layers, for heads and for pictures."""


def test_a_bert_without_its_head_and_one_that_has_kept_it(tiny_bert: str, tiny_mlm: str) -> None:
    lost, kept = abilities(tiny_bert, "cpu"), abilities(tiny_mlm, "cpu")
    assert lost["words at the mask"] == "its embeddings alone (scores=tied)"
    assert kept["words at the mask"] == "its own head for masked words (scores=model)"
    assert lost["family"] == "encoder, reads words"
    assert lost["size"] == "2 layers, states of 32 entries"
    assert (lost["positions"], lost["answers at"]) == ("128", "[MASK]")
    assert lost["deep prompts"] == "yes"
    assert "fills gaps" not in lost


def test_each_family_says_what_it_reads_and_where_it_answers(
    make_family: Callable[..., str], tiny_writer: str
) -> None:
    decoder, image = abilities(make_family("gpt2"), "cpu"), abilities(make_family("vit"), "cpu")
    assert decoder["answers at"] == "the last token, [SEP]"
    assert image["family"] == "image, reads images"
    assert image["words"] == "none"
    assert "words at the mask" not in image
    assert abilities(make_family("mpnet"), "cpu")["deep prompts"].startswith("no: ")
    both = abilities(make_family("bart"), "cpu"), abilities(tiny_writer, "cpu")
    assert [one["family"] for one in both] == ["encoder-decoder, reads words"] * 2
    assert both[0]["fills gaps"].startswith("no: ")
    assert both[1]["fills gaps"] == "yes"


@pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice")
@pytest.mark.parametrize("kind", ["bert", "mlm", "gpt2", "mpnet", "vit"])
def test_what_is_said_to_be_served_fits_and_what_is_not_is_refused(
    kind: str, make_family: Callable[..., str], tiny_bert: str, tiny_mlm: str, separable: Any
) -> None:
    own = {"bert": tiny_bert, "mlm": tiny_mlm}
    backbone = own.get(kind) or make_family(kind)
    said = served(backbone, "cpu", SOME)
    assert list(said) == list(SOME)
    X, y, X_test, _ = separable
    for recipe, verdict in said.items():
        model = PromptClassifier(recipe, backbone=backbone, device="cpu", random_state=0)
        if verdict == "yes":
            assert len(model.fit(X, y).predict(X_test)) == 15
        else:
            with pytest.raises(TspromptError) as refused:
                model.fit(X, y)
            assert verdict == f"no: {refused.value}"
    # What the parts ask for: words, a mask, attention that takes keys; a picture; a head for pairs.
    assert said["nsp"].startswith("no: ")
    assert (said["image"] == "yes") == (kind == "vit")
    assert (said["manual"] == "yes") == (kind != "vit")
    assert (said["p-tuning-v2"] == "yes") == (kind not in ("mpnet", "vit"))
    assert (said["demonstrations"] == "yes") == (kind in ("bert", "mlm", "mpnet"))


def test_the_models_own_head_is_asked_for_where_a_recipe_names_it(
    tiny_bert: str, tiny_mlm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quick options must not put another scorer in its place."""
    settings = Settings(n_prompts=1, readout="mask", head="knn:scores=model")
    monkeypatch.setitem(RECIPES, "asks", Recipe("asks", "", "", settings))
    assert served(tiny_mlm, "cpu", ["asks"])["asks"] == "yes"
    assert served(tiny_bert, "cpu", ["asks"])["asks"].startswith("no: ")
    model = trial("asks", tiny_mlm, "cpu")
    assert model.parts_.head.scores == "model"  # type: ignore[attr-defined]


def test_what_a_recipe_needs_besides_is_said(tiny_bert: str) -> None:
    said = served(tiny_bert, "cpu", ["mined", "lm-bff"])
    assert said["mined"].startswith("yes, given a text file with sentences")
    assert said["lm-bff"].startswith("yes, given a T5")


def test_nothing_is_downloaded() -> None:
    with pytest.raises(BackboneError, match="is not downloaded"):
        served("bert-base-uncased", "cpu")
