"""Heads fitted on features that lie in a scratch file: memory and seconds against cases.

    OMP_NUM_THREADS=1 python benchmarks/stored_heads.py [--cases 10000 40000] [--head SPEC ...]

The features are made up: states at the mask of a language model, drawn around one word for each of
four classes. Each fit runs in a process of its own. Memory is what the system can't drop or write
out (anonymous memory), at its most while the head was fitted, above what there was before; the
features alone would be what is given beside it. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

CASES = (10_000, 40_000)
CLASSES = ("calm", "mild", "wild", "hard")
HEADS = (
    "mlp:epochs=2",
    "prototype:epochs=2",
    "soft-words-head:epochs=2,scores=tied",
    "label-words:scores=tied",
    "auto-words:scores=tied,choice=likelihood",
    "label-texts:scores=tied",
    "knowledge:scores=tied",
)


def main() -> None:
    """Fit each head on each number of cases, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, nargs="+", default=list(CASES))
    parser.add_argument("--head", nargs="+", default=list(HEADS))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.head[0], asked.cases[0])))
        return
    print("| head | cases | features, MiB | memory, MiB | seconds |\n|---|---:|---:|---:|---:|")
    for head in asked.head:
        for count in asked.cases:
            call = [sys.executable, __file__, "--child", "--cases", str(count), "--head", head]
            told = json.loads(subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout)
            numbers = "{features:.0f} | {memory:.0f} | {seconds:.0f}".format(**told)
            print(f"| `{head}` | {count:,} | {numbers} |", flush=True)


def measure(spec: str, count: int) -> dict[str, float]:
    """Fit one head on so many cases."""
    import numpy as np
    import torch

    from tsprompt.backbones import load_backbone
    from tsprompt.base.scratch import Scratch, row_blocks
    from tsprompt.heads import Lesson, heads

    warnings.simplefilter("ignore")
    backbone = load_backbone("minilm", 0, 0, "cpu", "float32")
    head: Any = heads.build(spec)
    head.meet(backbone, classes=list(CLASSES))
    rng = torch.Generator().manual_seed(0)
    labels = np.arange(count) % len(CLASSES)
    ids = torch.tensor([backbone.words.id(word) for word in CLASSES])
    with tempfile.TemporaryDirectory() as folder:
        table = Scratch(folder).table(count, backbone.hidden_size)
        for rows in row_blocks(table):
            words = backbone.embed(ids[torch.from_numpy(labels[rows])])
            table[rows] = words + 0.1 * torch.randn(words.shape, generator=rng)
        peak = Peak()
        begun = time.process_time()
        head.fit(Lesson(table, labels, len(CLASSES), 0))
        seconds = time.process_time() - begun
        return {"features": table.nbytes / 2**20, "memory": peak.stop(), "seconds": seconds}


class Peak:
    """The most anonymous memory above what there is now, in MiB, looked at every 10 ms."""

    def __init__(self) -> None:
        self._first = self._most = _anonymous()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            self._most = max(self._most, _anonymous())

    def stop(self) -> float:
        """End, and give it."""
        self._ended.set()
        self._thread.join()
        return (self._most - self._first) / 1024


def _anonymous() -> int:
    """KiB of this process."""
    with Path("/proc/self/status").open(encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    main()
