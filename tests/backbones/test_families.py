"""Families of language models: what each reads, where its answer stands, how it is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, load_backbone
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.load import input_of, total_layers
from tsprompt.backbones.template import Prompt, Template
from tsprompt.errors import BackboneError, ConfigError
from tsprompt.model.layout import layout, slots
from tsprompt.strategies import strategies

pytestmark = pytest.mark.slow

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}
WORDY = ["roberta", "mpnet", "gpt2", "bart", "t5"]
KINDS = [*WORDY, "vit"]
FAMILY = {
    "roberta": "encoder",
    "mpnet": "encoder",
    "gpt2": "decoder",
    "bart": "encoder-decoder",
    "t5": "encoder-decoder",
    "vit": "image",
}

Make = Callable[..., str]


def embeddings(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def whole(folder: str) -> Any:
    """The model as transformers loads it."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def choices(kind: str, folder: str, **more: Any) -> dict[str, Any]:
    """Keyword arguments of a classifier with a tiny model of this kind."""
    picture = {"tokenizer": "image", "prompt": "none"} if kind == "vit" else {}
    return {**CPU, "backbone": folder, "n_prompts": 1, "random_state": 0, **picture, **more}


def template_of(backbone: Backbone, steps: int = 5, slots: int = 4) -> Template:
    prompt = Prompt(ids=None, before=slots // 2, mask=slots)
    template = strategies.build("shared").template(steps, 1, slots, prompt)
    return template.framed(backbone.family.frame)


# --- all families ---


@pytest.mark.parametrize("kind", KINDS)
def test_the_family_is_known_from_the_configuration(kind: str, make_family: Make) -> None:
    backbone = load_backbone(make_family(kind), **CPU)
    assert backbone.family.name == FAMILY[kind]
    assert input_of(backbone.name) == ("images" if kind == "vit" else "words")
    assert (backbone.layers, backbone.hidden_size, backbone.state_size) == (2, 32, 32)
    assert total_layers(backbone.name) == 2
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())


@pytest.mark.parametrize("readout", ["pooled", "mask"])
@pytest.mark.parametrize("strategy", ["shared", "per-step", "autoencoder:epochs=3"])
@pytest.mark.parametrize("kind", KINDS)
def test_fits_predicts_and_is_saved(
    kind: str, strategy: str, readout: str, make_family: Make, separable: Any, *, tmp_path: Path
) -> None:
    chosen = choices(kind, make_family(kind), strategy=strategy, readout=readout)
    fitted = PromptClassifier(**chosen).fit(separable.X, separable.y)
    chances = fitted.predict_proba(separable.X_test)
    assert np.isfinite(chances).all()
    assert len(np.unique(chances.round(6), axis=0)) > 1, "all cases look alike"
    backbone = fitted.reader_.backbone
    assert fingerprint(backbone.model) == backbone.weights_hash
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    shown = slots(fitted.fitted_, fitted.readings_[0])
    about = layout(fitted.fitted_)
    assert sum(slot.tokens for slot in shown) == about.positions
    assert about.features == len(fitted.parts_.combination.heads_[0].mean_)
    if readout == "pooled" and not strategy.startswith("autoencoder"):
        assert (fitted.predict(separable.X_test) == separable.y_test).mean() >= 0.8


@pytest.mark.parametrize("twin", ["random", "shuffled", "none"])
@pytest.mark.parametrize("readout", ["pooled", "mask"])
@pytest.mark.parametrize("kind", KINDS)
def test_twins(kind: str, readout: str, twin: str, make_family: Make, separable: Any) -> None:
    folder = make_family(kind)
    chosen = choices(kind, f"{twin}:{folder}", readout=readout)
    fitted = PromptClassifier(**chosen).fit(separable.X, separable.y)
    assert np.isfinite(fitted.predict_proba(separable.X_test)).all()
    real = load_backbone(folder, **CPU)
    backbone = fitted.reader_.backbone
    assert backbone.weights_hash != real.weights_hash
    assert backbone.passes_through == (twin == "none")
    assert backbone.n_parameters <= real.n_parameters
    if kind == "vit" and twin == "none":
        own = real.model.embeddings.parameters()
        assert backbone.n_parameters == sum(one.numel() for one in own)


@pytest.mark.parametrize("kind", WORDY)
def test_states_are_those_of_transformers(kind: str, make_family: Make) -> None:
    folder = make_family(kind)
    given = embeddings(2, 11, 32)
    reading = whole(folder)
    reading = getattr(reading, "encoder", reading) if kind in ("bart", "t5") else reading
    with torch.no_grad():
        states = reading(inputs_embeds=given, output_hidden_states=True).hidden_states
    ours = load_backbone(folder, **CPU).run(given, (0, 1, 2))
    for mine, theirs in zip(ours, states, strict=True):
        torch.testing.assert_close(mine[:, :11], theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_cut_model_says_what_the_first_layers_of_the_whole_one_say(
    kind: str, depth: int, make_family: Make
) -> None:
    changes = {"num_layers": 3} if kind == "t5" else {"num_hidden_layers": 3}
    changes = {"encoder_layers": 3} if kind == "bart" else changes
    folder = make_family(kind, 1, **changes)
    given = embeddings(2, 9, 32)
    cut = load_backbone(folder, depth, **CPU, answers=False)
    full = load_backbone(folder, **CPU, answers=False)
    assert (cut.depth, cut.layers, len(cut.model_layers)) == (depth, 3, depth)
    layers = tuple(range(depth + 1))
    torch.testing.assert_close(cut.run(given, layers), full.run(given, layers))
    assert cut.n_parameters < full.n_parameters
    again = load_backbone(folder, cut.depth, **CPU, answers=cut.family.answers)
    assert again.weights_hash == cut.weights_hash


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_reaches_what_is_given(kind: str, make_family: Make) -> None:
    backbone = load_backbone(make_family(kind), **CPU)
    given = embeddings(1, 9, 32).requires_grad_()
    template = template_of(backbone, steps=9 - 4 - len(backbone.family.frame))
    where = backbone.answer(template)
    backbone.run(given, (2,))[0][:, where].square().sum().backward()
    assert given.grad is not None
    assert (given.grad.abs().sum(dim=2) > 0).all(), "the answer hangs on every token"


@pytest.mark.parametrize("kind", ["roberta", "gpt2", "bart", "t5", "vit"])
def test_deep_prompts_change_what_every_layer_attends_to(kind: str, make_family: Make) -> None:
    backbone = load_backbone(make_family(kind), **CPU)
    given, layers = embeddings(2, 9, 32), (0, 1, 2)
    plain = backbone.run(given, layers)
    for n in range(2):
        deep = torch.zeros(2, 2, 3, 32)
        deep[1 - n, 0] = -0.0
        deep[n] = 3 * embeddings(2, 3, 32, seed=1)
        said = backbone.run(given, layers, deep)
        assert not torch.allclose(said[n + 1][:, :9], plain[n + 1][:, :9], atol=1e-3)
    assert all(map(torch.equal, plain, backbone.run(given, layers))), "it stays for one run"
    deep = embeddings(2, 2, 3, 32).requires_grad_()
    backbone.run(given, (2,), deep)[0].square().sum().backward()
    assert deep.grad is not None
    assert (deep.grad.flatten(1).abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("kind", ["gpt2", "bart", "t5", "vit"])
def test_a_deep_prompt_is_what_its_keys_and_values_would_be(kind: str, make_family: Make) -> None:
    """A prompt of nothing but the keys and values of the tokens themselves, attended to twice, is
    as if each token stood there twice: attention is unchanged where all are seen."""
    backbone = load_backbone(make_family(kind), 1, **CPU, answers=False)
    given = embeddings(1, 1, 32)
    said: list[Tensor] = []
    layer = backbone.model_layers[0]
    names = ("c_attn", "k_proj", "v_proj", "k", "v")
    hooks = [
        one.register_forward_hook(lambda module, given, out: said.append(out.detach()))
        for name, one in layer.named_modules()
        if name.rpartition(".")[2] in names
    ]
    (plain,) = backbone.run(given, (1,))
    for hook in hooks:
        hook.remove()
    pair = list(said[0].split(32, dim=2)[1:]) if kind == "gpt2" else said[:2]
    deep = torch.stack([one[0] for one in pair])[None]
    twice = backbone.run(given, (1,), deep)[0]
    torch.testing.assert_close(twice, plain, rtol=1e-4, atol=1e-4)


def test_an_attention_that_takes_no_further_keys_says_so(make_family: Make) -> None:
    backbone = load_backbone(make_family("mpnet"), **CPU)
    with pytest.raises(ConfigError, match="mpnet models have an attention of their own"):
        backbone.run(embeddings(1, 9, 32), (2,), torch.zeros(2, 2, 3, 32))


def test_heads_that_do_not_share_the_hidden_size_take_no_deep_prompt(make_family: Make) -> None:
    backbone = load_backbone(make_family("t5", 2, d_kv=8), **CPU)
    with pytest.raises(
        ConfigError, match="2 heads of 16 entries don't fit the model's own, 2 of 8"
    ):
        backbone.run(embeddings(1, 9, 32), (2,), torch.zeros(2, 2, 3, 32))


# --- decoders ---


def test_the_answer_of_a_decoder_stands_at_the_last_token(make_family: Make) -> None:
    backbone = load_backbone(make_family("gpt2"), **CPU)
    template = template_of(backbone)
    assert backbone.answer(template) == slice(template.length - 1, template.length)
    shown = template.words(torch.zeros(5, 1, 1), ["a", "b", "c", "d"], backbone)
    assert shown[0] == ("cls", "[CLS]")
    assert shown[-2:] == [("frame", "[SEP]"), ("answer", "[SEP]")]
    assert not any("MASK" in word for _, word in shown)


def test_a_token_of_a_decoder_sees_those_before_it_alone(make_family: Make) -> None:
    backbone = load_backbone(make_family("gpt2"), **CPU)
    given = embeddings(1, 9, 32)
    changed = given.clone()
    changed[0, 5] *= -1  # a constant would be taken away by the LayerNorm
    for deep in (None, embeddings(2, 2, 3, 32)):
        before, after = (backbone.run(one, (2,), deep)[0] for one in (given, changed))
        assert torch.equal(before[0, :5], after[0, :5])
        assert ((before - after)[0, 5:].abs().amax(dim=1) > 1e-5).all()


def test_a_decoder_without_an_end_of_text_is_refused(make_family: Make) -> None:
    folder = Path(make_family("gpt2", 3))
    file = folder / "tokenizer_config.json"
    about = json.loads(file.read_text())
    about = {key: value for key, value in about.items() if key not in ("bos_token", "eos_token")}
    file.write_text(json.dumps({**about, "tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(BackboneError, match="no token that begins or ends a text"):
        load_backbone(str(folder), **CPU)


# --- encoder-decoders ---


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_the_answer_of_an_encoder_decoder_is_what_its_decoder_says_first(
    kind: str, make_family: Make
) -> None:
    folder = make_family(kind)
    given = embeddings(2, 11, 32)
    start = {"bart": 3, "t5": 0}[kind]
    with torch.no_grad():
        said = whole(folder)(
            inputs_embeds=given,
            decoder_input_ids=torch.full((2, 1), start),
            output_hidden_states=True,
        )
    backbone = load_backbone(folder, **CPU)
    template = template_of(backbone, steps=4)
    assert template.length == 11
    assert backbone.answer(template) == slice(11, 12)
    ours = backbone.run(given, (1, 2))
    for layer, mine in zip((1, 2), ours, strict=True):
        torch.testing.assert_close(mine[:, 11:], said.decoder_hidden_states[layer])
        torch.testing.assert_close(mine[:, :11], said.encoder_hidden_states[layer])
    shown = template.words(torch.zeros(4, 1, 1), ["a"] * 4, backbone)
    assert shown[-1] == ("answer", {"bart": "→ [SEP]", "t5": "→ [PAD]"}[kind])
    assert len(shown) == template.length + 1


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_pooling_needs_no_decoder(kind: str, make_family: Make, separable: Any) -> None:
    folder = make_family(kind)
    backbones = {}
    for readout in ("pooled:first=1", "pooled:first=1,pools=mean+mask"):
        fitted = PromptClassifier(**choices(kind, folder, readout=readout))
        backbones[readout] = fitted.fit(separable.X, separable.y).reader_.backbone
    without, with_ = backbones.values()
    assert without.model.decoder is None
    assert not any("decoder" in name for name, _ in without.model.named_parameters())
    assert (without.depth, len(without.model_layers)) == (1, 1)
    assert with_.model.decoder is not None
    assert (with_.depth, len(with_.model_layers)) == (2, 2), "the decoder listens to all layers"
    given = embeddings(2, 9, 32)
    (alone,), (both,) = (one.run(given, (1,)) for one in (without, with_))
    torch.testing.assert_close(alone, both[:, :9])
    assert both.shape == (2, 10, 32)


def test_a_decoder_of_fewer_layers_answers_with_its_last(make_family: Make) -> None:
    backbone = load_backbone(make_family("bart", 4, encoder_layers=3, decoder_layers=1), **CPU)
    one, two, three = (state[:, 9:] for state in backbone.run(embeddings(1, 9, 32), (1, 2, 3)))
    assert torch.equal(one, two)
    assert torch.equal(two, three)


def test_scaled_word_embeddings_enter_as_the_model_scales_them(make_family: Make) -> None:
    folder = make_family("bart")
    backbone = load_backbone(folder, **CPU)
    ids = torch.tensor([[5, 80, 400]])
    with torch.no_grad():
        expected = whole(folder).encoder(input_ids=ids).last_hidden_state
    torch.testing.assert_close(backbone.run(backbone.embed(ids), (2,))[0][:, :3], expected)


def test_t5_has_a_stated_bound(make_family: Make) -> None:
    assert load_backbone(make_family("t5"), **CPU).positions == 512
    assert load_backbone(make_family("bart"), **CPU).positions == 128


@pytest.fixture(params=["Electra", "Albert"])
def narrow(request: pytest.FixtureRequest, make_mlm: Make) -> str:
    """A model whose embeddings have half the entries of its states."""
    return make_mlm(request.param, embedding_size=16)


def test_small_electras_and_alberts_widen_their_embeddings(narrow: str, separable: Any) -> None:
    fitted = PromptClassifier(**choices("electra", narrow)).fit(separable.X, separable.y)
    backbone = fitted.reader_.backbone
    assert (backbone.hidden_size, backbone.state_size) == (16, 32)
    assert layout(fitted.fitted_).features == len(fitted.parts_.combination.heads_[0].mean_)


@pytest.mark.parametrize("recipe", ["prompt-tuning", "p-tuning", "p-tuning-v2", "prefix"])
def test_prompts_of_vectors_are_as_wide_as_what_they_stand_beside(
    recipe: str, make_mlm: Make, separable: Any, tmp_path: Path
) -> None:
    folder = make_mlm("Electra", embedding_size=16)
    changes = {"tuner": "gradient:epochs=2,patience=2,hidden=8", "head": "prototype:epochs=3"}
    chosen = {**choices("electra", folder), "prompt": None, "readout": None, **changes}
    fitted = PromptClassifier(recipe, **chosen).fit(separable.X, separable.y)
    prompt = fitted.readings_[0].prompt
    told = prompt.vectors if prompt.deep is None else prompt.deep
    assert told is not None
    assert told.shape[-1] == (16 if prompt.deep is None else 32)
    assert fitted.task_vector_ is not None
    assert fitted.task_vector_.shape == (32,)
    expected = fitted.predict_proba(separable.X_test)
    assert np.isfinite(expected).all()
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)


def test_layers_that_share_their_weights_take_prompts_among_the_tokens(
    make_mlm: Make, separable: Any
) -> None:
    folder = make_mlm("Albert", embedding_size=16)
    changes = {"tuner": "gradient:epochs=2,patience=2,hidden=8", "prompt": None}
    chosen = {**choices("albert", folder), **changes}
    fitted = PromptClassifier("prompt-tuning", **chosen).fit(separable.X, separable.y)
    assert fitted.task_vector_ is not None
    assert fitted.task_vector_.shape == (32,)
    with pytest.raises(ConfigError, match=r"the layers of .* can't be told apart"):
        PromptClassifier("p-tuning-v2", **chosen).fit(separable.X, separable.y)


# --- images ---


def test_a_vit_without_a_prompt_sees_what_it_always_sees(make_family: Make, separable: Any) -> None:
    folder = make_family("vit")
    fitted = PromptClassifier(**choices("vit", folder, readout="mask")).fit(
        separable.X, separable.y
    )
    reader, tokenizer = fitted.reader_, fitted.readings_[0].tokenizer
    values = torch.from_numpy(separable.X[:3])
    tokens = tokenizer.transform(values, reader.backbone)
    assert tokens.shape == (3, 16, 1, 32)
    data, answer = reader.hidden(tokens, Prompt(ids=None), (1, 2))
    images = tokenizer.render(values, reader.backbone.picture)
    with torch.no_grad():
        said = whole(folder)(pixel_values=images * 2 - 1, output_hidden_states=True)
    torch.testing.assert_close(answer[:, 1, 0], said.last_hidden_state[:, 0])
    torch.testing.assert_close(data[:, 1], said.last_hidden_state[:, 1:])
    torch.testing.assert_close(data[:, 0], said.hidden_states[1][:, 1:])


def test_a_prompt_of_a_vit_is_further_tokens(make_family: Make) -> None:
    backbone = load_backbone(make_family("vit"), **CPU)
    template = template_of(backbone, steps=16, slots=4)
    assert template.length == 1 + 4 + 16
    assert sorted([0, *template.prompt, *template.data.ravel()]) == list(range(21))
    assert template.words(torch.zeros(16, 1, 1), ["v"] * 4, backbone)[0] == ("answer", "[CLS]")
    tokens, prompt = embeddings(2, 16, 1, 32), embeddings(4, 32, seed=1)
    filled = template.assemble(tokens, prompt, backbone)
    assert torch.equal(filled[:, template.prompt], prompt.expand(2, -1, -1))
    assert torch.equal(filled[0, 0], backbone.word_vectors[0])
    other = template.assemble(tokens, -prompt, backbone)
    assert not torch.allclose(*(backbone.run(one, (2,))[0][:, 0] for one in (filled, other)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": "kernels"}, "'kernels' makes words, but the backbone .* reads images"),
        ({"tokenizer": "bins"}, "'bins' makes words, but the backbone .* reads images"),
        ({"prompt": "hard"}, "'hard' needs words, but .* prompt=\"none\", or a prompt of vectors"),
    ],
)
def test_words_are_refused_before_a_vit_is_loaded(
    changes: dict[str, Any], message: str, make_family: Make, separable: Any
) -> None:
    folder = Path(make_family("vit", 5))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=message):
        PromptClassifier(**choices("vit", str(folder), **changes)).fit(separable.X, separable.y)


def test_a_picture_is_refused_by_a_model_of_words(tiny_bert: str, separable: Any) -> None:
    chosen = choices("vit", tiny_bert)
    with pytest.raises(ConfigError, match=r"makes images, but the backbone .* reads words"):
        PromptClassifier(**chosen).fit(separable.X, separable.y)


def test_the_recipe_says_what_to_do_without_a_vit(separable: Any) -> None:
    with pytest.raises(BackboneError, match=r"google/vit.*needs a vision transformer.*FOLDER"):
        PromptClassifier("image", **CPU).fit(separable.X, separable.y)


def test_how_images_are_prepared_is_read_from_the_model(make_family: Make) -> None:
    folder = Path(make_family("vit", 6))
    assert load_backbone(str(folder), 1, **CPU).picture.mean == (0.5, 0.5, 0.5)
    about = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1.0, 2.0, 3.0]}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    picture = load_backbone(str(folder), 2, **CPU).picture
    assert (picture.mean, picture.spread) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    assert (picture.height, picture.width, picture.patches, picture.colours) == (32, 32, 16, 3)


def test_a_template_can_lose_slots_of_its_frame() -> None:
    full = Template.from_order(np.array([0, -1, -1, 1, -2]), 1)
    assert full.framed(full.frame) is full
    assert full.framed(("cls", "mask")).length == 6
    bare = full.framed(("cls",))
    assert (bare.prompt.tolist(), bare.data.ravel().tolist(), bare.length) == ([1, 4], [2, 3], 5)
    early = Template.from_order(np.array([0, -2, 1, -1, -1]), 1).framed(("cls",))
    assert (early.prompt.tolist(), early.data.ravel().tolist()) == ([1, 2], [3, 4])
