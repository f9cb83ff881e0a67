"""float32 in full where thresholds decide, shown by a processor that rounds as a GPU does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tsprompt import PromptClassifier
from tsprompt.base.true_float32 import true_float32
from tsprompt.tokenizers import base as tokenizers

SETTINGS: dict[str, Any] = {
    "conv": torch.backends.cudnn.conv,
    "matmul": torch.backends.cuda.matmul,
    "processor": torch.backends.mkldnn.matmul,
}
CONV = ("convolution", "mkldnn_convolution", "thnn_conv2d", "slow_conv3d", "_slow_conv2d_forward")
MATMUL = ("mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "dot")


def to_tf32(values: Any) -> Any:
    """Values as TF32 has them: 10 bits behind the leading one, where float32 has 23."""
    if not isinstance(values, Tensor) or values.dtype is not torch.float32:
        return values
    return (values.view(torch.int32) & ~0x1FFF).view(torch.float32)


class Rough(TorchDispatchMode):
    """A processor that multiplies as a GPU would, by the GPU's settings."""

    def __init__(self, tolerance: float) -> None:
        super().__init__()
        self.rounded = 0
        self.tolerance = tolerance
        """How far its probabilities may be from those of a processor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        kind = "conv" if name in CONV else "matmul" if name in MATMUL else None
        if kind and SETTINGS[kind].fp32_precision == "tf32":
            args = tuple(map(to_tf32, args))
            self.rounded += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=["as it is", "TF32 allowed"])
def gpu(request: pytest.FixtureRequest) -> Iterator[Rough]:
    """What a GPU would do, as torch sets it up, or where the user allows it to round."""
    before = {name: one.fp32_precision for name, one in SETTINGS.items()}
    allowed = request.param == "TF32 allowed"
    if allowed:  # then the language model rounds too
        SETTINGS["matmul"].fp32_precision = "tf32"
    yield Rough(5e-3 if allowed else 2e-3)
    for name, one in SETTINGS.items():
        one.fp32_precision = before[name]


@pytest.fixture(scope="module")
def shifted(separable: Any) -> Any:
    """The problem, each case at a level of its own and under noise: the last bits matter."""
    rng = np.random.default_rng(5)

    def shift(X: np.ndarray) -> np.ndarray:
        many = np.tile(X, (3, 1, 1))
        levels = 5 * rng.standard_normal((len(many), 1, 1))
        return (many + levels + rng.standard_normal(many.shape)).astype(np.float32)

    labels = np.tile(separable.y, 3)
    return separable._replace(X=shift(separable.X), y=labels, X_test=shift(separable.X_test))


@pytest.fixture(scope="module")
def fitted(shifted: Any, tiny: dict[str, Any]) -> PromptClassifier:
    """A fast model, fitted on a processor; its kernels have thresholds."""
    return PromptClassifier("fast", **tiny).fit(shifted.X, shifted.y)


def test_a_processor_gives_what_a_gpu_gives(
    fitted: PromptClassifier, shifted: Any, gpu: Rough
) -> None:
    expected = fitted.predict_proba(shifted.X_test)
    with gpu:
        found = fitted.predict_proba(shifted.X_test)
    np.testing.assert_allclose(found, expected, atol=gpu.tolerance)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()


def tokens(fitted: PromptClassifier, X: Any) -> Tensor:
    tokenizer, vocabulary = fitted.readings_[0].tokenizer, fitted.reader_.backbone
    return tokenizer.transform(torch.from_numpy(X), vocabulary)


@pytest.mark.parametrize("gpu", ["TF32 allowed"], indirect=True)
def test_without_it_thresholds_decide_otherwise(
    fitted: PromptClassifier, shifted: Any, gpu: Rough, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels are matrix products, which torch does not round unless it is allowed to."""
    expected = tokens(fitted, shifted.X_test)
    with gpu:
        exact = tokens(fitted, shifted.X_test)
        assert gpu.rounded == 0
        monkeypatch.setattr(tokenizers, "true_float32", nullcontext)
        rough = tokens(fitted, shifted.X_test)
        chances = fitted.predict_proba(shifted.X_test)
    assert gpu.rounded > 0
    torch.testing.assert_close(exact, expected, rtol=0, atol=0)
    apart = [float((one - expected).abs().max()) for one in (exact, rough)]
    assert apart[1] > 0.05 * float(expected.std())
    assert np.abs(chances - fitted.predict_proba(shifted.X_test)).max() > 2e-3


def test_a_model_fitted_on_either_is_the_same(
    fitted: PromptClassifier, shifted: Any, tiny: dict[str, Any], gpu: Rough
) -> None:
    with gpu:
        there = PromptClassifier("fast", **tiny).fit(shifted.X, shifted.y)
    chances = [one.predict_proba(shifted.X_test) for one in (fitted, there)]
    np.testing.assert_allclose(chances[1], chances[0], atol=gpu.tolerance)


@pytest.mark.parametrize("how", ["ieee", "tf32", "none"])
def test_settings_come_back_when_the_last_of_several_threads_is_through(how: str) -> None:
    one = SETTINGS["matmul"]
    before = one.fp32_precision
    one.fp32_precision = how
    entered, leave = threading.Barrier(3, timeout=30), threading.Event()
    seen: list[str] = []

    def work() -> None:
        with true_float32():
            entered.wait()
            leave.wait(30)
            seen.append(one.fp32_precision)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        entered.wait()
        with true_float32():
            pass  # the others go on
        leave.set()
        for thread in threads:
            thread.join(30)
        assert set(seen) <= {"ieee", "none"}
        assert one.fp32_precision == how
    finally:
        one.fp32_precision = before


def test_an_error_leaves_no_setting_behind() -> None:
    before = [one.fp32_precision for one in SETTINGS.values()]

    for _ in range(2):
        with pytest.raises(KeyError), true_float32():
            raise KeyError
    assert [one.fp32_precision for one in SETTINGS.values()] == before


@pytest.mark.gpu
def test_a_gpu_gives_the_tokens_of_the_processor(fitted: PromptClassifier, shifted: Any) -> None:
    expected = tokens(fitted, shifted.X_test)
    tokenizer, vocabulary = fitted.readings_[0].tokenizer, fitted.reader_.backbone
    found = tokenizer.transform(torch.from_numpy(shifted.X_test).cuda(), vocabulary).cpu()
    assert float((found != expected).any(dim=-1).float().mean()) < 0.01
