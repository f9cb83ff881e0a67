"""Prompts that come from elsewhere: started from, chosen by task, pre-trained, meta-learned."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEW, FEWER, QUICK, problem_of
from typer.testing import CliRunner

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.spec import join_texts, split_texts
from tsprompt.benchmark.measure import check
from tsprompt.benchmark.plan import Method, ablations_of
from tsprompt.benchmark.plan_file import read_plan
from tsprompt.errors import ConfigError, InputError, ModelFileError
from tsprompt.model.design import Design
from tsprompt.model.pretrained_prompts import UNIVERSAL, pretrain
from tsprompt.model.warm_start import _silence, read_sources
from tsprompt.recipes import resolve
from tsprompt.tuners import Problem
from tsprompt.tuners.gradient import Gradient
from tsprompt.tuners.training import MaskTrainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]


@pytest.fixture(scope="module")
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, **QUICK}


@pytest.fixture(scope="module")
def saved(choices: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model with a trained soft prompt for each kind of data."""
    folder = tmp_path_factory.mktemp("saved")
    fits = {}
    for kind in KINDS_OF_DATA:
        model = PromptClassifier("prompt-tuning", **choices, tuner=f"gradient:{FEW}")
        fits[kind] = model.fit(*kind_of_data(kind, 0)).save(folder / kind)
    return fits


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


def with_family(kind: str, folder: str, **more: Any) -> dict[str, Any]:
    """Choices of a classifier with a tiny model of this kind."""
    own = {"tokenizer": "image", "prompt": "soft:length=4,init=random"} if kind == "vit" else {}
    return {**QUICK, **own, "backbone": folder, "device": "cpu", "dtype": "float32", **more}


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
