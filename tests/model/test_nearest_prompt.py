"""Which of several saved prompts training starts again from: the nearest to one that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import kind_of_data
from tiny_problems import FEW, QUICK

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.errors import ConfigError
from tsprompt.model.warm_start import cosine, prompt_vector, read_sources
from tsprompt.tuners import Problem
from tsprompt.tuners.gradient import Gradient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


def test_prompts_are_compared_by_the_mean_of_their_tokens(backbone: Backbone) -> None:
    """By hand (Vu et al. 2022): tokens (1, 0) and (0, 1) have the mean (0.5, 0.5)."""
    one = Prompt(None, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    other = Prompt(None, torch.tensor([[2.0, 0.0], [4.0, 0.0]]))
    means = [prompt_vector(prompt, backbone) for prompt in (one, other)]
    assert means[0].tolist() == [0.5, 0.5]
    assert means[1].tolist() == [3.0, 0.0]
    assert cosine(*means) == pytest.approx(np.sqrt(0.5))
    # Keys and values of each layer, the mean over the tokens of the prompt.
    deep = torch.arange(2 * 2 * 3 * 4, dtype=torch.float32).reshape(2, 2, 3, 4)
    found = prompt_vector(Prompt(None, deep=deep), backbone)
    assert torch.equal(found, deep[:, :, 1].flatten())
    words = Prompt(torch.tensor([7, 9]))
    assert torch.equal(
        prompt_vector(words, backbone), backbone.embed(torch.tensor([7, 9])).mean(dim=0)
    )


PROMPTS = {"soft": "soft:length=4", "p-tuning-v2": "p-tuning-v2:length=3"}


@pytest.fixture(scope="module", params=PROMPTS)
def choices(request: pytest.FixtureRequest, tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, **QUICK, "prompt": PROMPTS[request.param]}


@pytest.fixture(scope="module")
def saved(choices: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("saved")
    return [
        PromptClassifier("prompt-tuning", **choices, tuner=f"gradient:{FEW}")
        .fit(*kind_of_data(kind, 0))
        .save(folder / kind)
        for kind in ("waves", "noise", "steps")
    ]


def test_a_prompt_is_trained_compared_and_started_again_from_the_most_similar(
    choices: dict[str, Any], saved: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe of re-initialisation, with the similarities computed here by hand."""
    trained: list[tuple[Prompt, Prompt]] = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Problem, module: Any, first: Any) -> Any:
        start = module.prompt()
        best = descend(self, problem, module, first)
        trained.append((start, best.prompt))
        return best

    monkeypatch.setattr(Gradient, "descend", spy)
    X, y = kind_of_data("waves", 1)
    own = {**choices, "random_state": 3, "tuner": f"gradient:{FEW}"}
    fitted = PromptClassifier("prompt-tuning", **own, prompt_from=saved).fit(X, y)
    alone = PromptClassifier("prompt-tuning", **own).fit(X, y)
    sources = {str(one): read_sources(str(one))[0].prompts[0] for one in saved}
    (_, first), (second, _), (_, without) = trained

    def tokens(prompt: Prompt) -> torch.Tensor:
        if prompt.deep is None:
            assert prompt.vectors is not None
            return prompt.vectors.mean(dim=0)
        return prompt.deep.mean(dim=2).flatten()

    expected = {
        name: float(torch.cosine_similarity(tokens(first), tokens(one), dim=0))
        for name, one in sources.items()
    }
    found = {name: fitted.report_[f"similarity of {name}"] for name in sources}
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(set(found.values())) == 3
    nearest = max(expected, key=lambda one: expected[one])
    assert fitted.report_["prompt started from"] == nearest
    # The first training has its own start, the second the nearest prompt.
    assert first.equals(without)
    assert second.equals(sources[nearest])
    assert not fitted.readings_[0].prompt.equals(alone.readings_[0].prompt)


def test_the_data_alone_do_not_decide(
    choices: dict[str, Any], saved: list[Path], tmp_path: Path
) -> None:
    """With the same data under permuted labels another prompt is trained, and compared."""
    X, y = kind_of_data("noise", 1)
    own = {**choices, "tuner": f"gradient:{FEW}", "prompt_from": saved}
    one, other = (
        PromptClassifier("prompt-tuning", **own).fit(X, labels).report_
        for labels in (y, np.random.default_rng(0).permutation(y))
    )
    names = [f"similarity of {folder}" for folder in saved]
    assert [one[name] for name in names] != [other[name] for name in names]


def test_one_prompt_is_started_from_without_a_training_before(
    choices: dict[str, Any], saved: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Problem] = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Problem, module: Any, first: Any) -> Any:
        trained.append(problem)
        return descend(self, problem, module, first)

    monkeypatch.setattr(Gradient, "descend", spy)
    own = {**choices, "tuner": f"gradient:{FEW}", "prompt_from": saved[0]}
    fitted = PromptClassifier("prompt-tuning", **own).fit(*kind_of_data("waves", 1))
    assert len(trained) == 1
    assert fitted.report_["prompt started from"] == str(saved[0])


def test_the_language_model_is_as_it_was_when_training_starts_again(
    choices: dict[str, Any], saved: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[dict[str, torch.Tensor]] = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Problem, module: Any, first: Any) -> Any:
        before.append(problem.reader.backbone.trained_state())
        return descend(self, problem, module, first)

    monkeypatch.setattr(Gradient, "descend", spy)
    own = {**choices, "tuner": f"gradient:{FEW}", "train": "prompt+lm:method=layernorm"}
    PromptClassifier("prompt-tuning", **own, prompt_from=saved).fit(*kind_of_data("waves", 1))
    first, second = before
    assert first
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_prompt_of_another_size_is_refused_before_any_training(
    choices: dict[str, Any], saved: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**choices, "prompt": choices["prompt"].partition(":")[0] + ":length=2"}
    small = PromptClassifier("prompt-tuning", **other, tuner=f"gradient:{FEW}")
    folder = small.fit(*kind_of_data("waves", 0)).save(tmp_path / "small")

    def never(*_: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(Gradient, "descend", never)
    own = {**choices, "tuner": f"gradient:{FEW}", "prompt_from": [saved[0], folder]}
    with pytest.raises(ConfigError, match=r"the saved prompt has 2 (slots|tokens)"):
        PromptClassifier("prompt-tuning", **own).fit(*kind_of_data("waves", 1))
