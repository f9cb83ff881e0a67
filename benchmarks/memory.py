"""What fits and predictions take of memory, beside what `tsprompt.model.memory` says they need.

    python benchmarks/memory.py

Each shape is measured in a process of its own: the peak of its resident memory, less what it held
when the estimate was made (the language model and the series as they were handed in).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "default, 1,500 cases x 100": {"cases": 1_500, "timesteps": 100},
    "2,500 cases x 60, 2 prompts": {"cases": 2_500, "timesteps": 60, "n_prompts": 2},
    "1,000 cases x 4,000 x 3 features": {"cases": 1_000, "timesteps": 4_000, "features": 3},
    "words at the mask, mlp": {
        "cases": 20_000,
        "timesteps": 20,
        "tokenizer": "bins",
        "readout": "mask",
        "head": "mlp:epochs=5",
    },
    "predicting 12,000 cases x 60": {"cases": 12_000, "timesteps": 60, "train": 200},
}
"""What is fitted, or, where there is a number of cases to fit on, predicted. Each needs more than
512 MiB: below that nobody is asked."""


def main() -> None:
    """Measure all shapes, and print need, use and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="none:minilm", help="default: %(default)s")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(**json.loads(options.child))))
        return
    for name, shape in SHAPES.items():
        call = [sys.executable, __file__, "--child", json.dumps(shape | vars(options))]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        need, used = json.loads(done.stdout.splitlines()[-1])
        print(f"{name:34} needs {need >> 20:6} MiB, took {used >> 20:6} MiB: {need / used:.2f}")


def measure(
    cases: int,
    timesteps: int,
    features: int = 1,
    train: int = 0,
    child: None = None,
    **choices: Any,
) -> tuple[int, int]:
    """The estimate and the use, in bytes."""
    import numpy as np
    import psutil

    from tsprompt import PromptClassifier
    from tsprompt.model import memory

    rng = np.random.default_rng(0)
    X = rng.normal(size=(cases, timesteps, features)).astype(np.float32)
    y = np.arange(cases) % 3
    X += y[:, None, None] * np.sin(np.arange(timesteps))[:, None].astype(np.float32)
    classifier = PromptClassifier(**choices, device="cpu", random_state=0)
    if train:
        classifier.fit(X[:train], y[:train])
    seen: list[tuple[int, int]] = []
    real = memory._refuse

    def watch(need: memory.Need, *rest: Any) -> None:
        seen.append((need.bytes, psutil.Process().memory_info().rss))
        real(need, *rest)

    memory._refuse = watch
    if train:
        classifier.predict(X)
    else:
        classifier.fit(X, y)
    need, before = seen[-1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return need, peak - before


if __name__ == "__main__":
    main()
