"""Series drawn as line plots, for models that read pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tsprompt.backbones import load_backbone
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.image import draw_lines


def test_a_level_line_is_as_thick_as_its_stroke_wherever_it_lies() -> None:
    for value in (0.0, 0.31, 1.0):
        drawn = draw_lines(torch.full((1, 7), value), 20, 10, 2.5)
        assert drawn.shape == (1, 20, 10)
        torch.testing.assert_close(drawn.sum(dim=1), torch.full((1, 10), 2.5))
    low, high = (draw_lines(torch.full((1, 2), v), 20, 10, 2.0)[0, :, 0] for v in (0.0, 1.0))
    assert low.nonzero().flatten().tolist() == [18, 19]
    assert high.nonzero().flatten().tolist() == [0, 1]


def test_a_rising_line_rises_and_is_gray_at_its_edges() -> None:
    drawn = draw_lines(torch.tensor([[0.0, 1.0]]), 30, 30, 2.0)[0]
    rows = torch.arange(30.0)[:, None]
    centre = (drawn * rows).sum(dim=0) / drawn.sum(dim=0)
    assert (centre.diff() < 0).all()
    assert ((drawn > 0.05) & (drawn < 0.95)).any()


@pytest.mark.parametrize("timesteps", [5, 33, 1000])
@pytest.mark.parametrize("place", [0.0, 0.37, 1.0])
def test_no_peak_is_lost_however_long_the_series(timesteps: int, place: float) -> None:
    values = torch.zeros(1, timesteps)
    at = round(place * (timesteps - 1))
    values[0, at] = 1.0
    drawn = draw_lines(values, 24, 24, 2.0)[0]
    assert float(drawn[0].max()) == 1.0
    column = int(drawn[0].argmax())
    assert abs(column - at / (timesteps - 1) * 24) <= 1.01


def test_one_timestep_is_a_level_line() -> None:
    drawn = draw_lines(torch.tensor([[0.5]]), 8, 8, 2.0)
    assert torch.equal(drawn[..., :1].expand_as(drawn), drawn)


@pytest.mark.parametrize(
    ("colours", "features", "expected"),
    [
        ("stack", 1, [{0}, {0}, {0}]),
        ("stack", 2, [{0}, {1}, {0}]),
        ("stack", 3, [{0}, {1}, {2}]),
        ("stack", 5, [{0, 3}, {1, 4}, {2}]),
        ("overlay", 2, [{0, 1}] * 3),
    ],
)
def test_features_share_out_the_colours(
    colours: str, features: int, expected: list[set[int]], make_family: Callable[..., str]
) -> None:
    from tsprompt.data import Cases

    backbone = load_backbone(make_family("vit"), device="cpu", dtype="float32")
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 12, features)).astype(np.float32)
    tokenizer = tokenizers.build(f"image:colours={colours}")
    tokenizer.fit(Cases(values), backbone, max_steps=None, rng=rng)
    plain = tokenizer.render(torch.from_numpy(values), backbone.picture)
    assert plain.shape == (4, 3, 32, 32)
    assert 0 <= float(plain.min()) < float(plain.max()) == 1
    seen: list[set[int]] = [set(), set(), set()]
    for feature in range(features):
        moved = values.copy()
        moved[..., feature] = values[:, ::-1, feature]
        drawn = tokenizer.render(torch.from_numpy(moved), backbone.picture)
        for colour in range(3):
            if not torch.equal(drawn[:, colour], plain[:, colour]):
                seen[colour].add(feature)
    assert seen == expected


def test_values_beyond_train_stay_at_the_edge(make_family: Callable[..., str]) -> None:
    from tsprompt.data import Cases

    backbone = load_backbone(make_family("vit"), device="cpu", dtype="float32")
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (4, 12, 1)).astype(np.float32)
    tokenizer = tokenizers.build("image:margin=0")
    tokenizer.fit(Cases(values), backbone, max_steps=None, rng=rng)
    top, far = (
        tokenizer.render(torch.full((1, 6, 1), value), backbone.picture)
        for value in (float(values.max()), 9.0)
    )
    assert torch.equal(top, far)
