"""How near are `--dry-run`'s estimates? Ten sets: estimated, then fitted and predicted.

    python benchmarks/estimates.py --data-dir DIR --out FILE.json
    python benchmarks/estimates.py --data-dir DIR --clock process   # where others use the machine

Estimate and fit follow each other in one process, one thread, so that both see the same machine.
The language model is loaded and the packages are imported before either.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from tsprompt import PromptClassifier
from tsprompt.errors import TspromptNotice
from tsprompt.model.estimate import Asks, estimate
from tsprompt.recipes import resolve
from tsprompt_datasets import load_dataset

SETS = (
    "ItalyPowerDemand",
    "ArrowHead",
    "ShapeletSim",
    "GestureMidAirD1",
    "OSULeaf",
    "FingerMovements",
    "StandWalkJump",
    "Strawberry",
    "MelbournePedestrian",
    "LSST",
)
"""Short and long, few cases and many, one feature and 28, equal lengths and not."""
CLOCKS = {"wall": time.perf_counter, "process": time.process_time}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="a folder laid out as the archives are")
    parser.add_argument("--recipe", default="fast", help="default: %(default)s")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="default: %(default)s")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", TspromptNotice)
    one_set(SETS[1], options)  # not counted: what is loaded and imported once
    rows = []
    for name in SETS:
        rows.append(one_set(name, options))
        print(json.dumps(rows[-1]), flush=True)
        if options.out:
            options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"worst factor of fit and prediction: {max(map(factor, rows)):.2f}")


def one_set(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Estimated and measured seconds and tokens of a set."""
    data, clock = load_dataset(name, data_dir=options.data_dir), CLOCKS[options.clock]
    asks = Asks(data.train.cases, len(data.test), len(data.classes))
    marks = [clock()]
    told = estimate(resolve(options.recipe, {}), asks, device="cpu", clock=clock)
    marks.append(clock())
    model = PromptClassifier(options.recipe, device="cpu", random_state=0)
    model.fit(data.train.cases, data.train.labels)
    marks.append(clock())
    model.predict_proba(data.test.cases)
    marks.append(clock())
    spent, fit, predict = (round(b - a, 3) for a, b in pairwise(marks))
    return {
        "set": name,
        "cases": [len(data.train), len(data.test)],
        "timesteps": data.timesteps,
        "features": data.train.cases.n_features,
        "fit": [round(told.fit_seconds or 0, 3), fit],
        "predict": [round(told.predict_seconds or 0, 3), predict],
        "tokens": [told.tokens, model.reader_.tokens_run],
        "estimating": spent,
    }


def factor(row: dict[str, Any]) -> float:
    """By which estimate and measurement of fit and prediction together differ, 1 or more."""
    estimated, measured = (row["fit"][k] + row["predict"][k] for k in (0, 1))
    return float(max(estimated / measured, measured / estimated))


if __name__ == "__main__":
    main()
