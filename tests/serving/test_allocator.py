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
print(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"], os.environ["LRU_CACHE_CAPACITY"])
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
    assert done.stdout.split() == ["32", "16", "True"]


ROWS = """
import sys
import psutil, torch
from tsprompt.serving.allocator import bound_kernels, give_back
if sys.argv[1] == "bound":
    bound_kernels()
torch.set_num_threads(1)
weights, process = torch.randn(384, 384).to(torch.bfloat16), psutil.Process()
for rows in range(1, 200):
    torch.nn.functional.linear(torch.randn(rows, 384).to(torch.bfloat16), weights)
    if rows == 10:
        give_back()
        before = process.memory_info().rss
give_back()
print((process.memory_info().rss - before) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries give back by themselves")
def test_batches_of_all_sizes_leave_few_kernels() -> None:
    """Neither in oneDNN nor in torch beside it: where bfloat16 is multiplied by oneDNN at all."""
    free, bound = (
        float(
            subprocess.run(
                [sys.executable, "-c", ROWS, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("free", "bound")
    )
    assert bound < max(10, free / 4)
