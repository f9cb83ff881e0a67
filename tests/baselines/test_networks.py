"""Networks: what they hold out, when they stop, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quick_baselines import NETWORKS, by_name, made

from tsprompt.baselines import baselines
from tsprompt.errors import ConfigError, TspromptNotice

pytestmark = pytest.mark.slow


@by_name(NETWORKS)
def test_networks_hold_out_a_part_of_train_only(
    name: str, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tsprompt.baselines import training

    part = made(name, epochs=1)
    seen = []

    def watch(model: Any, how: Any, learn: Any, held: Any) -> None:
        seen.append((learn, held))
        model.eval()

    monkeypatch.setattr(training, "train", watch)
    part.fit(separable.X, separable.y)
    assert len(seen) == part.members
    (learn, labels), (held, truth) = seen[0]
    assert (len(learn), len(held)) == (18, 6)
    assert sorted(truth.tolist()) == [0, 0, 1, 1, 2, 2]
    assert sorted([*labels.tolist(), *truth.tolist()]) == [0] * 8 + [1] * 8 + [2] * 8
    for other_learn, _ in seen[1:]:
        assert torch.equal(other_learn[0], learn)
    # The scale is that of the part that is learned from.
    np.testing.assert_allclose(learn.mean(dim=(0, 2)), 0, atol=1e-2)
    made(name, seed=1, epochs=1).fit(separable.X, separable.y)
    assert not torch.equal(seen[-1][1][0], held)


@by_name(["fcn"])
def test_a_class_of_one_case_is_learned_and_nothing_is_held_out(name: str, separable: Any) -> None:
    with pytest.warns(TspromptNotice, match="fcn: a class has one training case only"):
        fitted = made(name, epochs=2).fit(separable.X[:4], separable.y[:4])
    assert fitted.validation is None
    assert fitted.predict_proba(separable.X_test).shape == (15, 3)
    assert made(name, epochs=2, validation_share=0).fit(separable.X, separable.y).validation is None


def test_training_ends_early_with_the_best_weights() -> None:
    import torch
    from torch import nn

    from tsprompt.base.seeds import seeded_torch
    from tsprompt.baselines.training import Training, train

    calls = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, x: Any) -> Any:
            if not self.training:
                calls.append(self.linear.weight.detach().clone())
            return self.linear(x[:, :, 0])

    x, y = torch.tensor([[[1.0]], [[-1.0]]]), torch.tensor([0, 1])
    with seeded_torch(0):
        model = Counting()
        # What is learned is the contrary of what is held: every epoch is worse than the last.
        train(model, Training(50, 4, 2, 0.1), (x, y), (x, 1 - y))
    assert len(calls) == 5
    assert torch.equal(model.linear.weight.detach(), calls[0])
    assert not model.training
    with seeded_torch(0), pytest.raises(ConfigError, match="never a number"):
        train(Counting(), Training(2, 4, 2, 0.1), (x * torch.nan, y), None)


@by_name(NETWORKS)
def test_networks_refuse_what_makes_no_sense(name: str) -> None:
    for wrong, said in (
        ("epochs=0", "1 or more"),
        ("learning_rate=0", "positive"),
        ("validation_share=1", "below 1"),
    ):
        with pytest.raises(ConfigError, match=said):
            baselines.build(f"{name}:{wrong}")
