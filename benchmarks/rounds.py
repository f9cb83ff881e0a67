"""Rounds of designs on the development sets: heads on the same features, views beside each other.

    python benchmarks/rounds.py heads --data-dir DATA --cache FOLDER    which head, for few cases?
    python benchmarks/rounds.py views --data-dir DATA --cache FOLDER    do other views add anything?
    python benchmarks/rounds.py views --cache FOLDER --report           what is there so far

A view is what one method makes of the cases: features (B, R), computed once for each content of a
split and kept in the folder. A design makes labels of views and sees train alone. Sets and
resamples are those of `development.toml`; what is done is kept in `results/rounds.json`, and is not
done again. The table has a line for each design: the mean difference to the first one over sets,
and over families of sets, with standard errors, and Wilcoxon's p over families with Holm's
correction over the designs of the round. Ablations follow, each beside its design.
"""

from __future__ import annotations

import argparse
import json
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from round_parts.heads import HEADS, Design, Split
from round_parts.stacks import STACKS, WITHOUT
from round_parts.views import VIEWS, kept

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rounds.json"
FEW = 150
"""The most train cases of a set in the round of heads."""

ROUNDS: dict[str, tuple[dict[str, Design], dict[tuple[str, str], Design]]] = {
    "heads": (HEADS, {}),
    "views": (STACKS, WITHOUT),
}
"""Name -> its designs, the first of which all others are compared with, and ablations of them: the
design, and what they have instead of its language model."""
_BESIDE = "; "
_VIEWS = {"heads": ("prompt",), "views": tuple(VIEWS)}


def main() -> None:
    """Run what is missing of a round, and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("round", choices=ROUNDS)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--sets", nargs="+", help="default: those of development.toml")
    parser.add_argument("--jobs", type=int, default=1, help="splits at a time; default: 1")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    plan = tomllib.loads((HERE / "development.toml").read_text())
    done = json.loads(options.results.read_text()) if options.results.exists() else {}
    runs = done.setdefault(options.round, {})
    left = [
        (name, resample)
        for name in options.sets or plan["sets"]
        for resample in plan["resamples"]
        if f"{name} {resample}" not in runs and not options.report
    ]
    at_once = Parallel(options.jobs, return_as="generator_unordered")
    made = delayed(run)
    for name, resample, found in at_once(
        made(options.round, *one, options.data_dir, options.cache) for one in left
    ):
        if found is None:
            continue
        runs[f"{name} {resample}"] = found
        options.results.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n")
        print(name, resample, {one: round(value, 3) for one, value in found.items()}, flush=True)
    show(options.round, runs)


def run(
    kind: str, name: str, resample: int, data_dir: Path | None, cache: Path
) -> tuple[str, int, dict[str, float] | None]:
    """A split, and the accuracy of each design of a round on it; None: it has no part in it."""
    from tsprompt_datasets import load_dataset, resample_dataset

    warnings.simplefilter("ignore")
    dataset = resample_dataset(load_dataset(name, data_dir=data_dir), resample)
    train, test = dataset.train, dataset.test
    lengths = {*train.cases.lengths.tolist(), *test.cases.lengths.tolist()}
    if len(lengths) > 1 or (kind == "heads" and len(train.labels) > FEW):
        return name, resample, None
    X, X_test = (
        np.stack([np.asarray(one, np.float64) for one in part.cases]) for part in (train, test)
    )
    if kind == "views" and (np.isnan(X).any() or np.isnan(X_test).any()):
        return name, resample, None  # aeon's transformations read no gaps
    numbers = {label: number for number, label in enumerate(dataset.classes)}
    y, y_test = (np.array([numbers[one] for one in part.labels]) for part in (train, test))
    views = {one: kept(cache, one, (X, y, X_test), resample) for one in _VIEWS[kind]}
    designs, ablations = ROUNDS[kind]
    split = Split(views, y, resample)
    made = {**designs, **{_BESIDE.join(one): make for one, make in ablations.items()}}
    right = {one: make(split) == y_test for one, make in made.items()}
    return name, resample, {one: float(each.mean()) for one, each in right.items()}


def show(kind: str, runs: dict[str, dict[str, float]]) -> None:
    """Print the table of a round, and one of its ablations."""
    from statsmodels.stats.multitest import multipletests

    from tsprompt.report.statistics import compare_methods
    from tsprompt_datasets import family_of

    designs, ablations = ROUNDS[kind]
    table = pd.DataFrame(runs).T
    sets = table.groupby(lambda key: key.split()[0]).mean()
    families = sets.groupby(family_of).mean()
    print(f"{len(table)} splits of {len(sets)} sets, {len(families)} families")

    def compare(pairs: list[tuple[str, str]]) -> None:
        p = [compare_methods(families[[of, one]]).pairs["p"].iloc[0] for one, of in pairs]
        corrected = multipletests(p, method="holm")[1]
        for (one, of), own, holm in zip(pairs, p, corrected, strict=True):
            told = [_difference(each[one] - each[of]) for each in (sets, families)]
            shown = [f"{sets[one].mean():.4f}", *told, f"{own:.3f}", f"{holm:.3f}"]
            print(f"| {one} | {' | '.join(shown)} |")

    first, *others = designs
    print(f"| design | mean | sets, to `{first}` | families | p | Holm |")
    print("|---|---:|---:|---:|---:|---:|")
    print(f"| {first} | {sets[first].mean():.4f} | | | | |")
    compare([(one, first) for one in others])
    if ablations:
        print("| ablation | mean | sets, to its design | families | p | Holm |")
        print("|---|---:|---:|---:|---:|---:|")
        compare([(_BESIDE.join(one), one[0]) for one in ablations])


def _difference(values: pd.Series[float]) -> str:
    return f"{values.mean():+.4f} ± {values.std() / np.sqrt(len(values)):.4f}"


if __name__ == "__main__":
    main()
