"""Backbones: the right weights, frozen, cut where they are read; and their twins."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt.backbones import (
    Backbone,
    load,
    load_backbone,
)
from tsprompt.backbones.base import fingerprint
from tsprompt.backbones.catalogue import split_name
from tsprompt.backbones.half_attention import attend
from tsprompt.backbones.load import pick_device, pick_dtype, total_layers
from tsprompt.errors import BackboneError, ConfigError

pytestmark = pytest.mark.slow

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}


def embeddings(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def parameters(backbone: Backbone) -> dict[str, Tensor]:
    return dict(backbone.model.named_parameters())


# --- frozen ---


@pytest.mark.parametrize("twin", ["", "random:", "shuffled:", "none:"])
def test_parameters_take_no_gradients_and_the_model_is_in_evaluation_mode(
    tiny_bert: str, twin: str
) -> None:
    backbone = load_backbone(twin + tiny_bert, **CPU)
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert not any(module.training for module in backbone.model.modules())
    assert not backbone.word_vectors.requires_grad


def test_gradients_flow_through_it_to_its_input_only(backbone: Backbone) -> None:
    given = embeddings(1, 5, 32).requires_grad_()
    backbone.run(given, (2,))[0][0, 3, 0].backward()
    assert given.grad is not None
    assert float(given.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in backbone.model.parameters())


def test_running_twice_gives_the_same(backbone: Backbone) -> None:
    given = embeddings(3, 9, 32)
    first, again = (torch.stack(backbone.run(given, (1, 2))) for _ in range(2))
    assert torch.equal(first, again)
    assert fingerprint(backbone.model) == backbone.weights_hash


# --- depth ---


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_cut_model_says_what_the_first_layers_of_the_full_one_say(
    make_bert: Callable[..., str], depth: int
) -> None:
    from transformers import AutoModel

    folder = make_bert(seed=3, num_hidden_layers=4)
    cut = load_backbone(folder, depth, **CPU)
    full = AutoModel.from_pretrained(folder).eval()
    given = embeddings(2, 11, 32)
    with torch.no_grad():
        states = full(inputs_embeds=given, output_hidden_states=True).hidden_states
    assert cut.depth == depth
    assert cut.layers == 4
    layers = tuple(range(depth + 1))
    torch.testing.assert_close(cut.run(given, layers), list(states[: depth + 1]))
    kept = [key for key in parameters(cut) if key.startswith("encoder.layer.")]
    assert {key.split(".")[2] for key in kept} == {str(layer) for layer in range(depth)}


def test_more_layers_than_there_are_is_refused(tiny_bert: str) -> None:
    with pytest.raises(ConfigError, match="has 2 layers; layer 3 was asked for"):
        load_backbone(tiny_bert, 3, **CPU)


def test_the_number_of_layers_is_known_without_the_weights(
    make_bert: Callable[..., str],
) -> None:
    folder = Path(make_bert(num_hidden_layers=3))
    (folder / "model.safetensors").unlink()
    assert total_layers(str(folder)) == 3
    assert total_layers("none") == 0


def test_sizes(backbone: Backbone) -> None:
    assert backbone.hidden_size == 32
    assert backbone.word_vectors.shape == (411, 32)
    assert backbone.n_parameters == sum(one.numel() for one in parameters(backbone).values())
    assert not any("pooler" in key for key in parameters(backbone))
    assert backbone.word_scale == pytest.approx(float(backbone.word_vectors.std()))


# --- positions ---


def test_a_bert_reads_exactly_as_many_tokens_as_it_has_positions(backbone: Backbone) -> None:
    assert backbone.positions == 128
    assert backbone.run(embeddings(1, 128, 32), (2,))[0].shape == (1, 128, 32)
    with pytest.raises((RuntimeError, IndexError)):
        backbone.run(embeddings(1, 129, 32), (2,))


def save_as(folder: Path, kind: str, tiny_bert: str) -> str:
    """A tiny model of another family, with the tiny tokenizer."""
    from transformers import AutoConfig, AutoModel

    shutil.copytree(tiny_bert, folder, ignore=shutil.ignore_patterns("config.json", "model*"))
    sizes = {
        "roberta": {"max_position_embeddings": 66, "pad_token_id": 1},
        "electra": {"max_position_embeddings": 64, "embedding_size": 32},
        "mpnet": {"max_position_embeddings": 66, "pad_token_id": 1},
        "distilbert": {
            "max_position_embeddings": 64,
            "dim": 32,
            "hidden_dim": 64,
            "n_heads": 2,
            "n_layers": 2,
        },
    }[kind]
    general = {
        "vocab_size": 411,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    config = AutoConfig.for_model(kind, **({} if kind == "distilbert" else general), **sizes)
    config.vocab_size = 411
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("kind", ["roberta", "electra", "mpnet", "distilbert"])
def test_other_families_have_the_right_number_of_positions(
    tmp_path: Path, tiny_bert: str, kind: str
) -> None:
    other = load_backbone(save_as(tmp_path / kind, kind, tiny_bert), **CPU)
    assert other.positions == 64
    assert [one.shape for one in other.run(embeddings(1, 64, 32), (1, 2))] == [(1, 64, 32)] * 2
    with pytest.raises((RuntimeError, IndexError)):
        other.run(embeddings(1, 65, 32), (2,))
    assert load_backbone(other.name, 1, **CPU).run(embeddings(1, 9, 32), (1,))[0].isfinite().all()


def test_a_model_without_a_mask_or_with_other_weights_than_it_says_is_refused(
    tmp_path: Path, tiny_bert: str
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in settings.items() if k != "mask_token"}))
    with pytest.raises(BackboneError, match=r"has no mask_token; .*BERT-family"):
        load_backbone(str(folder), **CPU)
    file.write_text(json.dumps(settings))
    (folder / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    with pytest.raises(BackboneError, match=r"no weights for .* and \d+ more; it is another model"):
        load_backbone(str(folder), **CPU)
    (folder / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(BackboneError, match="is a sam model, of no family that tsprompt can run"):
        load_backbone(str(folder), **CPU)


# --- twins ---


def test_shuffled_permutes_the_entries_inside_each_matrix(tiny_bert: str) -> None:
    real, shuffled = (load_backbone(twin + tiny_bert, **CPU) for twin in ("", "shuffled:"))
    assert parameters(real).keys() == parameters(shuffled).keys()
    for key, parameter in parameters(real).items():
        other = parameters(shuffled)[key]
        if parameter.ndim < 2:
            assert torch.equal(other, parameter), key
        else:
            assert torch.equal(other.flatten().sort().values, parameter.flatten().sort().values)
            assert not torch.equal(other, parameter), key
    assert shuffled.weights_hash != real.weights_hash


@pytest.mark.parametrize("twin", ["random", "shuffled"])
def test_a_twin_is_drawn_from_its_seed(tiny_bert: str, twin: str) -> None:
    one, again, other = (load_backbone(f"{twin}:{tiny_bert}", None, s, **CPU) for s in (0, 0, 1))
    assert one.weights_hash == again.weights_hash != other.weights_hash


def test_random_has_fresh_weights_of_the_same_shapes(tiny_bert: str) -> None:
    real, fresh = (load_backbone(twin + tiny_bert, **CPU) for twin in ("", "random:"))
    assert {key: one.shape for key, one in parameters(real).items()} == {
        key: one.shape for key, one in parameters(fresh).items()
    }
    assert not torch.equal(real.word_vectors, fresh.word_vectors)
    # The tiny BERT was saved with four times the usual spread.
    assert fresh.word_scale == pytest.approx(0.02, rel=0.1)


def test_drawing_random_weights_leaves_the_global_random_numbers_alone(
    tiny_bert: str,
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_backbone(f"random:{tiny_bert}", 1, 77, **CPU)
    assert torch.equal(torch.rand(3), expected)


def test_none_passes_embeddings_through(tiny_bert: str) -> None:
    none = load_backbone(f"none:{tiny_bert}", **CPU)
    given = embeddings(2, 300, 32)
    (out,) = none.run(given, (0,))
    assert torch.equal(out, given)
    assert none.passes_through
    assert none.layers == 0
    assert none.n_parameters == 411 * 32


def test_names_of_twins() -> None:
    assert split_name("minilm") == (None, "minilm")
    assert split_name("random:minilm") == ("random", "minilm")
    assert split_name("none") == ("none", "minilm")
    assert split_name("none:a/b") == ("none", "a/b")
    assert split_name("other:minilm") == (None, "other:minilm")


# --- words ---


def test_plain_words_are_whole_words_of_letters(backbone: Backbone) -> None:
    words = [backbone.words.word(i) for i in backbone.words.plain]
    assert all(word.isalpha() for word in words)
    assert "##a" not in words
    assert "[CLS]" not in words
    assert len(words) == 26 + 150
    assert backbone.words.id("nowhere") is None
    assert backbone.words.word(10**6) == "<1000000>"


def test_nearest_words(backbone: Backbone) -> None:
    ids = [5, 80, 400]
    near = backbone.nearest_words(backbone.embed(torch.tensor(ids)) * 3 + 1e-4)
    assert near == ids


# --- device and dtype ---


def test_bfloat16_runs_the_model_in_bfloat16_and_gives_float32(tiny_bert: str) -> None:
    half = load_backbone(tiny_bert, device="cpu", dtype="bfloat16")
    full = load_backbone(tiny_bert, **CPU)
    words = half.model.get_input_embeddings().weight
    others = [one for one in half.model.parameters() if one is not words]
    assert {one.dtype for one in others} == {torch.bfloat16}
    assert half.word_vectors.dtype == torch.float32
    assert half.word_vectors.data_ptr() == words.data_ptr(), "they are there once"
    assert torch.equal(half.word_vectors, full.word_vectors.to(torch.bfloat16).float())
    assert half.weights_hash == full.weights_hash
    given = embeddings(2, 9, 32)
    (out,) = half.run(given, (2,))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), full.run(given, (2,))[0], rtol=0.1, atol=0.1)


def test_auto_takes_bfloat16_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(load, "native_bfloat16", lambda device, native=native: native)
        assert pick_dtype("auto", torch.device("cpu")) == dtype


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "not one of: auto"), ("xpu", "no xpu device"), ("cuda:99", "no cuda|no cuda:99")],
)
def test_a_device_that_is_not_here_is_refused(device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pick_device(device)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(ConfigError, match="not one of: auto, float32, bfloat16"):
        pick_dtype("float16", torch.device("cpu"))


def test_a_copy_for_another_process_carries_no_weights(backbone: Backbone) -> None:
    text = pickle.dumps(backbone)
    assert len(text) < 1000
    assert pickle.loads(text).weights_hash == backbone.weights_hash


@pytest.mark.gpu
def test_a_gpu_says_what_the_cpu_says(tiny_bert: str) -> None:
    cpu, gpu = load_backbone(tiny_bert, **CPU), load_backbone(tiny_bert, None, 0, "cuda", "float32")
    given = embeddings(2, 9, 32)
    out = torch.stack(gpu.run(given.cuda(), (1, 2)))
    assert out.device.type == "cuda"
    torch.testing.assert_close(out.cpu(), torch.stack(cpu.run(given, (1, 2))), rtol=1e-3, atol=1e-3)
    assert gpu.weights_hash == cpu.weights_hash


def test_word_vectors_are_those_of_the_file(tiny_bert: str, backbone: Backbone) -> None:
    from safetensors.numpy import load_file

    stored = load_file(Path(tiny_bert) / "model.safetensors")["embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(backbone.word_vectors.numpy(), stored)


def test_deep_prompts_change_what_every_layer_attends_to(backbone: Backbone) -> None:
    embeddings = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(0))
    layers = tuple(range(backbone.depth + 1))
    plain = backbone.run(embeddings, layers)
    assert all(map(torch.equal, plain, backbone.run(embeddings, layers)))
    for n in range(backbone.depth):
        deep = torch.zeros(backbone.depth, 2, 3, 32)
        deep[:, 0] = -50.0  # hardly attended to
        deep[n] = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(1))
        said = backbone.run(embeddings, layers, deep)
        assert not torch.allclose(said[n + 1], plain[n + 1], atol=1e-3)
    assert all(map(torch.equal, plain, backbone.run(embeddings, layers))), "it stays for one run"


def test_a_gradient_reaches_the_deep_prompt_of_every_layer(backbone: Backbone) -> None:
    deep = torch.randn(backbone.depth, 2, 3, 32).requires_grad_()
    backbone.run(torch.randn(2, 9, 32), (backbone.depth,), deep)[0].square().sum().backward()
    assert deep.grad is not None
    assert (deep.grad.flatten(1).abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("deep", [False, True])
def test_gradients_in_bfloat16_go_through_plain_attention(tiny_bert: str, deep: bool) -> None:
    """On a processor those of the joint operation take ten times as long."""
    half = load_backbone(tiny_bert, device="cpu", dtype="bfloat16")
    full = load_backbone(tiny_bert, device="cpu", dtype="float32")
    embeddings = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(0))
    prompt = torch.randn(half.depth, 2, 3, 32) if deep else None
    gradients = []
    for backbone in (half, full):
        source = (embeddings if prompt is None else prompt).clone().requires_grad_()
        given = (source, (backbone.depth,)) if prompt is None else (embeddings, (2,), source)
        (said,) = backbone.run(*given)
        names = _operations(said)
        assert ("attention" in " ".join(names).lower()) == (backbone is full)
        said.float()[:, 0].square().sum().backward()
        gradients.append(source.grad)
    torch.testing.assert_close(*gradients, rtol=0.1, atol=0.1 * float(gradients[1].abs().max()))


def _operations(tensor: torch.Tensor) -> set[str]:
    """Names of all steps that gradients take back from a tensor."""
    seen: set[Any] = set()
    left: list[Any] = [tensor.grad_fn]
    while left:
        step = left.pop()
        if step is not None and step not in seen:
            seen.add(step)
            left += [before for before, _ in step.next_functions]
    return {step.name() for step in seen}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("order", [(2, 1, 0), (0, 1, 2)])
def test_all_depths_are_one_copy_of_the_weights(
    tiny_bert: str, dtype: str, order: tuple[int, ...], tmp_path: Path
) -> None:
    """Whichever comes first; read or not; and all of it goes with the last that holds it."""
    load._load.cache_clear()
    name = str(shutil.copytree(tiny_bert, tmp_path / "own"))  # nobody else has loaded it
    loaded = {depth: load_backbone(name, depth, 0, "cpu", dtype) for depth in order}
    for depth, one in loaded.items():
        one.run(torch.zeros(2, 5, one.hidden_size, dtype=one.dtype), (depth,))

    def held(*of: Backbone) -> dict[int, int]:
        own = (t for one in of for t in [*one.model.parameters(), one.word_vectors])
        return {t.data_ptr(): t.nbytes for t in own}

    assert held(*loaded.values()) == held(loaded[2])
    assert len(held(loaded[0])) < len(held(loaded[1])) < len(held(loaded[2]))
    first = weakref.ref(next(iter(loaded[0].model.parameters())))
    last = weakref.ref(list(loaded[2].model.parameters())[-1])
    load._load.cache_clear()
    del loaded[2], one
    gc.collect()
    assert last() is None
    assert first() is not None


@pytest.mark.parametrize("length", [5, 70, 300])
@pytest.mark.parametrize("asking", [1, None])
def test_attention_in_bfloat16_is_attention(length: int, asking: int | None) -> None:
    """As near to the exact one as one rounding more allows; in blocks or not, the same numbers."""
    query, key, value = torch.randn(3, 9, 4, length, 16, generator=torch.Generator().manual_seed(0))
    query = query[:, :, :asking]
    exact = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=0.25)
    half = [one.to(torch.bfloat16) for one in (query, key, value)]
    made = attend(*half, 0.25)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), exact, atol=0.03, rtol=0.03)
    alone = torch.cat([attend(*(one[k : k + 1] for one in half), 0.25) for k in range(9)])
    torch.testing.assert_close(alone, made, atol=0.01, rtol=0.01)


def test_attention_with_gradients_and_in_float32_is_torchs_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("not here")

    monkeypatch.setattr("tsprompt.backbones.half_attention._some", refuse)
    states = torch.randn(3, 2, 4, 70, 16)
    attend(*states, 0.25)
    half = states.to(torch.bfloat16)
    with pytest.raises(AssertionError, match="not here"):
        attend(*half, 0.25)
    attend(half[0].clone().requires_grad_(), half[1], half[2], 0.25)
