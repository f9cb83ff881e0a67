"""Runs on one GPU take turns, whoever starts them; there is no GPU here."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch

from tsprompt.backbones import load
from tsprompt.benchmark import Cell, Machine, Method, baseline
from tsprompt.benchmark import gpu_turns as turns
from tsprompt.benchmark.gpu_turns import gpu_of, taking_turns

MODEL = Cell("A", Method("mine", "model", "fast"), 0)


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_runs_than_are_allowed_are_at_it(tmp_path: Path, at_once: int) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def run() -> None:
        nonlocal now, most
        with taking_turns("cuda-0", at_once, folder=tmp_path) as mine:
            assert mine
            with lock:
                now, most = now + 1, max(most, now + 1)
            time.sleep(0.05)
            with lock:
                now -= 1

    threads = [threading.Thread(target=run) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert most == at_once
    assert now == 0


def test_whoever_waits_gives_up_when_all_is_over(tmp_path: Path) -> None:
    with taking_turns("cuda-0", 1, folder=tmp_path) as first:
        assert first
        with taking_turns("cuda-0", 1, lambda: True, tmp_path) as second:
            assert not second
        with taking_turns("cuda-1", 1, folder=tmp_path) as other, taking_turns(None, 1) as none:
            assert other
            assert none


def test_only_what_runs_a_network_uses_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_of(MODEL, Machine("cpu")) is None
    assert gpu_of(MODEL, Machine("cuda:99")) is None  # the run will say that there is none
    monkeypatch.setattr(load, "pick_device", torch.device)
    assert gpu_of(MODEL, Machine("cuda:1")) == "cuda-1"
    assert gpu_of(MODEL, Machine("mps")) == "mps-0"
    assert gpu_of(Cell("A", baseline("fcn"), 0), Machine("cuda")) == "cuda-0"
    assert gpu_of(Cell("A", baseline("ridge"), 0), Machine("cuda")) is None
    assert turns.gpu_of(Cell("A", baseline("moment"), 0), Machine("cuda")) == "cuda-0"
