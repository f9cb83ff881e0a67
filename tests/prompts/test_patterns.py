"""`patterns`: one template for each draw."""

from __future__ import annotations

from typing import Any

import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.prompts.patterns import Patterns


def words_of(prompt: Any, backbone: Any) -> list[str]:
    return [backbone.words.word(int(one)) for one in prompt.ids]


def test_each_draw_and_member_reads_the_next_template(backbone: Any) -> None:
    model = Patterns(templates="{series} 3 [MASK]|4 [MASK] 5 {series} 6")
    assert model.slots_of(backbone, 16) == 3
    first, second = (model.draw_for(0, number, 3, backbone, 0) for number in (0, 1))
    assert words_of(first, backbone) == ["3"]
    assert (first.before, first.mask) == (0, 1)
    assert words_of(second, backbone) == ["4", "5", "6"]
    assert (second.before, second.mask) == (3, 1)
    assert model.draw_for(1, 0, 3, backbone, 0).equals(second)
    assert model.draw_for(1, 1, 3, backbone, 0).equals(first)


def test_before_every_step_a_shorter_one_begins_again(backbone: Any) -> None:
    model = Patterns(templates="3 {series} 4 [MASK]|5 6 7 {series} [MASK]")
    assert words_of(model.draw_for(0, 0, 6, backbone, 0), backbone) == ["3", "4", "3"] * 2


def test_series_of_one_step_are_read_under_a_shorter_one_too(
    tiny: dict[str, Any], separable: Any
) -> None:
    templates = "patterns:templates=3 {series} [MASK]|5 6 7 {series} [MASK]"
    options = {"prompt": templates, "strategy": "per-step", "scope": "step", "n_prompts": 2}
    options |= {"tokenizer": "kernels:steps=1"}
    fitted = PromptClassifier(**{**tiny, **options}).fit(separable.X, separable.y)
    assert [words_of(one.prompt, fitted.reader_.backbone) for one in fitted.readings_] == [
        ["3", "3", "3"],
        ["5", "6", "7"],
    ]


def test_search_finds_the_best_template(tiny: dict[str, Any], separable: Any) -> None:
    options = {**tiny, "prompt": "patterns", "tuner": "search:draws=4"}
    fitted = PromptClassifier(**options).fit(separable.X, separable.y)
    written = Patterns().texts
    drawn = [Patterns().draw_for(0, k, 99, fitted.reader_.backbone, 0) for k in range(len(written))]
    prompt = fitted.readings_[0].prompt
    assert any((prompt.before, prompt.mask) == (one.before, one.mask) for one in drawn)


@pytest.mark.parametrize("templates", ["{series}", "{series} [MASK]|", "[MASK] [MASK] {series}"])
def test_a_template_says_once_where_series_and_mask_stand(templates: str) -> None:
    with pytest.raises(ConfigError, match="write it once"):
        Patterns(templates=templates)
