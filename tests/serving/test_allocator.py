"""What is freed goes back to the system, and kernels are bounded."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os, sys
import psutil, torch
from tsprompt import Socket
Socket(device="cpu")
print(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"])
from tsprompt.serving.allocator import give_back
held = [bytearray(50_000) for _ in range(2000)]
kept = held[::100]
before = psutil.Process().memory_info().rss
del held
give_back()
print(before - psutil.Process().memory_info().rss > 50_000_000)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries give back by themselves")
def test_what_is_freed_goes_back_and_kernels_are_bounded() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["32", "True"]
