"""Prompts that are pre-trained and their files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEWER, problem_of, with_family
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.benchmark.measure import check
from tsprompt.benchmark.plan import Method, ablations_of
from tsprompt.benchmark.plan_file import read_plan
from tsprompt.errors import ConfigError, InputError, ModelFileError
from tsprompt.model.pretrained_prompts import UNIVERSAL, pretrain
from tsprompt.model.warm_start import read_sources
from tsprompt.tuners import Problem
from tsprompt.tuners.gradient import Gradient
from tsprompt.tuners.training import MaskTrainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


# --- pre-training ---


def test_what_pretraining_refuses(choices: dict[str, Any], saved: dict[str, Path]) -> None:
    X, y = kind_of_data("waves", 0)
    with pytest.raises(ConfigError, match="needs 2 sets or more, not 1"):
        pretrain({"a": (X, y)}, "transprompt", **choices)
    with pytest.raises(ConfigError, match=r"does not pre-train; .*ppt, transprompt"):
        pretrain({"a": (X, y)}, "prompt-tuning", **choices)
    with pytest.raises(ConfigError, match="which mean nothing to another copy"):
        pretrain({"a": (X, y), "b": (X, y)}, "transprompt", **choices, train="prompt+lm")
    with pytest.raises(ConfigError, match="prompt_from is for fitting"):
        pretrain({"a": (X, y)}, "ppt", **choices, prompt_from=saved["waves"])
    with pytest.raises(InputError, match="b: one label for each"):
        pretrain({"a": (X, y), "b": (X, y * 0)}, "transprompt", **choices)
    longer = np.concatenate([X, X[:, :12]], axis=1)
    with pytest.raises(ConfigError, match="one that all train has one size"):
        pretrain(
            {"a": (X, y), "b": (longer, y)},
            "transprompt",
            **{
                **choices,
                "strategy": "per-step",
                "prompt": "soft",
                "tokenizer": "kernels:steps=30",
            },
        )


@pytest.mark.parametrize("readout", ["mask", "pooled"])
@pytest.mark.parametrize("method", ["ppt", "transprompt"])
def test_a_fit_takes_what_was_pretrained_with_the_same_choices(
    method: str, readout: str, make_family: Any, tmp_path: Path
) -> None:
    folder = make_family("bart")
    same = with_family("bart", folder, readout=readout, tuner=f"{method}:{FEWER}", random_state=0)
    made = pretrain({one: kind_of_data(one, 0) for one in ("waves", "steps")}, method, **same)
    prompts = made.save(tmp_path / "prompts")
    fitted = PromptClassifier(method, **same, prompt_from=prompts).fit(*kind_of_data("steps", 1))
    assert str(fitted.report_["prompt started from"]).startswith(f"{prompts}, ")
    assert fitted.reader_.backbone.weights_hash == made.backbone["weights_hash"]


def test_the_pretext_question_is_answered_where_the_readout_pools(
    make_family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []
    own = MaskTrainer.__init__

    def spy(self: MaskTrainer, problem: Problem, tuner: Any, features: torch.Tensor) -> None:
        asked.append(tuple(features.shape[1:]))
        own(self, problem, tuner, features)

    monkeypatch.setattr(MaskTrainer, "__init__", spy)
    folder = make_family("bart")
    same = with_family("bart", folder, readout="pooled:layers=2", tuner=f"ppt:{FEWER}")
    pretrain({"a": kind_of_data("waves", 0)}, "ppt", **same)
    PromptClassifier("ppt", **same).fit(*kind_of_data("waves", 0))
    assert asked[:6] == [(32,)] * 6


def test_the_scope_that_is_saved_is_the_one_that_was_settled_on(
    choices: dict[str, Any], tmp_path: Path
) -> None:
    auto = {**choices, "scope": "auto", "tuner": f"ppt:{FEWER}"}
    (X, y), more = kind_of_data("waves", 0), kind_of_data("steps", 1)
    made = pretrain({"waves": (X, y)}, "ppt", **auto)
    assert made.settings["scope"] == "series"
    prompts = made.save(tmp_path / "prompts")
    fitted = PromptClassifier("ppt", **auto, prompt_from=prompts).fit(*more)
    assert str(fitted.report_["prompt started from"]).startswith(f"{prompts}, ")
    two = np.concatenate([X, X[:, ::-1]], axis=2)
    assert pretrain({"two": (two, y)}, "ppt", **auto).settings["scope"] == "step"
    with pytest.raises(ConfigError, match="read whole, as waves is, or step by step, as two is"):
        pretrain({"waves": (X, y), "two": (two, y)}, "ppt", **auto)


# --- files ---


@pytest.mark.parametrize("method", ["ppt", "transprompt"])
def test_prompts_are_saved_bit_by_bit_and_started_from(
    method: str, choices: dict[str, Any], tmp_path: Path
) -> None:
    sets = {kind: kind_of_data(kind, 0) for kind in KINDS_OF_DATA}
    options = {**choices, "tuner": f"{method}:{FEWER}"}
    made = pretrain(sets, method, **options)
    folder = made.save(tmp_path / "prompts")
    assert {one.name for one in folder.iterdir()} == {"prompts.json", "prompts.safetensors"}
    sources = read_sources(str(folder))
    names = [*(KINDS_OF_DATA if method == "transprompt" else []), UNIVERSAL]
    assert [one.name for one in sources] == [f"{folder}, {name}" for name in names]
    for source, task in zip(sources, made.tasks, strict=True):
        assert source.prompts[0].equals(task.prompt)
        assert source.vector is not None
        assert torch.equal(source.vector, task.vector)
    X, y = kind_of_data("noise", 1)
    fitted = PromptClassifier(method, **options, prompt_from=folder).fit(X, y)
    assert fitted.report_["prompt started from"] in {source.name for source in sources}
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert loaded.report_ == fitted.report_
    assert loaded.parts_.specs() == fitted.parts_.specs()
    # A loaded model needs its sources no more; a fit does, and says so.
    made.save(folder)  # replaces its own kind
    with pytest.raises(ModelFileError, match="no folder of prompts"):
        made.save(tmp_path / "model")
    (folder / "prompts.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        PromptClassifier(method, **options, prompt_from=folder).fit(X, y)


def test_what_all_have_in_common_stands_at_the_mean_of_the_tasks(choices: dict[str, Any]) -> None:
    kinds = [kind for kind in KINDS_OF_DATA if kind != "noise"]
    made = pretrain(
        {kind: kind_of_data(kind, 0) for kind in kinds},
        "transprompt",
        **{**choices, "tuner": f"transprompt:{FEWER}"},
    )
    *own, shared = made.tasks
    torch.testing.assert_close(shared.vector, torch.stack([one.vector for one in own]).mean(dim=0))
    assert not any(shared.prompt.equals(one.prompt) for one in own)


def test_ablations_start_afresh_and_plans_take_folders(
    choices: dict[str, Any], saved: dict[str, Path], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.toml"
    start = str(saved["waves"])
    backbone = json.dumps(choices["backbone"])
    plan.write_text(
        f'sets = ["GunPoint"]\n[methods.moved]\nrecipe = "prompt-tuning"\nbackbone = {backbone}\n'
        f'tokenizer = "kernels:steps=8"\nprompt = "soft:length=4"\nprompt_from = "{start}"\n'
    )
    (method,) = read_plan(plan).methods
    check([method])
    assert method.resolved()["prompt_from"] == start
    assert all("prompt_from" not in one.settings for one in ablations_of(method))
    gone = Method("gone", "model", "prompt-tuning", {**method.settings, "prompt_from": "gone"})
    with pytest.raises(ModelFileError, match="holds no model"):
        check([gone])


def test_the_command_pretrains_and_fit_starts_from_it(
    choices: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt_cli.main import app

    monkeypatch.chdir(tmp_path)
    for kind in KINDS_OF_DATA:
        folder = tmp_path / "data" / kind.title()
        folder.mkdir(parents=True)
        for part, seed in (("TRAIN", 0), ("TEST", 1)):
            X, y = kind_of_data(kind, seed)
            lines = [
                "\t".join([str(label), *(f"{value:.5f}" for value in one[:, 0])])
                for one, label in zip(X, y, strict=True)
            ]
            (folder / f"{kind.title()}_{part}.tsv").write_text("\n".join(lines) + "\n")
    same = ["--data-dir", "data", "--backbone", choices["backbone"], "--device", "cpu"]
    same += ["--dtype", "float32", "--tokenizer", "kernels:steps=8", "--prompt", "soft:length=4"]
    same += ["--tuner", f"ppt:{FEWER}", "--head", "mlp:epochs=20,hidden=8"]

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, *same])
        assert done.exit_code == 0, done.output
        return done.output

    assert UNIVERSAL in run("pretrain", "Waves", "Noise", "-o", "prompts")
    said = run(
        *("fit", "Noise", "--recipe", "ppt", "--prompt-from", "prompts", "--no-ablations"),
        *("-o", "model"),
    )
    assert f"prompts, {UNIVERSAL}" in said
    shown = CliRunner().invoke(app, ["show", "model"]).output
    assert "prompt started from" in shown


def test_the_split_of_a_problem_is_kept(choices: dict[str, Any]) -> None:
    problem = problem_of(choices, *kind_of_data("waves", 0))
    chosen = dataclasses.replace(problem, learn=12)
    features = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    trainer = MaskTrainer(chosen, Gradient(hidden=8), features)
    assert trainer.validate.tolist() == list(range(12, len(problem.labels)))
