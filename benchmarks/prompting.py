"""The table of all prompting methods, from a folder of results.

tsprompt bench run benchmarks/prompting.toml --results results/prompting
python benchmarks/prompting.py results/prompting --out benchmarks/results/prompting.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from tsprompt.benchmark.record import read_record
from tsprompt.files import write_whole

COLUMNS = ("dataset", "method", "shots", "seed", "status", "accuracy", "fit_seconds")
COLUMNS += ("trainable_parameters", "error")


def runs(folder: Path) -> pd.DataFrame:
    """One row for each run."""
    records = [read_record(file) for file in sorted((folder / "records").glob("*.json"))]
    rows = [{name: getattr(record, name) for name in COLUMNS} for record in records if record]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """For each method and number of shots: means over the sets of means over seeds, and the
    standard deviation over seeds of the mean over sets."""
    done = found[found.status == "ok"].assign(shots=lambda one: one.shots.fillna(0).astype(int))
    keys = ["method", "shots"]
    by_set = done.groupby([*keys, "dataset"])[["accuracy", "fit_seconds", "trainable_parameters"]]
    means = by_set.mean().groupby(keys).mean()
    means["spread"] = done.groupby([*keys, "seed"]).accuracy.mean().groupby(keys).std()
    means["sets"] = done.groupby(keys).dataset.nunique()
    means["runs"] = done.groupby(keys).size()
    return means


def markdown(means: pd.DataFrame, order: list[str]) -> list[str]:
    """Methods in the plan's order; all of train, then few shots."""
    heads = ["method", "all of train", "5 shots", "trainable", "fit, s", "runs"]
    lines = _head(heads)
    for method in order:
        cells = [_accuracy(means, method, shots) for shots in (0, 5)]
        rows = means.loc[[key for key in means.index if key[0] == method]]
        if rows.empty:
            continue
        first: Any = rows.iloc[0]
        cells += [f"{first.trainable_parameters:,.0f}", f"{first.fit_seconds:.1f}"]
        lines.append(f"| {' | '.join([method, *cells, str(int(rows.runs.sum()))])} |")
    return lines


def by_set(found: pd.DataFrame, shots: int, order: list[str]) -> list[str]:
    """Mean accuracy over seeds on each set: methods in the plan's order, sets as columns."""
    done = found[(found.status == "ok") & (found.shots.fillna(0) == shots)]
    table = done.pivot_table("accuracy", "method", "dataset")
    lines = _head(["method", *table.columns])
    best = table.max()
    for method in [name for name in order if name in table.index]:
        cells = [
            f"**{one:.3f}**" if one == best[name] else f"{one:.3f}"
            for name, one in table.loc[method].items()
        ]
        lines.append(f"| {' | '.join([method, *cells])} |")
    return lines


def _head(names: list[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _accuracy(means: pd.DataFrame, method: str, shots: int) -> str:
    if (method, shots) not in means.index:
        return ""
    row: Any = means.loc[(method, shots)]
    spread = f" ± {row.spread:.3f}" if row.spread == row.spread else ""  # one seed has none
    return f"{row.accuracy:.3f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = runs(given.results)
    means = summary(found)
    order = list(dict.fromkeys(found.method))
    order.sort(
        key=lambda name: -float(means.loc[name].accuracy.mean()) if name in means.index else 0
    )
    print("\n".join(markdown(means, order)))
    for shots in sorted(set(found.shots.fillna(0).astype(int))):
        title = f"{shots} shots" if shots else "All of train"
        print("\n".join(["", f"{title}, by set:", "", *by_set(found, shots, order)]))
    for row in found[found.status != "ok"].itertuples():
        print(f"{row.dataset}, {row.method}, {row.shots} shots, seed {row.seed}: {row.error}")
    if given.out:
        kept = json.loads(found.to_json(orient="records"))
        text = json.dumps({"command": "make bench-prompting", "runs": kept}, indent=0)
        write_whole(given.out, text + "\n")


if __name__ == "__main__":
    main()
