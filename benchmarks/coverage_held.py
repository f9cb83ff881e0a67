"""How often sets of classes hold the true one, against what they promise.

    python benchmarks/coverage_held.py --data-dir DIR --output benchmarks/results/coverage.csv
    python benchmarks/coverage_held.py --output benchmarks/results/coverage.csv --report

The univariate sets that are cheapest by cases times timesteps; on each, train and test are drawn
anew class by class (resample 0 is the default split), train whole or cut to 20 or 40 cases. Rows
for each fit and coverage; those that are there are not made again. `--report` prints the tables of
docs/results/coverage.md: means over sets of the means over resamples, and the standard error of
that over sets.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COVERAGES = (0.8, 0.9, 0.95)
TEST = 300
"""Test cases at the most, drawn at random."""


def cheapest(data_dir: Path, count: int) -> list[str]:
    """Names of the univariate sets, the cheapest first."""
    found = pd.read_csv(data_dir / "MANIFEST.csv")
    found = found[(found.channels == 1) & found.equal_length & (found.missing == 0)]
    cost = (found.n_train + found.n_test.clip(upper=TEST)) * found.length
    return list(found.name[cost.sort_values(kind="stable").index][:count])


def parted(dataset: Any, resample: int, size: int | None, rng: np.random.Generator) -> Any:
    """Train and test (X, y) of a resample; train cut to about a size, two of each class or more."""
    parts = dataset.train, dataset.test
    X = np.concatenate([np.stack([np.asarray(one) for one in part.cases]) for part in parts])
    y = np.concatenate([part.labels for part in parts])
    learn = np.arange(len(y)) < len(parts[0].labels)
    if resample:
        counts = {label: int((y[learn] == label).sum()) for label in np.unique(y)}
        learn = np.zeros(len(y), bool)
        for label, own in counts.items():
            learn[rng.permutation(np.flatnonzero(y == label))[:own]] = True
    train, test = np.flatnonzero(learn), np.flatnonzero(~learn)
    if size is not None:
        share = size / len(train)
        kept = []
        for label in np.unique(y[train]):
            own = rng.permutation(train[y[train] == label])
            kept.append(own[: max(2, round(share * len(own)))])
        train = np.concatenate(kept)
    test = rng.permutation(test)[:TEST]
    return (X[train], y[train]), (X[test], y[test])


def measure(name: str, train: Any, test: Any, options: dict[str, Any], seed: int) -> list[dict]:
    """One row for each coverage, over all cases and by class."""
    from tsprompt import PromptClassifier
    from tsprompt.errors import TspromptError
    from tsprompt.model.calibration import Kept

    begun = time.perf_counter()
    model = PromptClassifier(random_state=seed, **options).fit(*train)
    chances, calibration = model.predict_proba(test[0]), model.fitted_.calibration
    assert calibration is not None
    truth = np.searchsorted(model.classes_, test[1])
    rows = []
    for coverage in COVERAGES:
        for by in ("all", "class"):
            row = {"by": by, "coverage": coverage, "accuracy": (chances.argmax(1) == truth).mean()}
            row |= {"n_train": len(train[1]), "n_test": len(truth), "classes": chances.shape[1]}
            row |= {"calibrated_by": len(calibration), "seconds": time.perf_counter() - begun}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    sets = calibration.sets(chances, coverage, by=by)
            except TspromptError:
                rows.append(row)
                continue
            kept = Kept.of(sets, truth)
            row |= {"kept": kept.coverage, "size": kept.size, "unlike_train": kept.unlike_train}
            own = [one for one in kept.by_class if not np.isnan(one)]
            row |= {"class_mean": np.mean(own), "class_worst": np.min(own)}
            rows.append(row | {"empty": float((~sets.any(axis=1)).mean())})
    return rows


def plan() -> list[tuple[str, dict[str, Any], int, int | None]]:
    """What is fitted: a name, options, the resample, and the size that train is cut to."""
    fast = {"recipe": "fast"}
    mlp, vote = {**fast, "head": "mlp"}, {**fast, "combination": "vote"}
    jobs: list[tuple[str, dict[str, Any], int, int | None]] = [("fast", fast, 0, None)]
    for resample in (1, 2, 3):
        jobs += [("fast", fast, resample, size) for size in (20, 40, None)]
        jobs += [("fast, mlp", mlp, resample, None), ("fast, vote", vote, resample, None)]
        jobs += [("default", {}, resample, None)]
    return jobs


def run(data_dir: Path, output: Path, sets: int, seconds: float) -> None:
    from tsprompt_datasets import load_dataset

    begun = time.perf_counter()
    held = pd.read_csv(output) if output.exists() else pd.DataFrame()
    keys = ["model", "dataset", "resample", "cut"]
    done = set(held[keys].itertuples(index=False, name=None)) if len(held) else set()
    names = cheapest(data_dir, sets)
    for model, options, resample, size in plan():
        for name in names:
            key = model, name, resample, size or 0
            if key in done:
                continue
            if time.perf_counter() - begun > seconds:
                return
            dataset = load_dataset(name, data_dir=data_dir)
            if size is not None and size >= len(dataset.train.labels):
                continue
            rng = np.random.default_rng([resample, size or 0])
            made = measure(name, *parted(dataset, resample, size, rng), options, resample)
            rows = pd.DataFrame([dict(zip(keys, key, strict=True)) | row for row in made])
            held = pd.concat([held, rows], ignore_index=True)
            held.to_csv(output, index=False, float_format="%.6g")
            print(*key, f"{made[0]['seconds']:.1f} s", flush=True)


def told(rows: pd.DataFrame, columns: list[str]) -> str:
    """Means over sets, with their standard errors."""
    per_set = rows.groupby("dataset")[columns].mean()
    errors = per_set.std(ddof=1) / np.sqrt(len(per_set))
    cells = [f"{per_set[one].mean():.3f} ± {errors[one]:.3f}" for one in columns]
    return " | ".join([str(len(per_set)), *cells])


def report(output: Path) -> None:
    held = pd.read_csv(output).dropna(subset=["kept"])
    columns = ["kept", "class_mean", "class_worst", "size", "empty", "accuracy"]
    print("| model | train | by | promised | sets |", " | ".join(columns), "|")
    print("|---" * (5 + len(columns)) + "|")
    for (model, cut, by, coverage), rows in held.groupby(["model", "cut", "by", "coverage"]):
        size = f"cut to {cut}" if cut else "whole"
        print(f"| {model} | {size} | {by} | {coverage} | {told(rows, columns)} |")
    whole = held[(held.model == "fast") & (held.by == "all")]
    edges = pd.cut(whole.n_train, [0, 30, 60, 150, 500, 10**6])
    for (size, coverage), rows in whole.groupby([edges, "coverage"], observed=True):
        print(f"| fast, all | {size} | {coverage} | {told(rows, columns)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sets", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=2400, help="no fit begins after these")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    if args.report:
        report(args.output)
    else:
        run(args.data_dir, args.output, args.sets, args.seconds)


if __name__ == "__main__":
    main()
