"""What a pre-trained prompt goes with: its tokenizer, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import kind_of_data
from tiny_problems import FEW, with_family

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, InputError, ModelFileError
from tsprompt.model.pretrained_prompts import pretrain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


# --- the tokenizer that a prompt knows ---


def kernels_of(fitted: PromptClassifier) -> list[torch.Tensor]:
    """What the tokenizers of all readings have drawn."""
    states = [one.tokenizer.state() for one in fitted.readings_]
    return [state["weights_"] for state in states]


def test_a_prompt_keeps_its_tokenizer_draw_from_fit_to_fit(
    choices: dict[str, Any], tmp_path: Path
) -> None:
    X, y = kind_of_data("waves", 0)
    last, fits = None, []
    for seed in (1, 2, 3):
        own = {**choices, "random_state": seed, "prompt_from": last}
        fits.append(PromptClassifier("prompt-tuning", **own, tuner=f"gradient:{FEW}").fit(X, y))
        last = fits[-1].save(tmp_path / str(seed))
    draws = [fitted.readings_[0].tokenizer.draw_ for fitted in fits]
    assert len({tuple(draw) for draw in draws}) == 1
    drawn = [kernels_of(fitted)[0] for fitted in fits]
    assert drawn[0].equal(drawn[1])
    assert drawn[0].equal(drawn[2])


def test_members_that_get_one_prompt_get_its_tokenizer_draw(
    choices: dict[str, Any], saved: dict[str, Path]
) -> None:
    X, y = kind_of_data("waves", 0)
    own = {**choices, "n_prompts": 2, "prompt_from": saved["waves"]}
    fitted = PromptClassifier("prompt-tuning", **own, tuner=f"gradient:{FEW}").fit(X, y)
    first, second = kernels_of(fitted)
    assert first.equal(second)


# --- what is refused ---


@pytest.mark.parametrize("choice", [{"context": "colours"}, {"combination": "decompose"}])
def test_pretraining_refuses_what_it_would_not_use(
    choice: dict[str, str], choices: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="is for fitting; leave it out here"):
        pretrain({"waves": kind_of_data("waves", 0)}, "ppt", **{**choices, **choice})


def test_a_set_of_single_cases_can_hold_out_none(choices: dict[str, Any]) -> None:
    X, y = kind_of_data("waves", 0)
    sets = {"waves": (X, y), "few": (X[:6], np.arange(6))}
    with pytest.raises(InputError, match="few: each class has one case"):
        pretrain(sets, "transprompt", **choices)


def test_a_prompt_for_a_decoder_is_not_for_the_encoder_alone(
    make_family: Any, tmp_path: Path
) -> None:
    same = with_family("bart", make_family("bart"), tuner="none", train="tuning-free", head="ridge")
    X, y = kind_of_data("waves", 0)
    start = PromptClassifier("prompt-tuning", **same, readout="mask").fit(X, y)
    start.save(tmp_path / "start")
    other = PromptClassifier(
        "prompt-tuning", **same, readout="pooled:layers=-1", prompt_from=tmp_path / "start"
    )
    with pytest.raises(ConfigError, match=r'the decoder was read in one case .* readout="mask'):
        other.fit(X, y)


def test_what_does_not_fit_is_refused_with_what_to_do(
    choices: dict[str, Any], saved: dict[str, Path], make_bert: Any, tmp_path: Path
) -> None:
    X, y = kind_of_data("waves", 0)
    start = saved["waves"]

    def fit(match: str, kind: type[Exception] = ConfigError, **changes: Any) -> None:
        options = {**choices, "prompt_from": start, "tuner": f"gradient:{FEW}", **changes}
        with pytest.raises(kind, match=match):
            PromptClassifier("prompt-tuning", **options).fit(X, y)

    fit("trained with the language model .* give backbone=", backbone=make_bert(seed=5))
    fit("has 4 slots, and this model has 6.*soft:length=4", prompt="soft:length=6")
    fit('trained for 2 layers of .* readout="mask', readout="mask:layers=1")
    fit("trained with 'kernels:steps=8', and here", tokenizer="kernels:steps=4")
    fit("trained with 'shared', and here it is 'per-step'", strategy="per-step")
    fit("can't start from one.*use one of: .*soft", prompt="hard", tuner="none")
    fit("can't start from one.*use one of: .*soft", prompt="prefix", tuner="gradient")
    fit("holds no model", ModelFileError, prompt_from=tmp_path / "nothing")
    bare = PromptClassifier(**{**choices, "prompt": "none", "readout": "mask"}).fit(X, y)
    fit("leaves nothing to start from", prompt_from=bare.save(tmp_path / "bare"))
    tuned = PromptClassifier(
        "prompt-tuning", **choices, tuner=f"gradient:{FEW}", train="prompt+lm:method=layernorm"
    ).fit(X, y)
    fit("its own copy of the language model", prompt_from=tuned.save(tmp_path / "tuned"))


def test_several_prompts_that_nobody_trains_need_task_vectors(
    choices: dict[str, Any], saved: dict[str, Path], tmp_path: Path
) -> None:
    X, y = kind_of_data("waves", 0)
    old = PromptClassifier.load(saved["waves"], device="cpu")
    old.fitted_.task_vector = None
    folder = old.save(tmp_path / "old")
    options = {**choices, "tuner": "none", "train": "tuning-free"}
    alone = PromptClassifier("prompt-tuning", **options, prompt_from=folder).fit(X, y)
    assert alone.report_ == {"prompt started from": str(folder)}
    both = PromptClassifier("prompt-tuning", **options, prompt_from=[folder, saved["noise"]])
    with pytest.raises(ConfigError, match="without a task vector"):
        both.fit(X, y)
    old.fitted_.task_vector = torch.full((32,), float("nan"))
    old.save(folder)
    with pytest.raises(ConfigError, match="without a task vector that can be compared"):
        both.fit(X, y)
