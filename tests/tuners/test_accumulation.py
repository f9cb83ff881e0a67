"""Training where memory runs out: the same steps, in smaller pieces."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, batches
from tsprompt.errors import TspromptError, TspromptNotice
from tsprompt.tuners.accumulation import Accumulation

FEW = "epochs=2,hidden=8"
TRAINED = {
    "gradient": {"recipe": "prompt-tuning", "tuner": f"gradient:{FEW}"},
    "the model": {
        "recipe": "prompt-tuning",
        "tuner": f"gradient:{FEW}",
        "train": "prompt+lm:method=layernorm",
    },
    "transprompt": {
        "recipe": "prompt-tuning",
        "tuner": f"transprompt:{FEW},pretraining_epochs=1",
        "readout": "mask",
    },
    "trigger": {"prompt": "hard", "tuner": f"trigger:{FEW},swaps=2,candidates=2"},
}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Let the model hold 3 rows at once where gradients are to flow; gives, for each time that
    memory ran out, how many tensors were made by what failed, and how many are still there."""
    original, seen = Backbone.run, []
    failed: list[weakref.ref[Tensor]] = []

    def run(
        self: Backbone, embeddings: Tensor, layers: tuple[int, ...], *more: Any, **named: Any
    ) -> list[Tensor]:
        states = original(self, embeddings, layers, *more, **named)
        if len(embeddings) > 3 and states[-1].requires_grad:
            failed.extend(weakref.ref(one) for one in (embeddings, *states))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return states

    def release() -> None:
        seen.append((len(failed), sum(one() is not None for one in failed)))

    monkeypatch.setattr(Backbone, "run", run)
    monkeypatch.setattr(batches, "release", release)
    return seen


@pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice")
@pytest.mark.parametrize("how", TRAINED)
def test_steps_are_the_same_with_less_memory(
    separable: Any, tiny: dict[str, Any], request: pytest.FixtureRequest, how: str
) -> None:
    choices = {**tiny, **TRAINED[how]}
    expected = PromptClassifier(**choices).fit(separable.X, separable.y)
    seen = request.getfixturevalue("short")
    with pytest.warns(TspromptNotice, match=r"in training with \d+ cases .* stays what it was"):
        found = PromptClassifier(**choices).fit(separable.X, separable.y)
    assert len(seen) >= 2
    assert all(made and not left for made, left in seen)
    np.testing.assert_allclose(
        found.predict_proba(separable.X_test), expected.predict_proba(separable.X_test), atol=2e-3
    )


def test_gradients_of_pieces_add_up_to_that_of_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 11, 4, generator=generator)
    layer = nn.Linear(4, 4)

    def loss(part: Tensor) -> Tensor:
        if len(part) > most:
            raise MemoryError
        return (layer(x[part]) - y[part]).square().mean()

    most, whole = 11, torch.arange(11)
    first, second = whole[:7], whole[7:]
    expected = Accumulation().learn([(first, loss), (second, loss)], layer.zero_grad)
    gradient = layer.weight.grad
    assert gradient is not None
    assert expected is not None
    value = Accumulation().measure((whole, loss))
    most, short = 2, Accumulation()
    with pytest.warns(TspromptNotice, match="in training with 7 cases"):
        found = short.learn([(first, loss), (second, loss)], layer.zero_grad)
    assert short.most == 1  # 7, 3, 1
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(layer.weight.grad, gradient)
    torch.testing.assert_close(short.measure((whole, loss)), value)
    most = 0
    with pytest.raises(TspromptError, match="in training with a single case; use checkpoint"):
        short.learn([(whole, loss)], layer.zero_grad)


def test_nothing_to_learn_is_told() -> None:
    assert Accumulation().learn([(torch.arange(3), lambda _: torch.ones(()))], list) is None
