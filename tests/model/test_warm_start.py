"""Training that starts from a pre-trained prompt: where, and from which task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEW, with_family

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.spec import join_texts, split_texts
from tsprompt.errors import ConfigError
from tsprompt.model.design import Design
from tsprompt.model.warm_start import _silence, read_sources
from tsprompt.recipes import resolve
from tsprompt.tuners import Problem
from tsprompt.tuners.gradient import Gradient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


# --- where training starts ---


def test_training_starts_from_the_saved_prompt(
    choices: dict[str, Any], saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Prompt] = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Problem, module: Any, first: Any) -> Any:
        starts.append(module.prompt())
        return descend(self, problem, module, first)

    monkeypatch.setattr(Gradient, "descend", spy)
    (source,) = read_sources(str(saved["noise"]))
    model = PromptClassifier(
        "prompt-tuning", **choices, tuner=f"gradient:{FEW}", prompt_from=saved["noise"]
    ).fit(*kind_of_data("waves", 1))
    assert starts[0].equals(source.prompts[0])
    assert not model.readings_[0].prompt.equals(source.prompts[0])
    assert model.report_["prompt started from"] == str(saved["noise"])

    PromptClassifier("prompt-tuning", **choices, tuner=f"gradient:{FEW}").fit(
        *kind_of_data("waves", 1)
    )
    assert not starts[1].equals(source.prompts[0])


def test_a_saved_prompt_can_be_used_as_it_is(
    choices: dict[str, Any], saved: dict[str, Path]
) -> None:
    model = PromptClassifier(
        "prompt-tuning", **choices, tuner="none", train="tuning-free", prompt_from=saved["noise"]
    ).fit(*kind_of_data("noise", 1))
    (source,) = read_sources(str(saved["noise"]))
    assert model.readings_[0].prompt.equals(source.prompts[0])


def test_the_tokenizer_is_drawn_with_the_seed_of_the_prompt(
    choices: dict[str, Any], saved: dict[str, Path]
) -> None:
    X, y = kind_of_data("noise", 0)
    theirs = PromptClassifier.load(saved["noise"], device="cpu").readings_[0].tokenizer
    for start, same in ((saved["noise"], True), (None, False)):
        model = PromptClassifier(
            "prompt-tuning",
            **{**choices, "random_state": 7},
            tuner=f"gradient:{FEW}",
            prompt_from=start,
        ).fit(X, y)
        assert torch.equal(model.readings_[0].tokenizer.weights_, theirs.weights_) is same


def test_deep_prompts_go_on_from_where_they_were(choices: dict[str, Any], tmp_path: Path) -> None:
    deep = {**choices, "prompt": "p-tuning-v2:length=3"}
    X, y = kind_of_data("waves", 0)
    first = PromptClassifier("p-tuning-v2", **deep, tuner=f"gradient:{FEW}").fit(X, y)
    folder = first.save(tmp_path / "deep")
    again = PromptClassifier(
        "p-tuning-v2", **deep, tuner="none", train="tuning-free", prompt_from=folder
    ).fit(X, y)
    assert again.readings_[0].prompt.equals(first.readings_[0].prompt)
    with pytest.raises(ConfigError, match=r"has 3 tokens for each layer, and this one has 5"):
        PromptClassifier(
            "p-tuning-v2", **{**deep, "prompt": "p-tuning-v2:length=5"}, prompt_from=folder
        ).fit(X, y)
    with pytest.raises(ConfigError, match=r'use prompt="p-tuning-v2"'):
        PromptClassifier("prompt-tuning", **choices, prompt_from=folder).fit(X, y)


# --- which task is nearest ---


@pytest.mark.parametrize("kind", KINDS_OF_DATA)
def test_the_nearest_task_is_that_of_the_same_kind_of_data(
    kind: str, choices: dict[str, Any], saved: dict[str, Path]
) -> None:
    fitted = PromptClassifier(
        "prompt-tuning",
        **{**choices, "random_state": 3},
        tuner="none",
        train="tuning-free",
        prompt_from=list(saved.values()),
    ).fit(*kind_of_data(kind, 1))
    report = fitted.report_
    assert report["prompt started from"] == str(saved[kind])
    similarities = {one: report[f"similarity of {saved[one]}"] for one in KINDS_OF_DATA}
    assert max(similarities, key=lambda one: similarities[one]) == kind
    assert similarities[kind] > 0.9
    assert all(-1 <= one <= 1 for one in similarities.values())


def test_a_task_vector_is_saved_with_vectors_only_and_changes_no_fit(
    choices: dict[str, Any], saved: dict[str, Path]
) -> None:
    X, y = kind_of_data("waves", 0)
    loaded = PromptClassifier.load(saved["waves"], device="cpu")
    again = PromptClassifier("prompt-tuning", **choices, tuner=f"gradient:{FEW}").fit(X, y)
    assert loaded.task_vector_ is not None
    assert again.task_vector_ is not None
    assert torch.equal(loaded.task_vector_, again.task_vector_)
    assert loaded.task_vector_.shape == (32,)
    # Another seed, and permuted labels: the same task.
    other = PromptClassifier(
        "prompt-tuning", **{**choices, "random_state": 9}, tuner=f"gradient:{FEW}"
    ).fit(X, y[::-1])
    assert torch.equal(loaded.task_vector_, other.task_vector_)
    hard = PromptClassifier(**{**choices, "prompt": "hard"}).fit(X, y)
    assert hard.task_vector_ is None


def test_several_folders_are_one_text(tmp_path: Path) -> None:
    names = ["models/a", "with+plus", "2024", "a b", 'quo"te', "none"]
    assert split_texts(join_texts(names)) == names
    assert split_texts("models/a+models/b") == ["models/a", "models/b"]
    given = [["models/a", Path("models/b")], "models/a+models/b", ("models/a", "models/b")]
    for one in given:
        settings = resolve("prompt-tuning", {"prompt_from": one, "backbone": "minilm"})
        assert Design.build(settings).prompt_from == "models/a+models/b"


# --- what other families say of nothing, and of a task ---


READOUTS = [
    *((kind, "mask") for kind in ("roberta", "gpt2", "bart", "t5", "vit")),
    *((kind, "pooled") for kind in ("gpt2", "bart", "t5", "vit")),
]


@pytest.mark.parametrize("kind", ["roberta", "gpt2", "bart", "t5", "vit"])
def test_silence_is_what_the_model_answers_to_its_frame_alone(kind: str, make_family: Any) -> None:
    from transformers import AutoModel

    folder = make_family(kind)
    backbone = load_backbone(folder, device="cpu", dtype="float32")
    whole = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    words = backbone.words
    frame = torch.tensor([[words.cls, words.mask, words.sep]])
    with torch.no_grad():
        if kind == "vit":
            expected = backbone.run(backbone.word_vectors[None], (2,))[0][0, 0]
        elif kind in ("bart", "t5"):
            start = torch.tensor([[backbone.family.start]])
            expected = whole(input_ids=frame, decoder_input_ids=start).last_hidden_state[0, 0]
        else:
            at = {"roberta": 1, "gpt2": 2}[kind]
            expected = whole(input_ids=frame).last_hidden_state[0, at]
    torch.testing.assert_close(_silence(backbone, 2), expected)


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_where_nobody_answers_silence_is_the_mean_of_the_frame(kind: str, make_family: Any) -> None:
    backbone = load_backbone(make_family(kind), device="cpu", dtype="float32", answers=False)
    words = backbone.words
    frame = backbone.embed(torch.tensor([[words.cls, words.mask, words.sep]]))
    torch.testing.assert_close(_silence(backbone, 2), backbone.run(frame, (2,))[0][0].mean(dim=0))


@pytest.mark.parametrize(("kind", "readout"), READOUTS)
def test_models_of_all_families_tell_tasks_apart(
    kind: str, readout: str, make_family: Any, tmp_path: Path
) -> None:
    fixed = {"readout": readout, "tuner": "none", "train": "tuning-free", "head": "ridge"}
    same = with_family(kind, make_family(kind), **fixed)

    def fit(data: str, seed: int, **more: Any) -> PromptClassifier:
        model = PromptClassifier("prompt-tuning", **same, random_state=seed, **more)
        return model.fit(*kind_of_data(data, seed))

    sources = {one: fit(one, 0).save(tmp_path / one) for one in ("waves", "steps")}
    for one, own in sources.items():
        report = fit(one, 1, prompt_from=list(sources.values())).report_
        alike = [report[f"similarity of {folder}"] for folder in sources.values()]
        assert np.isfinite(alike).all()
        assert report[f"similarity of {own}"] == max(alike) > min(alike)
        assert report["prompt started from"] == str(own)
