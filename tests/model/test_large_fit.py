"""Fits whose features lie in a scratch file: the same answers, and nothing is left."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tsprompt import PromptClassifier
from tsprompt.base import scratch
from tsprompt.base.scratch import Scratch, row_blocks
from tsprompt.errors import ConfigError, TspromptError, TspromptNotice
from tsprompt.heads import Head, heads
from tsprompt.model import memory

pytestmark = pytest.mark.slow

GIB = 1 << 30
KERNELS = "kernels:steps=6,length=5"
CHOICES: dict[str, dict[str, Any]] = {
    "one ridge": {"n_prompts": 2},
    "by sums": {"n_prompts": 2, "class_weight": "balanced"},
    "by gradients": {"n_prompts": 2},
    "votes of perceptrons": {"combination": "vote", "head": "mlp:epochs=8", "n_prompts": 2},
    "a search": {"tuner": "search:draws=2", "head": "mlp:epochs=3"},
    "words": {"tokenizer": "bins", "readout": "mask", "prompt": "hard"},
    "paraphrases": {"combination": "augment", "n_prompts": 2, "prompt": "hard"},
    "parts": {"combination": "decompose", "n_prompts": 2, "prompt": "hard"},
    "sub-tasks": {"combination": "compose", "tuner": "search:draws=2"},
    "a tree": {"combination": "compose:tasks=hierarchy", "head": "mlp:epochs=3"},
    "retrieval": {"combination": "retrieve", "n_prompts": 2},
    "retrieval beside what learns": {"combination": "retrieve", "head": "mlp:epochs=3"},
    "teachers": {"combination": "distil:generations=2", "n_prompts": 2},
    "demonstrations": {"context": "demonstrations", "readout": "mask"},
}
"""With the word `by`: the ridge of more cases than it solves by their inner products."""
WORDS = {"tokenizer": "bins", "readout": "mask", "prompt": "hard", "combination": "concatenate"}
HEADS: dict[str, dict[str, Any]] = {
    "prototype:epochs=4,batch=16": {"n_prompts": 2},
    "soft-words-head:epochs=4,scores=tied": {},
    "label-words:scores=tied": {},
    "label-words:scores=tied,fitted=false": {},
    "auto-words:scores=tied,words=2": {"class_weight": "balanced"},
    "auto-words:scores=tied,words=2,choice=likelihood": {},
    "searched-words:scores=tied,candidates=6,assignments=3,calibrate=true": {},
    "knowledge:scores=tied,neighbours=4": {"class_weight": "balanced"},
    "knowledge:scores=tied,neighbours=4,fitted=false": {},
    "label-texts:scores=tied": {},
    "free-text:scores=tied,length=2": {},
    "knn:scores=tied": {"class_weight": "balanced"},
    "matching:scores=tied,words=a+b": {
        "context": 'pairs:template="{series} fu {series} [MASK]"',
        "tokenizer": KERNELS,
    },
    "mlp:epochs=4": {"combination": "vote", "n_prompts": 2},
}


def cases(ragged: bool) -> tuple[Any, np.ndarray]:
    """Sixty cases of three classes; some are equal to others."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [30, 18, 12])
    X = rng.normal(size=(60, 24, 1)) + np.sin(np.arange(24)[:, None] * (1 + y[:, None, None]))
    X[40:45], y[40:45] = X[31], y[31]
    lengths = rng.integers(15, 25, size=60) if ragged else [24] * 60
    return [one[:length] for one, length in zip(X.astype(np.float32), lengths, strict=True)], y


@pytest.fixture
def blocks_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and tokens are gone through a few cases at a time."""
    monkeypatch.setattr(scratch, "BLOCK_BYTES", 1 << 11)
    monkeypatch.setattr("tsprompt.reading.reader._CHUNK_BYTES", 1 << 13)
    monkeypatch.setattr("tsprompt.reading.reader.READOUT_CASES", 20)


@pytest.mark.usefixtures("blocks_of_few")
@pytest.mark.parametrize(
    ("name", "ragged"), [*((name, False) for name in CHOICES), ("by sums", True)]
)
def test_a_file_gives_the_answers_of_memory(
    name: str, ragged: bool, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("by"):
        monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 40)
        monkeypatch.setattr("tsprompt.base.blocks._WHOLE_BYTES", 0)
    if name == "by gradients":
        monkeypatch.setattr("tsprompt.heads.ridge.SUMMED_FEATURES", 0)
    both_ways({"backbone": tiny_bert, **CHOICES[name]}, ragged, monkeypatch)


@pytest.mark.usefixtures("blocks_of_few")
@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_from_a_file(
    head: str, tiny_mlm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_ways({"backbone": tiny_mlm, **WORDS, **HEADS[head], "head": head}, False, monkeypatch)


@pytest.mark.usefixtures("blocks_of_few")
@pytest.mark.parametrize("head", ["class-texts", "tip-adapter"])
def test_a_clip_learns_from_a_file(
    head: str, make_clip: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = "texts=bada bade|fu|bimi,calibrate=true"
    settings = {"recipe": "clip", "backbone": make_clip(), "tokenizer": None}
    both_ways({**settings, "head": f"{head}:{texts}"}, False, monkeypatch)


def test_the_heads_above_are_all_that_learn_from_a_file() -> None:
    tried = {one.partition(":")[0] for one in HEADS} | {"ridge", "class-texts", "tip-adapter"}
    assert tried == {name for name in heads if heads[name].streams}


class _NoTable(TorchDispatchMode):
    """Fails where a table of most cases is made in memory, with more than a few columns."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, torch.Tensor) and one.ndim > 1 and 45 <= len(one) <= 60:
                few = one.shape[1:].numel() <= 8
                assert few or scratch.scratch_of(one) is not None, (func, one.shape)
        return made


@pytest.mark.usefixtures("blocks_of_few")
@pytest.mark.parametrize("head", HEADS)
def test_no_head_holds_what_is_said_of_all_cases(
    head: str, tiny_mlm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "STORED_BYTES", 0)
    monkeypatch.setattr("tsprompt.heads.knn._ROWS", 16)
    monkeypatch.setattr("tsprompt.heads.free_text._ROWS", 16)
    monkeypatch.setattr("tsprompt.heads.datastore._MOST", 4)
    real, fitted = Head.fit, []

    def fit(self: Head, lesson: Any) -> Head:
        with _NoTable():
            fitted.append(real(self, lesson))
            self.probabilities(lesson.features)
        return fitted[-1]

    monkeypatch.setattr(Head, "fit", fit)
    X, y = cases(ragged=False)
    chosen = {"tokenizer": KERNELS, "backbone": tiny_mlm, **WORDS, **HEADS[head], "head": head}
    with pytest.warns(TspromptNotice, match="scratch file"):
        PromptClassifier(random_state=0, **chosen).fit(X, y)
    assert fitted


def both_ways(chosen: dict[str, Any], ragged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit with the features in memory, and in a file: the answers are the same."""
    X, y = cases(ragged)
    settings = {"tokenizer": KERNELS, "random_state": 0, **chosen}
    held = PromptClassifier(**settings).fit(X, y)
    monkeypatch.setattr(memory, "STORED_BYTES", 0)
    with pytest.warns(TspromptNotice, match="they go to a scratch file in"):
        stored = PromptClassifier(**settings).fit(X, y)
    np.testing.assert_allclose(stored.predict_proba(X), held.predict_proba(X), atol=1e-4)
    assert stored.scores_ == pytest.approx(held.scores_, abs=1e-4, nan_ok=True)
    assert stored.report_.pop("features in a scratch file, GiB") > 0
    assert set(stored.report_) == set(held.report_)
    one, other = stored.fitted_.calibration, held.fitted_.calibration
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        np.testing.assert_allclose(one.chances, other.chances, atol=1e-4)
    del stored
    gc.collect()
    assert not scratch._MAPPED


@pytest.mark.usefixtures("blocks_of_few")
def test_a_development_sample_lies_in_the_same_file(
    tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = cases(ragged=False)
    settings: dict[str, Any] = {
        "backbone": tiny_bert,
        "tokenizer": KERNELS,
        "head": "mlp:epochs=8",
        "n_prompts": 2,
        "random_state": 0,
    }
    extra = X[::4], y[::4]
    held = PromptClassifier(**settings).fit(X, y, development=extra)
    monkeypatch.setattr(memory, "STORED_BYTES", 0)
    monkeypatch.setattr(torch, "cat", _no_copy_of(75, torch.cat))
    with pytest.warns(TspromptNotice, match="scratch file"):
        stored = PromptClassifier(**settings).fit(X, y, development=extra)
    np.testing.assert_allclose(stored.predict_proba(X), held.predict_proba(X), atol=1e-4)


def _no_copy_of(rows: int, real: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """`torch.cat`, but for tables of so many cases and more than a few columns."""

    def cat(parts: Any, *rest: Any, **more: Any) -> torch.Tensor:
        made = real(parts, *rest, **more)
        assert made.ndim != 2 or made.shape[0] != rows or made.shape[1] < 8
        return made

    return cat


@pytest.mark.parametrize(
    ("choices", "what"),
    [
        ({"scope": "step", "readout": "mask"}, "each step alone"),
        ({"tuner": "gradient:epochs=1", "prompt": "soft"}, "the tuner 'gradient'"),
    ],
)
def test_what_needs_all_features_is_refused_first(
    choices: dict[str, Any], what: str, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = cases(ragged=False)
    monkeypatch.setattr(memory, "_LEAST", 0)
    monkeypatch.setattr(memory, "available", lambda: 1 << 20)
    with pytest.raises(ConfigError, match=f"this fit needs about .*{what} can't learn from feat"):
        PromptClassifier(backbone=tiny_bert, **choices).fit(X, y)


def test_what_memory_has_no_room_for_goes_to_a_file(
    tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_LEAST", 0)
    monkeypatch.setattr(memory, "_WORK", 0)
    monkeypatch.setattr(memory, "_CHUNK", 0)
    monkeypatch.setattr(memory, "BLOCK_BYTES", 0)
    need = memory.Need(60, 24, 10_000, 256, readings=4, ridge=False, fits=True)
    room = (need.bytes + memory.dataclasses.replace(need, stored=True).bytes) // 2
    monkeypatch.setattr(memory, "need_of", lambda *_, **__: need)
    monkeypatch.setattr(memory, "available", lambda: room)
    X, y = cases(ragged=False)
    with pytest.warns(TspromptNotice, match="for which memory has no room: they go to"):
        PromptClassifier(backbone=tiny_bert, tokenizer=KERNELS, head="mlp:epochs=2").fit(X, y)


# --- bfloat16 ---


ROUNDED: dict[str, dict[str, Any]] = {
    "by sums": {"n_prompts": 2},
    "by gradients": {"n_prompts": 2},
    "votes of perceptrons": {"combination": "vote", "head": "mlp:epochs=8", "n_prompts": 2},
    "prototypes": {"head": "prototype:epochs=4", "readout": "mask"},
    "neighbours": {"combination": "retrieve", "head": "knn:scores=tied", "readout": "mask"},
    "words": {"head": "label-words:scores=tied", "readout": "mask"},
}


@pytest.mark.usefixtures("blocks_of_few")
@pytest.mark.parametrize("name", ROUNDED)
def test_half_the_disk_moves_probabilities_a_little(
    name: str, tiny_mlm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("by"):
        monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 40)
    if name == "by gradients":
        monkeypatch.setattr("tsprompt.heads.ridge.SUMMED_FEATURES", 0)
    monkeypatch.setattr(memory, "STORED_BYTES", 0)
    X, y = cases(ragged=False)
    settings = {"tokenizer": KERNELS, "random_state": 0, "backbone": tiny_mlm, **ROUNDED[name]}
    settings["dtype"] = "float32"  # else what is read at the mask is rounded already
    sizes: dict[str, list[int]] = {"float32": [], "bfloat16": []}
    real = scratch._reserve

    def reserve(file: int, size: int, folder: Path) -> None:
        assert folder == tmp_path
        sizes[now].append(size)
        real(file, size, folder)

    monkeypatch.setattr(scratch, "_reserve", reserve)
    found = {}
    for dtype in sizes:
        now = dtype
        chosen = {**settings, "scratch_dir": tmp_path, "scratch_dtype": dtype}
        with pytest.warns(TspromptNotice, match=f"scratch file in {tmp_path}"):
            found[dtype] = PromptClassifier(**chosen).fit(X, y)
    assert sizes["bfloat16"][0] * 2 == sizes["float32"][0]
    told = [found[dtype].report_["features in a scratch file, GiB"] for dtype in sizes]
    assert told[1] * 2 == told[0]
    exact, rounded = (found[dtype].predict_proba(X) for dtype in sizes)
    assert np.abs(exact - rounded).max() < 0.02
    assert not np.array_equal(exact, rounded)


def test_a_dtype_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"scratch_dtype.*float32, bfloat16"):
        Scratch(dtype="int8")


# --- the folder ---


def test_a_million_cases_need_no_more_memory_than_their_series() -> None:
    need = memory.Need(
        1_000_000, 100, 98_304, 4_608, readings=4, ridge=True, fits=True, stored=True
    )
    assert need.bytes < 5 * GIB
    assert need.file_bytes > 60 * GIB


def test_a_full_disk_is_an_error_before_anything_is_written(
    tmp_path: Path, tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSPROMPT_SCRATCH_DIR", str(tmp_path))
    monkeypatch.setattr(memory, "STORED_BYTES", 0)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000})())
    X, y = cases(ragged=False)
    said = r"don't fit into the scratch folder .*TSPROMPT_SCRATCH_DIR"
    with pytest.raises(TspromptError, match=said):
        PromptClassifier(backbone=tiny_bert, tokenizer=KERNELS).fit(X, y)


def test_a_disk_that_fills_up_meanwhile_is_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(TspromptError, match=r"No space left on device.*make room there"):
        Scratch(tmp_path).table(10, 10)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be written to .*absent.*TSPROMPT_SCRATCH_DIR"):
        Scratch(tmp_path / "absent")


def test_a_folder_in_memory_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setattr(scratch, "_in_memory", lambda folder: folder == Path("/tmp"))
    monkeypatch.setattr(scratch, "_ON_DISK", tmp_path)
    assert Scratch().folder == tmp_path
    monkeypatch.setattr(scratch, "_in_memory", lambda folder: True)
    with pytest.warns(TspromptNotice, match="lies in memory"):
        assert Scratch().folder == Path("/tmp")
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert Scratch().folder == Path("/tmp")


def test_tables_are_gone_through_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "BLOCK_BYTES", 3 * 5 * 4)
    table = Scratch(tmp_path).table(10, 5)
    for number, rows in enumerate(row_blocks(table)):
        table[rows] = number
    assert table[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert Scratch(tmp_path).table(0, 5).shape == (0, 5)


def test_nothing_is_left_however_a_process_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys; from tsprompt.base.scratch import Scratch\n"
        "table = Scratch(sys.argv[1]).table(1000, 10); table[:] = 1\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    call = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not list(tmp_path.iterdir())
