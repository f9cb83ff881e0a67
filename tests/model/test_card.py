"""The card of a saved model, read back by the hub's own class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from scipy.stats import binomtest

from tsprompt import PromptClassifier

TEST = {"cases": 40, "accuracy": 0.9, "balanced_accuracy": 0.875, "log_loss": 0.3}


@pytest.fixture(scope="module")
def fitted(tiny_bert: str, separable: Any) -> PromptClassifier:
    made = PromptClassifier(backbone=tiny_bert, n_prompts=1, device="cpu", random_state=0)
    return made.fit(separable.X, separable.y)


def card_of(model: PromptClassifier, path: Path, **details: Any) -> ModelCard:
    model.save(path, **details)
    return ModelCard.load(path / "README.md")


def test_the_hub_reads_the_figures(fitted: PromptClassifier, tmp_path: Path) -> None:
    card = card_of(fitted, tmp_path / "m", dataset="Mine", n_train=20, test=TEST)
    assert card.data.library_name == "tsprompt"
    assert "time-series-classification" in card.data.tags
    assert card.data.model_name == "tsprompt on Mine"
    told = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert told == {key: value for key, value in TEST.items() if key != "cases"}
    assert {one.dataset_name for one in card.data.eval_results} == {"Mine"}


def test_the_accuracy_has_its_interval(fitted: PromptClassifier, tmp_path: Path) -> None:
    text = card_of(fitted, tmp_path / "m", test=TEST).text
    found = binomtest(36, 40).proportion_ci(method="wilson")
    assert f"| accuracy, test | 0.9000 | {found.low:.3f} to {found.high:.3f} |" in text


def test_it_names_its_digest_and_versions(fitted: PromptClassifier, tmp_path: Path) -> None:
    text = card_of(fitted, tmp_path / "m").text
    header = json.loads((tmp_path / "m" / "model.json").read_text())
    assert header["digest"] in text
    assert f"- tsprompt: {header['tsprompt']}" in text
    assert f"- torch: {header['versions']['torch']}" in text


def test_without_figures_it_claims_none(fitted: PromptClassifier, tmp_path: Path) -> None:
    card = card_of(fitted, tmp_path / "m")
    assert card.data.eval_results is None
    assert "was not judged on test data" in card.text
    assert "None were made when this model was saved" in card.text
    assert "test cases" not in card.text


def test_the_twin_without_the_language_model_is_told(
    fitted: PromptClassifier, tmp_path: Path
) -> None:
    twin = {"model": 0.9, "twin": 0.925, "difference": -0.025, "se": 0.03}
    more = {"cases": 40, "kind": "leave-one-out", "level": True, "command": "tsprompt fit"}
    text = card_of(fitted, tmp_path / "m", without_language_model={**twin, **more}).text
    assert "accuracy 0.9000, and 0.9250 without the language model" in text
    assert "-0.0250 ± 0.0300" in text


def test_a_folder_of_a_language_model_stays_unnamed(
    fitted: PromptClassifier, tmp_path: Path, tiny_bert: str
) -> None:
    card = card_of(fitted, tmp_path / "m")
    assert str(Path(tiny_bert).parent) not in card.content
    assert card.data.base_model is None


@pytest.mark.parametrize("name", ["---\nlicense: mit\n---", "{{ 1 + 1 }}", "<b>\x1b[31m|", "a: b"])
def test_hostile_names_take_no_effect(fitted: PromptClassifier, tmp_path: Path, name: str) -> None:
    card = card_of(fitted, tmp_path / "m", dataset=name, test=TEST)
    assert card.data.license is None
    assert "\x1b" not in card.content
    assert "tsprompt on 2" not in card.content
    assert "\n# tsprompt on" in card.content
    assert card.data.library_name == "tsprompt"


def test_a_card_of_an_older_model_is_replaced(fitted: PromptClassifier, tmp_path: Path) -> None:
    first = card_of(fitted, tmp_path / "m", dataset="One").content
    second = card_of(fitted, tmp_path / "m", dataset="Two").content
    assert "tsprompt on One" in first
    assert "tsprompt on Two" in second
    assert sorted(one.name for one in (tmp_path / "m").iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]
