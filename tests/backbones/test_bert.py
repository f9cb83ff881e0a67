"""Our own BERT against that of transformers, bit by bit, and which folders it is not for."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tsprompt.backbones import Backbone, half_attention, load, load_backbone
from tsprompt.backbones.bert import Bert
from tsprompt.backbones.bert_files import _reads_alike
from tsprompt.backbones.vocabulary import Words
from tsprompt.errors import BackboneError


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    load._load.cache_clear()
    load._about.cache_clear()


def both(name: str, monkeypatch: pytest.MonkeyPatch, **choices: Any) -> tuple[Backbone, Backbone]:
    """The same backbone as our own and as one of transformers."""
    ours = load_backbone(name, device="cpu", **choices)
    load._load.cache_clear()
    load._about.cache_clear()
    monkeypatch.setattr(load, "read_sizes", lambda folder: None)
    theirs = load_backbone(name, device="cpu", **choices)
    assert isinstance(ours.model, Bert)
    assert not isinstance(theirs.model, Bert)
    return ours, theirs


def states(backbone: Backbone, shape: tuple[int, int], deep: Tensor | None = None) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    given = torch.randn(*shape, backbone.hidden_size, generator=draw)
    return torch.stack(backbone.run(given, tuple(range(backbone.depth + 1)), deep))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("twin", ["", "shuffled:", "none:"])
def test_it_says_what_transformers_says(
    tiny_bert: str, twin: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = both(twin + tiny_bert, monkeypatch, dtype=dtype)
    assert ours.weights_hash == theirs.weights_hash
    assert (ours.n_parameters, ours.positions) == (theirs.n_parameters, theirs.positions)
    monkeypatch.setattr(half_attention, "_MOST", 0)  # then it is torch's own
    for shape in ((1, 3), (4, 17), (1, ours.positions)):
        assert torch.equal(states(ours, shape), states(theirs, shape))


def test_attention_in_bfloat16_says_what_torch_says_but_for_rounding(
    tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = both(tiny_bert, monkeypatch, dtype="bfloat16")
    shape = (2, ours.positions)
    heard, said = states(ours, shape).float(), states(theirs, shape).float()
    exact = states(load_backbone(tiny_bert, device="cpu", dtype="float32"), shape)
    assert not torch.equal(heard, said)
    assert (heard - exact).norm() < 1.2 * (said - exact).norm()


def test_it_hears_deep_prompts(tiny_bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = both(tiny_bert, monkeypatch, dtype="float32")
    deep = torch.randn(2, 2, 5, 32, generator=torch.Generator().manual_seed(1))
    heard = states(ours, (3, 9), deep)
    assert torch.equal(heard, states(theirs, (3, 9), deep))
    assert not torch.equal(heard, states(ours, (3, 9)))


def test_gradients_are_the_same(tiny_bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    for backbone in both(tiny_bert, monkeypatch, dtype="float32"):
        draw = torch.Generator().manual_seed(2)
        given.append(torch.randn(2, 7, 32, generator=draw).requires_grad_())
        backbone.run(given[-1], (2,))[0].square().sum().backward()
    torch.testing.assert_close(given[0].grad, given[1].grad)


TEXTS = (
    "A wave, twice as hîgh [MASK] ba 12",
    "",
    "long " * 300,
    "時間 series\u200b, Ünïcode\u0301\t\n¹²  ##ing ﬁne",
    "x" * 150,
)


@pytest.mark.parametrize("name", ["minilm", None])
def test_words_are_the_same(
    name: str | None, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = both(name or tiny_bert, monkeypatch, depth=0)
    for say in (
        lambda words: {words.word(number): number for number in range(len(words))},
        lambda words: (words.cls, words.mask, words.sep, words.unknown, words.special),
        lambda words: words.plain,
        *(partial(Words.encode, text=text) for text in TEXTS),
    ):
        assert say(ours.words) == say(theirs.words)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"chunk_size_feed_forward": 4}),
        ("tokenizer_config.json", {"additional_special_tokens": ["ba"]}),
    ],
)
def test_what_is_not_of_the_usual_kind_is_left_to_transformers(
    file: str, change: dict[str, Any], make_bert: Callable[..., str]
) -> None:
    folder = make_bert(seed=5)
    path = Path(folder) / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert not isinstance(load_backbone(folder, device="cpu").model, Bert)


def test_a_text_is_read_as_the_configuration_says(make_bert: Callable[..., str]) -> None:
    """Where that is not what the file of the tokenizer says, transformers reads it."""
    folder = make_bert(seed=9)
    words = load_backbone(folder, 0, device="cpu").words
    expected = words.encode("BA ba")
    words.rest()
    assert words.encode("BA ba") == expected
    load._load.cache_clear()
    path = Path(folder) / "tokenizer.json"
    said = json.loads(path.read_text())
    said["normalizer"] = {**(said["normalizer"] or {}), "type": "BertNormalizer", "lowercase": None}
    assert not _reads_alike(said, {})


def rewrite(folder: str, rename: Callable[[str], str | None]) -> None:
    """Give the weights in a folder other names, or none."""
    from safetensors.torch import load_file, save_file

    path = Path(folder) / "model.safetensors"
    held = {rename(name): one for name, one in load_file(path).items()}
    save_file({name: one for name, one in held.items() if name}, path, {"format": "pt"})


def test_the_names_of_older_files_are_known(make_bert: Callable[..., str]) -> None:
    folder = make_bert(seed=6)
    expected = load_backbone(folder, device="cpu").weights_hash
    load._load.cache_clear()
    rewrite(
        folder,
        lambda name: (
            "bert." + name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
        ),
    )
    again = load_backbone(folder, device="cpu")
    assert isinstance(again.model, Bert)
    assert again.weights_hash == expected


def test_a_file_that_lacks_weights_is_refused(make_bert: Callable[..., str]) -> None:
    folder = make_bert(seed=7)
    rewrite(folder, lambda name: None if "layer.1.output" in name else name)
    with pytest.raises(BackboneError, match=r"no weights for encoder\.layer\.1\.output.* and 3 mo"):
        load_backbone(folder, device="cpu")
    assert load_backbone(folder, 1, device="cpu").depth == 1, "what is not read may be missing"


def test_weights_of_another_size_are_refused(make_bert: Callable[..., str]) -> None:
    folder = make_bert(seed=8)
    path = Path(folder) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 48}))
    with pytest.raises(BackboneError, match=r"can't be loaded: .*shape \(64, 32\) instead"):
        load_backbone(folder, device="cpu")


def test_it_runs_without_transformers(tiny_bert: str) -> None:
    code = (
        "import sys, torch\nfrom tsprompt.backbones import load_backbone\n"
        f"backbone = load_backbone({tiny_bert!r}, device='cpu')\n"
        "backbone.run(torch.zeros(1, 4, 32), (2,))\n"
        "names = ('transformers', 'tokenizers', 'scipy')\n"
        "print([one for one in names if one in sys.modules])\n"
        "load_backbone('minilm', 0, device='cpu').words.encode('a text')\n"
        "print([one for one in names if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['tokenizers']"]


@pytest.mark.parametrize("layers", [(0,), (1,), (1, 2), (0, 2), (2, 1)])
@pytest.mark.parametrize("heard", [False, True])
def test_states_at_some_positions_are_those_of_all(
    tiny_bert: str, layers: tuple[int, ...], *, heard: bool
) -> None:
    backbone = load_backbone(tiny_bert, device="cpu", dtype="float32")
    draw = torch.Generator().manual_seed(3)
    given = torch.randn(3, 9, 32, generator=draw)
    deep = torch.randn(2, 2, 5, 32, generator=draw) if heard else None
    at = torch.tensor([[4, 1], [0, 8], [3, 3]])
    assert backbone.skips
    whole = backbone.run(given, layers, deep)
    for some, all_of in zip(backbone.run(given, layers, deep, at=at), whole, strict=True):
        expected = torch.stack([one[where] for one, where in zip(all_of, at, strict=True)])
        torch.testing.assert_close(some, expected)


def test_states_that_nobody_reads_are_let_go_on_the_way(make_bert: Callable[..., str]) -> None:
    backbone = load_backbone(make_bert(num_hidden_layers=4), device="cpu", dtype="float32")
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def note(module: torch.nn.Module, given: object, out: torch.Tensor) -> None:
        made.append(weakref.ref(out))
        alive.append(sum(one() is not None for one in made))

    hooks = [layer.register_forward_hook(note) for layer in backbone.model_layers]
    try:
        given = torch.randn(2, 5, 32)
        last, some = backbone.run(given, (4,)), backbone.run(given, (1, 4))
    finally:
        for hook in hooks:
            hook.remove()
    # What enters a layer, and what it puts out; then besides the first layer's, which is read.
    assert alive[:4] == [1, 2, 2, 2]
    assert alive[4:] == [2, 3, 4, 4]
    torch.testing.assert_close(last[0], some[1], rtol=0, atol=0)
    assert torch.equal(some[1], backbone.model(given).last_hidden_state)
