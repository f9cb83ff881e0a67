"""What might make the frozen language model add more: one change at a time, against the default.

    python benchmarks/lm_trials.py --data-dir ARCHIVES --out FILE.json

Trials that are no option of the library are made by changing the loaded model or the tokenizer's
output here. Each is run on the same sets and seeds; the default split.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.base.files import write_whole
from tsprompt.errors import TspromptNotice
from tsprompt.tokenizers.base import Embedder
from tsprompt_datasets import load_dataset

SETS = "ArrowHead Beef ECG200 ItalyPowerDemand SyntheticControl ToeSegmentation1 Wine ERing Libras "
SETS += "RacketSports"
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "no LM": {"backbone": "none:minilm"},
    "scale 16": {"tokenizer": "kernels:scale=16"},
    "scale 64": {"tokenizer": "kernels:scale=64"},
    "best of 4 prompts": {"tuner": "search:draws=4"},
    "prompt of 64 words": {"prompt": "hard:length=64"},
    "last layers (5 and 6)": {"readout": "pooled:layers=5+6"},
}
DEPTH = 2
"""Layers that the default recipe reads."""


@contextmanager
def without_positions() -> Iterator[None]:
    """Position embeddings are all zero, so that tokens differ by what they are alone."""
    weight = load_backbone(
        "minilm", DEPTH, device="cpu"
    ).model.embeddings.position_embeddings.weight
    kept = weight.clone()
    try:
        weight.zero_()
        yield
    finally:
        weight.copy_(kept)


@contextmanager
def among_the_words() -> Iterator[None]:
    """Tokens are turned and stretched so that they spread as the word embeddings do."""
    words = load_backbone("minilm", DEPTH, device="cpu").word_vectors
    values, directions = torch.linalg.eigh(torch.cov((words - words.mean(dim=0)).T))
    stretch = values.clamp(min=0).sqrt()
    turn = (directions * (stretch / stretch.square().mean().sqrt())).T
    scaled = Embedder._scaled

    def spread(self: Embedder, vectors: torch.Tensor) -> torch.Tensor:
        return scaled(self, vectors) @ turn

    with patch.object(Embedder, "_scaled", spread):
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    yield


CHANGES = {"no positions": without_positions, "spread as words": among_the_words}


def accuracy(name: str, trial: str, seed: int, data_dir: str | None) -> float:
    warnings.simplefilter("ignore", TspromptNotice)
    data = load_dataset(name, data_dir=data_dir)
    with CHANGES.get(trial, as_it_is)():
        classifier = PromptClassifier(device="cpu", random_state=seed, **OPTIONS.get(trial, {}))
        classifier.fit(data.train.cases, data.train.labels)
        return float(np.mean(classifier.predict(data.test.cases) == data.test.labels))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data-dir")
    parser.add_argument("--sets", nargs="+", default=SETS.split())
    parser.add_argument("--trials", nargs="+", default=[*OPTIONS, *CHANGES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    runs = [
        (name, trial, seed)
        for name in given.sets
        for trial in given.trials
        for seed in range(given.seeds)
    ]
    with parallel_config("loky", inner_max_num_threads=1 if given.jobs > 1 else None):
        found = Parallel(n_jobs=given.jobs, verbose=1)(
            delayed(accuracy)(*run, given.data_dir) for run in runs
        )
    rows = dict(zip(runs, found, strict=True))
    means = {}
    for trial in given.trials:
        table = np.array(
            [[rows[name, trial, seed] for seed in range(given.seeds)] for name in given.sets]
        )
        base = np.array(
            [[rows[name, "default", seed] for seed in range(given.seeds)] for name in given.sets]
        )
        gains = (table - base).mean(axis=1)
        means[trial] = {
            "mean": float(table.mean()),
            "minus default": float(gains.mean()),
            "standard error over sets": float(gains.std(ddof=1) / np.sqrt(len(gains))),
            "by seed": table.mean(axis=0).tolist(),
        }
        print(
            f"{trial:24s} {means[trial]['mean']:.4f}  {means[trial]['minus default']:+.4f} "
            f"± {means[trial]['standard error over sets']:.4f}"
        )
    if given.out:
        kept = {
            "command": shlex.join(["python", "benchmarks/lm_trials.py", *sys.argv[1:]]),
            "means": means,
            "runs": [[*run, one] for run, one in rows.items()],
        }
        write_whole(given.out, json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
