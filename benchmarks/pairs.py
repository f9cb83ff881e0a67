"""Each method of a kept file of runs beside one of them, on the sets that these two have.

    python benchmarks/pairs.py benchmarks/results/development.json default

`tsprompt report` compares on the sets that all methods have; where some were stopped early, these
are few. Means over sets and over families of sets, with their standard errors.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tsprompt.report import load_results
from tsprompt.report.statistics import compare_methods
from tsprompt_datasets import family_of


def main(file: Path, reference: str) -> None:
    """Print a line for each of the other methods."""
    rows = [
        (one.dataset, one.method, one.resample, one.accuracy)
        for one in load_results(file).records
        if one.ok
    ]
    names = pd.Index(["dataset", "method", "resample", "accuracy"])
    runs = pd.DataFrame(rows, columns=names).set_index(["dataset", "resample", "method"])
    table = runs["accuracy"].astype(float).unstack("method")
    for method in table.columns.drop(reference):
        sets = table[[method, reference]].dropna().groupby("dataset").mean()
        families = sets.groupby(family_of).mean()
        told = [_difference(each[method] - each[reference]) for each in (sets, families)]
        p = compare_methods(families).pairs["p"].iloc[0]
        print(
            f"{method}: {len(sets)} sets {told[0]}, {len(families)} families {told[1]}, p {p:.3f}"
        )


def _difference(values: pd.Series) -> str:
    return f"{values.mean():+.4f} ± {values.std() / np.sqrt(len(values)):.4f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
