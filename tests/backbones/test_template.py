"""Templates and strategies: what stands where, and how much of it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsprompt import progress
from tsprompt.backbones import Backbone
from tsprompt.backbones.template import FRAME, Prompt, Template
from tsprompt.base.seeds import generator
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.prompts.base import place
from tsprompt.strategies import Strategy, strategies
from tsprompt.strategies.autoencoder import AutoEncoder

NAMES = list(strategies)


def order(template: Template) -> str:
    """The template as letters: C, S, M, p for prompt and x for data."""
    letters = ["?"] * template.length
    letters[0], letters[-1], letters[template.mask] = "C", "S", "M"
    for position in template.prompt:
        letters[position] = "p"
    for position in template.data.ravel():
        letters[position] = "x"
    return "".join(letters)


def lay_out(name: str, steps: int, width: int, slots: int, *, before: int, mask: int) -> Template:
    prompt = Prompt(ids=torch.zeros(slots, dtype=torch.long), before=before, mask=mask)
    return strategies.build(name).template(steps, width, slots, prompt)


# --- every strategy ---


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), steps=st.integers(1, 9), width=st.integers(1, 4), length=st.integers(0, 5))
def test_every_position_is_used_exactly_once(
    name: str, data: Any, steps: int, width: int, length: int
) -> None:
    strategy = strategies.build(name)
    slots = strategy.slots(length, steps)
    mask = data.draw(st.integers(0, slots))
    before = data.draw(st.integers(0, slots + 1))
    template = lay_out(name, steps, width, slots, before=before, mask=mask)
    used = [0, *template.prompt, *template.data.ravel(), template.mask, template.length - 1]
    assert sorted(used) == list(range(len(FRAME) + slots + steps * width))
    assert template.data.shape == (steps, width)
    # Slot k is before slot k + 1, step s before step s + 1: nothing is read out of order.
    assert (np.diff(template.prompt) > 0).all()
    assert (np.diff(template.data.ravel()) > 0).all()


@pytest.mark.parametrize("name", NAMES)
@given(positions=st.integers(3, 200), length=st.integers(0, 20), width=st.integers(1, 9))
def test_as_many_steps_are_allowed_as_fit_and_no_more(
    name: str, positions: int, length: int, width: int
) -> None:
    strategy = strategies.build(name)
    most = strategy.max_steps(positions, length, width)

    def size(steps: int) -> int:
        return len(FRAME) + strategy.slots(length, steps) + steps * width

    assert most < 1 or size(most) <= positions
    assert size(max(most, 0) + 1) > positions


@pytest.mark.parametrize("name", NAMES)
def test_equal_steps_keep_their_number_of_cases_and_order(name: str) -> None:
    values = np.random.default_rng(0).standard_normal((6, 12, 2)).astype(np.float32)
    strategy = strategies.build(name)
    prepared = strategy.fit_transform(Cases(values), 0)
    assert len(prepared) == 6
    again = strategy.transform(Cases(values[::-1]))
    for one, other in zip(prepared, again[::-1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# --- shared ---


def test_shared_splits_the_prompt_around_the_data() -> None:
    assert order(lay_out("shared", 3, 1, 4, before=2, mask=4)) == "CppxxxppMS"
    assert order(lay_out("shared", 2, 2, 4, before=2, mask=4)) == "CppxxxxppMS"


def test_shared_places_the_mask_anywhere_in_the_prompt() -> None:
    assert order(lay_out("shared", 2, 1, 3, before=0, mask=0)) == "CxxMpppS"
    assert order(lay_out("shared", 2, 1, 3, before=1, mask=0)) == "CMxxpppS"
    assert order(lay_out("shared", 2, 1, 3, before=2, mask=1)) == "CpMxxppS"
    assert order(lay_out("shared", 2, 1, 3, before=4, mask=3)) == "CpppMxxS"
    assert order(lay_out("shared", 2, 1, 3, before=4, mask=1)) == "CpMppxxS"


def test_shared_without_a_prompt() -> None:
    assert order(lay_out("shared", 3, 1, 0, before=0, mask=0)) == "CxxxMS"


def test_around_halves_the_prompt_and_ends_with_the_mask() -> None:
    before, mask = place("around", 5, np.random.default_rng(0))
    assert order(lay_out("shared", 2, 1, 5, before=before, mask=mask)) == "CppxxpppMS"


@given(st.integers(0, 99))
def test_random_placement_stays_inside_the_prompt_and_reaches_all_of_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = {place("random", 2, rng) for _ in range(200)}
    assert places == {(before, mask) for before in range(4) for mask in range(3)}


# --- per-step ---


def test_per_step_alternates_prompt_and_data() -> None:
    assert order(lay_out("per-step", 3, 1, 3, before=0, mask=0)) == "CpxpxpxMS"
    assert order(lay_out("per-step", 2, 2, 4, before=0, mask=0)) == "CppxxppxxMS"
    assert order(lay_out("per-step", 2, 1, 0, before=0, mask=0)) == "CxxMS"


def test_per_step_gives_each_step_its_own_slots() -> None:
    template = lay_out("per-step", 3, 2, 6, before=0, mask=0)
    for step in range(3):
        own = template.prompt[2 * step : 2 * step + 2]
        assert own.tolist() == [template.data[step, 0] - 2, template.data[step, 0] - 1]


# --- assemble and words ---


def vectors(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_assemble_puts_each_embedding_at_its_position(backbone: Backbone) -> None:
    template = lay_out("shared", 3, 2, 4, before=2, mask=3)
    ids = torch.arange(60, 72).view(2, 3, 2)
    prompt = vectors(4, 32)
    out = template.assemble(ids, prompt, backbone)
    words = backbone.words
    assert out.shape == (2, template.length, 32)
    for row in range(2):
        assert torch.equal(out[row, template.prompt], prompt)
        assert torch.equal(out[row, template.data.ravel()], backbone.embed(ids[row].flatten()))
        frame = out[row, [0, template.mask, template.length - 1]]
        assert torch.equal(frame, backbone.embed(torch.tensor([words.cls, words.mask, words.sep])))


def test_assemble_takes_embeddings_and_a_prompt_for_each_row(backbone: Backbone) -> None:
    template = lay_out("per-step", 2, 1, 2, before=0, mask=0)
    data, prompt = vectors(3, 2, 1, 32), vectors(3, 2, 32, seed=1)
    out = template.assemble(data, prompt, backbone)
    assert torch.equal(out[:, template.data.ravel()], data[:, :, 0])
    assert torch.equal(out[:, template.prompt], prompt)


def test_words_name_every_position(backbone: Backbone) -> None:
    template = lay_out("per-step", 2, 1, 2, before=0, mask=0)
    five, six = (backbone.words.id(word) for word in ("5", "6"))
    ids = torch.tensor([[five], [six]])
    shown = template.words(ids, ["left", "right"], backbone)
    assert shown == [
        ("cls", "[CLS]"),
        ("prompt", "left"),
        ("data", "5"),
        ("prompt", "right"),
        ("data", "6"),
        ("mask", "[MASK]"),
        ("sep", "[SEP]"),
    ]
    continuous = template.words(vectors(2, 1, 32), ["left", "right"], backbone)
    assert [text for kind, text in continuous if kind == "data"] == ["x1", "x2"]


# --- prompts in a template ---


def test_a_prompt_fills_its_slots_with_words_vectors_or_nothing(backbone: Backbone) -> None:
    hard, soft, none = Prompt(ids=torch.tensor([7, 9])), Prompt(None, vectors(3, 32)), Prompt(None)
    assert torch.equal(hard.fill(backbone), backbone.word_vectors[[7, 9]])
    assert torch.equal(soft.fill(backbone), vectors(3, 32))
    assert none.fill(backbone).shape == (0, 32)
    assert [len(one) for one in (hard, soft, none)] == [2, 3, 0]


@pytest.mark.parametrize("prompt", [Prompt(torch.tensor([3]), before=1), Prompt(None, mask=2)])
def test_a_prompt_is_made_again_from_its_state(prompt: Prompt) -> None:
    state: dict[str, Any] = {"ids": None, **prompt.state()}
    assert Prompt(**state) == prompt


# --- autoencoder ---


def sines(count: int, timesteps: int, features: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 6, timesteps)[None, :, None]
    phase = rng.uniform(0, 6, size=(count, 1, features))
    return np.sin(time + phase).astype(np.float32)


@pytest.mark.parametrize("network", ["mlp", "conv", "lstm"])
def test_autoencoder_compresses_any_series_to_latent_numbers(network: str) -> None:
    coder = AutoEncoder(network=network, latent=5, hidden=8, epochs=3)
    train = coder.fit_transform(Cases(sines(12, 17)), 0)
    assert train.lengths.tolist() == [5] * 12
    assert train.n_features == 1
    values = np.stack(list(train))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-3)
    for length in (1, 4, 40):
        assert coder.transform(Cases(sines(2, length))).lengths.tolist() == [5, 5]
    assert coder.n_parameters == sum(one.numel() for one in coder._module().parameters())


def test_autoencoder_never_makes_a_series_longer() -> None:
    assert AutoEncoder(latent=32, epochs=1).fit_transform(Cases(sines(6, 5, 2)), 0).lengths[0] == 10


@pytest.mark.parametrize("network", ["mlp", "conv", "lstm"])
def test_autoencoder_learns_to_reconstruct_and_reports_both_errors(network: str) -> None:
    few = AutoEncoder(network=network, latent=6, hidden=32, epochs=1)
    many = AutoEncoder(network=network, latent=6, hidden=32, epochs=100, patience=100)
    for coder in (few, many):
        coder.fit_transform(Cases(sines(30, 16, 1)), 0)
    for part in ("train", "validation"):
        error = f"{part} reconstruction error"
        assert 0 < many.report()[error] < 0.5 * few.report()[error]


def test_autoencoder_keeps_the_epoch_that_validates_best() -> None:
    noise = np.random.default_rng(0).standard_normal((20, 10, 1)).astype(np.float32)
    coder = AutoEncoder(network="mlp", latent=4, hidden=16, epochs=400, patience=400)
    coder.fit_transform(Cases(noise), 0)
    held = generator(0, "autoencoder").permutation(20)[:4]
    model = coder._module()
    model.load_state_dict(coder.weights_)
    values = torch.from_numpy(noise[held])
    with torch.no_grad():
        error = (model(values) - values).square().mean()
    assert float(error) == pytest.approx(coder.report()["validation reconstruction error"])
    # It overfits noise: the held-out part must not look as good as what was learned by heart.
    assert coder.report()["train reconstruction error"] < float(error)


def test_autoencoder_stops_after_patience_epochs_without_improvement() -> None:
    noise = np.random.default_rng(0).standard_normal((20, 10, 1)).astype(np.float32)
    epochs: list[float] = []
    with progress.listen(lambda stage, done, total: epochs.append(done)):
        coder = AutoEncoder(network="mlp", latent=4, hidden=16, epochs=400, patience=3)
        coder.fit_transform(Cases(noise), 0)
    assert 3 < len(epochs) - 1 < 200


def test_autoencoder_keeps_the_global_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    AutoEncoder(latent=4, hidden=4, epochs=2).fit_transform(Cases(sines(6, 12)), 0)
    assert torch.equal(torch.rand(3), expected)


def test_autoencoder_of_one_case_or_a_constant_is_finite() -> None:
    for values in (sines(1, 9), np.zeros((5, 9, 1), np.float32)):
        coder = AutoEncoder(latent=4, hidden=4, epochs=2)
        assert np.isfinite(np.stack(list(coder.fit_transform(Cases(values), 0)))).all()


@pytest.mark.parametrize(
    "options",
    [
        "network=gan",
        "latent=1",
        "hidden=0",
        "epochs=0",
        "patience=0",
        "validation=0",
        "validation=1",
        "learning_rate=0",
    ],
)
def test_wrong_options_of_the_autoencoder_are_refused(options: str) -> None:
    with pytest.raises(ConfigError):
        strategies.build(f"autoencoder:{options}")


def test_the_base_lays_out_nothing() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Strategy()  # type: ignore[abstract]
