"""Written, soft and deep prompts, and what trains them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsprompt import PromptClassifier, progress
from tsprompt.backbones import Backbone, load_backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.seeds import generator
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.prompts import PromptModel, PromptModule, prompts
from tsprompt.strategies import strategies

TRAINED = ["soft", "soft-words", "p-tuning", "p-tuning:encoder=gru", "p-tuning:encoder=mlp"]
DEEP = ["prefix", "p-tuning-v2"]
QUICK = "gradient:epochs=3,patience=3,hidden=8"


def module_of(spec: str, backbone: Backbone, slots: int = 5) -> PromptModule:
    prompt: PromptModel = prompts.build(spec)
    own = prompt.slots_of(backbone, slots)
    return prompt.module(own, backbone, generator(0, spec))


def said(backbone: Backbone, prompt: Prompt) -> Tensor:
    """What the last layer says of two cases under a prompt."""
    tokens = torch.randn(2, 6, 1, 32, generator=torch.Generator().manual_seed(3))
    template = strategies.build("shared").template(6, 1, len(prompt), prompt)
    embeddings = template.assemble(tokens, prompt.fill(backbone), backbone)
    return backbone.run(embeddings, (backbone.depth,), prompt.deep)[0]


def gradients(module: PromptModule, backbone: Backbone, *, checkpoint: bool) -> list[Tensor]:
    module.zero_grad()
    with backbone.learning(checkpoint=checkpoint):
        said(backbone, module()).square().sum().backward()
    found = [one.grad for one in module.parameters()]
    assert all(one is not None for one in found)
    return [one.clone() for one in found if one is not None]


@pytest.mark.parametrize("spec", TRAINED + DEEP)
def test_a_gradient_reaches_every_trained_parameter(spec: str, backbone: Backbone) -> None:
    module = module_of(spec, backbone)
    found = gradients(module, backbone, checkpoint=False)
    assert found
    for (name, parameter), gradient in zip(module.named_parameters(), found, strict=True):
        assert parameter.dtype == torch.float32
        assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize("spec", TRAINED + DEEP)
def test_checkpointing_gives_the_same_gradients(spec: str, backbone: Backbone) -> None:
    module = module_of(spec, backbone)
    plain = gradients(module, backbone, checkpoint=False)
    for one, other in zip(plain, gradients(module, backbone, checkpoint=True), strict=True):
        assert torch.equal(one, other)


def test_checkpointing_runs_each_layer_again_and_leaves_the_model_as_it_was(
    backbone: Backbone,
) -> None:
    runs: list[int] = []
    hooks = [
        layer.register_forward_pre_hook(lambda *_: runs.append(1))
        for layer in backbone.model_layers
    ]
    dense = [
        one.register_forward_hook(lambda *_: runs.append(100))
        for one in backbone.model.modules()
        if isinstance(one, nn.Linear)
    ]
    try:
        gradients(module_of("soft", backbone), backbone, checkpoint=False)
        once, runs[:] = sum(runs), []
        gradients(module_of("soft", backbone), backbone, checkpoint=True)
    finally:
        for hook in hooks + dense:
            hook.remove()
    # Inside a layer all is run twice; the layer itself is called once.
    assert sum(runs) // 100 == 2 * (once // 100)
    assert all("forward" not in vars(layer) for layer in backbone.model_layers)


@pytest.mark.parametrize("spec", DEEP)
def test_a_deep_prompt_changes_the_attention_of_every_layer(spec: str, backbone: Backbone) -> None:
    prompt = module_of(spec, backbone).prompt()
    assert prompt.deep is not None
    assert prompt.deep.shape == (backbone.depth, 2, 16, backbone.hidden_size)
    assert len(prompt) == 0
    layers = tuple(range(backbone.depth + 1))
    given = torch.randn(2, 9, 32)
    for n in range(backbone.depth):
        only = torch.zeros_like(prompt.deep)
        only[:, 0] = -50.0  # hardly attended to
        without = backbone.run(given, layers, only)
        only[n] = prompt.deep[n]
        heard = backbone.run(given, layers, only)
        same = [a.allclose(b) for a, b in zip(without, heard, strict=True)]
        assert same == [layer <= n for layer in layers]


def test_keys_and_values_of_a_layer_come_from_its_own_columns(backbone: Backbone) -> None:
    module = module_of("p-tuning-v2:length=3", backbone)
    [flat] = module.parameters()
    assert flat.shape == (3, backbone.depth * 2 * 32)
    deep = module().deep
    assert deep is not None
    assert deep[1, 0, 2].equal(flat[2, 2 * 32 : 3 * 32])


def test_prefix_has_a_perceptron_and_p_tuning_v2_has_none(backbone: Backbone) -> None:
    def kinds(spec: str) -> list[str]:
        return [type(one).__name__ for one in module_of(spec, backbone).modules()]

    assert [kinds("prefix").count(kind) for kind in ("Linear", "Tanh")] == [2, 1]
    assert "Linear" not in kinds("p-tuning-v2")


@pytest.mark.parametrize(("encoder", "kind"), [("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_the_encoder_ties_the_slots_together(
    encoder: str, kind: type[nn.RNNBase], backbone: Backbone
) -> None:
    module = module_of(f"p-tuning:encoder={encoder},hidden=6", backbone)
    [recurrent] = [one for one in module.modules() if isinstance(one, nn.RNNBase)]
    assert type(recurrent) is kind
    assert recurrent.bidirectional
    assert (recurrent.num_layers, recurrent.hidden_size) == (2, 6)
    before = module.prompt().vectors
    [tokens] = [one for one in module.modules() if isinstance(one, nn.Embedding)]
    with torch.no_grad():
        tokens.weight[2] += 1  # of one pseudo token
    after = module.prompt().vectors
    assert before is not None
    assert after is not None
    assert ((before - after).abs().sum(dim=1) > 0).all()  # each slot hears of it


def test_an_encoder_of_perceptrons_takes_each_slot_by_itself(backbone: Backbone) -> None:
    module = module_of("p-tuning:encoder=mlp", backbone)
    before = module.prompt().vectors
    [tokens] = [one for one in module.modules() if isinstance(one, nn.Embedding)]
    with torch.no_grad():
        tokens.weight[2] += 1
    after = module.prompt().vectors
    assert before is not None
    assert after is not None
    assert ((before - after).abs().sum(dim=1) > 0).tolist() == [False, False, True, False, False]


# --- where training starts ---


def test_text_gives_the_words_and_as_many_slots(backbone: Backbone) -> None:
    module = module_of('soft:init=text,text="dabu bade 7"', backbone)
    ids = backbone.words.encode("dabu bade 7")
    assert module.prompt().fill(backbone).equal(backbone.embed(torch.tensor(ids)))
    cut = module_of('soft:init=text,text="a b c",length=2', backbone).prompt()
    more = module_of('soft:init=text,text="a b c",length=4', backbone).prompt()
    a, b, c = (backbone.embed(torch.tensor(backbone.words.encode(one)))[0] for one in "abc")
    assert cut.fill(backbone).equal(torch.stack([a, b]))
    assert more.fill(backbone).equal(torch.stack([a, b, c, a]))


def test_vocabulary_gives_words_and_random_gives_none(backbone: Backbone) -> None:
    def words(spec: str) -> int:
        vectors = module_of(spec, backbone).prompt().fill(backbone)
        same = vectors[:, None] == backbone.word_vectors[backbone.words.plain]
        return int(same.all(dim=2).any(dim=1).sum())

    assert words("soft:init=vocabulary") == 5
    assert words("soft:init=random") == 0
    drawn = module_of("soft:init=random", backbone, slots=200).prompt().fill(backbone)
    assert float(drawn.std()) == pytest.approx(backbone.word_scale, rel=0.05)


def test_soft_words_start_as_the_words_where_they_stand(backbone: Backbone) -> None:
    template = "a {series} b c [MASK] d"
    hard = prompts.create("manual", {"template": template}).draw(4, backbone, generator(0))
    soft = module_of(f"soft-words:template={template}", backbone).prompt()
    assert hard.ids is not None
    assert soft.ids is None
    assert soft.fill(backbone).equal(hard.fill(backbone))
    assert (soft.before, soft.mask) == (hard.before, hard.mask) == (1, 3)
    assert said(backbone, soft).equal(said(backbone, hard))


# --- written prompts ---


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a b {series} c [MASK].", "[CLS] a b x1 x2 c [MASK] . [SEP]"),
        ("[MASK] a {series} b", "[CLS] [MASK] a x1 x2 b [SEP]"),
        ("a [MASK] b {series}", "[CLS] a [MASK] b x1 x2 [SEP]"),
        ("{series} [MASK]", "[CLS] x1 x2 [MASK] [SEP]"),
        ("{series}[MASK]a", "[CLS] x1 x2 [MASK] a [SEP]"),
        ("bz {series} [MASK]", "[CLS] b ##z x1 x2 [MASK] [SEP]"),
    ],
)
def test_a_template_is_laid_out_as_written(
    template: str, expected: str, backbone: Backbone
) -> None:
    model = prompts.create("manual", {"template": template})
    drawn = model.draw(model.slots_of(backbone, 16), backbone, generator(0))
    layout = strategies.build("shared").template(2, 1, len(drawn), drawn)
    assert drawn.ids is not None
    words = [backbone.words.word(int(one)) for one in drawn.ids]
    shown = layout.words(torch.zeros(2, 1, 32), words, backbone)
    assert " ".join(text for _, text in shown) == expected


def test_per_step_repeats_the_words_before_every_step(backbone: Backbone) -> None:
    model = prompts.create("manual", {"template": "a {series} b [MASK]"})
    drawn = model.draw(2 * 3, backbone, generator(0))
    layout = strategies.build("per-step").template(3, 1, len(drawn), drawn)
    assert drawn.ids is not None
    words = [backbone.words.word(int(one)) for one in drawn.ids]
    shown = [text for _, text in layout.words(torch.zeros(3, 1, 32), words, backbone)]
    assert " ".join(shown) == "[CLS] a b x1 a b x2 a b x3 [MASK] [SEP]"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"template": "the [MASK]"}, r"has no \{series\}"),
        ({"template": "the {series}"}, r"has no \[MASK\]"),
        ({"template": "{series} {series} [MASK]"}, r"has 2 \{series\}"),
        ({"template": "{series} [MASK] [MASK]"}, r"has 2 \[MASK\]"),
        ({"length": 4}, "length=4 has no meaning"),
        ({"placement": "random"}, "placement has no meaning"),
    ],
)
@pytest.mark.parametrize("name", ["manual", "soft-words"])
def test_a_template_that_says_too_little_or_too_much_is_refused(
    name: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*{complaint}"):
        prompts.create(name, options)


def test_words_that_no_vocabulary_spells_are_named(tiny: dict[str, Any], separable: Any) -> None:
    model = PromptClassifier(**tiny, prompt='manual:template="a Ω {series} ☃☃ [MASK]"')
    with pytest.raises(ConfigError, match=r"manual: the vocabulary of .* can't spell 'Ω'"):
        model.fit(separable.X, separable.y)
    soft = PromptClassifier(**tiny, prompt='soft:init=text,text="a ☃"')
    with pytest.raises(ConfigError, match=r"soft: the vocabulary of .* can't spell '☃'"):
        soft.fit(separable.X, separable.y)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("soft:init=text", "init=text needs the words"),
        ("soft:text=a", "text is for init=text"),
        ("soft:init=zero", "not one of: random, vocabulary, text"),
        ("p-tuning:encoder=rnn", "not one of: lstm, gru, mlp"),
        ("p-tuning:encoder=mlp,layers=3", "counts those of an LSTM or GRU"),
        ("p-tuning:hidden=0", "hidden must be 1 or more"),
        ("prefix:length=0", "length must be 1 or more"),
        ("prefix:hidden=0", "hidden must be 1 or more"),
        ("p-tuning-v2:length=none", "length must be 1 or more"),
        ("p-tuning-v2:placement=random", "placement has no meaning"),
    ],
)
def test_senseless_options_are_refused(spec: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        prompts.build(spec)


@pytest.mark.parametrize("prompt", DEEP)
def test_a_deep_prompt_per_step_is_refused_before_anything_is_loaded(
    prompt: str, separable: Any
) -> None:
    model = PromptClassifier(prompt=prompt, strategy="per-step", backbone="no-such-model")
    with pytest.raises(ConfigError, match=f"'{prompt}' stands beside all tokens of every layer"):
        model.fit(separable.X, separable.y)


# --- the tuner ---


@pytest.mark.parametrize("spec", TRAINED + DEEP)
def test_training_lowers_the_loss_and_the_prompt_is_restored_bit_equal(
    spec: str, tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    choices = {**tiny, "prompt": spec, "readout": "mask", "head": "mlp:epochs=30"}
    fitted = PromptClassifier(**choices, tuner=QUICK).fit(separable.X, separable.y)
    untrained = PromptClassifier(**choices, train="tuning-free").fit(separable.X, separable.y)
    trained, start = (one.readings_[0].prompt for one in (fitted, untrained))
    assert not trained.equals(start)
    assert fitted.report_["largest gradient at the prompt"] > 0
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert loaded.readings_[0].prompt.equals(trained)
    backbone = fitted.reader_.backbone
    slots = len(trained)
    parameters = sum(one.numel() for one in module_of(spec, backbone, slots or 16).parameters())
    more = fitted.costs_["trainable_parameters"] - untrained.costs_["trainable_parameters"]
    assert more == parameters


@pytest.mark.parametrize("optimiser", ["nadam", "adamw"])
def test_the_optimiser_is_the_one_that_was_asked_for(
    optimiser: str, tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped: set[str] = set()
    for kind in (torch.optim.NAdam, torch.optim.AdamW):

        def step(self: Any, *given: Any, real: Any = kind.step, **more: Any) -> Any:
            if self.param_groups[0]["lr"] == 0.0123:
                stepped.add(type(self).__name__.lower())
            return real(self, *given, **more)

        monkeypatch.setattr(kind, "step", step)
    tuner = f"{QUICK},learning_rate=0.0123,optimiser={optimiser}"
    PromptClassifier(**tiny, prompt="soft", tuner=tuner).fit(separable.X, separable.y)
    assert stepped == {optimiser}
    with pytest.raises(ConfigError, match="not one of: nadam, adamw"):
        PromptClassifier(**tiny, prompt="soft", tuner="gradient:optimiser=sgd").fit(
            separable.X, separable.y
        )


def test_checkpointing_changes_no_result(tiny: dict[str, Any], separable: Any) -> None:
    chances = [
        PromptClassifier(**tiny, prompt="prefix", readout="mask", tuner=f"{QUICK}{more}")
        .fit(separable.X, separable.y)
        .predict_proba(separable.X_test)
        for more in ("", ",checkpoint=true")
    ]
    assert np.array_equal(*chances)


def test_the_progress_line_tells_time_and_memory_of_a_step(
    tiny: dict[str, Any], separable: Any
) -> None:
    stages: list[str] = []
    with progress.listen(lambda stage, *_: stages.append(stage)):
        PromptClassifier(**tiny, prompt="soft", tuner=QUICK).fit(separable.X, separable.y)
    notes = [one for one in stages if one.startswith("training the prompt: ")]
    assert notes
    assert all(" s a step, " in one and one.endswith(" GiB") for one in notes)


@pytest.mark.parametrize("prompt", ["soft", "prefix"])
def test_a_backbone_in_bfloat16_trains_a_prompt_in_float32(
    prompt: str, tiny: dict[str, Any], separable: Any
) -> None:
    choices = {**tiny, "dtype": "bfloat16", "prompt": prompt, "tuner": QUICK, "readout": "mask"}
    fitted = PromptClassifier(**choices).fit(separable.X, separable.y)
    found = fitted.readings_[0].prompt
    kept = found.deep if found.vectors is None else found.vectors
    assert kept is not None
    assert kept.dtype == torch.float32
    # Not a multiple of what bfloat16 can hold.
    assert not kept.equal(kept.to(torch.bfloat16).to(torch.float32))
    assert fitted.report_["largest gradient at the prompt"] > 0


def test_without_layers_it_is_said_that_nothing_carries_a_gradient(
    tiny: dict[str, Any], separable: Any
) -> None:
    none = {**tiny, "backbone": f"none:{tiny['backbone']}"}
    for prompt in ("soft", "prefix"):
        with pytest.warns(TspromptNotice, match="has no layers that could carry it"):
            PromptClassifier(**none, prompt=prompt, tuner=QUICK).fit(separable.X, separable.y)


def test_other_families_hear_deep_prompts_or_say_why_not(
    make_bert: Callable[..., str],
) -> None:
    folder = make_bert(seed=4, num_hidden_layers=3)
    backbone = load_backbone(folder, 2, device="cpu", dtype="float32")
    deep = module_of("prefix:length=2", backbone).prompt().deep
    assert deep is not None
    assert deep.shape == (2, 2, 2, 32)  # as many layers as are loaded
    flags = ("_supports_attention_backend", "_supports_sdpa")
    for flag in flags:
        setattr(backbone.model, flag, False)
    try:
        with pytest.raises(ConfigError, match="can't be given further keys"):
            prompts.build("prefix").slots_of(backbone, 16)
    finally:
        for flag in flags:
            delattr(backbone.model, flag)


def test_peft_is_imported_only_where_it_is_needed() -> None:
    sources = list((Path(__file__).parents[2] / "tsprompt").rglob("*.py"))
    using = [one for one in sources if "from peft import" in one.read_text(encoding="utf-8")]
    assert {one.name for one in using} == {"p_tuning.py", "deep.py", "trainable_copy.py"}
    for source in using:
        lines = source.read_text(encoding="utf-8").splitlines()
        assert not any(line.startswith(("from peft", "import peft")) for line in lines)


@pytest.mark.parametrize("prompt", ["soft", "p-tuning"])
def test_steps_that_are_read_alone_have_trained_prompts_of_their_own(
    prompt: str, tiny: dict[str, Any], separable: Any
) -> None:
    layout = {"strategy": "per-step", "scope": "step", "tokenizer": "kernels:steps=4"}
    choices = {**tiny, **layout, "prompt": prompt, "readout": "mask"}
    fitted = PromptClassifier(**choices, tuner=QUICK).fit(separable.X, separable.y)
    start = PromptClassifier(**choices, train="tuning-free").fit(separable.X, separable.y)
    after, before = (one.readings_[0].prompt.vectors for one in (fitted, start))
    assert after is not None
    assert before is not None
    assert after.shape == (4, 32)
    assert ((after - before).abs().sum(dim=1) > 0).all()


def test_figures_of_several_prompts_are_means(tiny: dict[str, Any], separable: Any) -> None:
    choices = {**tiny, "prompt": "soft", "tuner": QUICK, "readout": "mask"}
    one, two = (
        PromptClassifier(**{**choices, "n_prompts": count}).fit(separable.X, separable.y).report_
        for count in (1, 2)
    )
    assert set(two) == {f"{name}, mean over prompts" for name in one}
    name = "largest gradient at the prompt"
    assert two[f"{name}, mean over prompts"] != one[name]
