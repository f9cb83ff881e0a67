"""The table of all prompting methods, from a folder of results.

tsprompt bench run benchmarks/prompting.toml --results results/prompting
python benchmarks/prompting.py results/prompting --out benchmarks/results/prompting.json
python benchmarks/prompting.py benchmarks/results/prompting.json --against default

Given a folder of results, or the JSON of an earlier call: means, means by set, and the paired
differences from one method.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from tsprompt.base.files import write_whole
from tsprompt.benchmark.record import read_record

COLUMNS = ("dataset", "method", "shots", "seed", "status", "accuracy", "fit_seconds")
COLUMNS += ("trainable_parameters", "error")


def runs(place: Path) -> pd.DataFrame:
    """One row for each run; 0 shots are all of train."""
    if place.is_dir():
        records = [read_record(file) for file in sorted((place / "records").glob("*.json"))]
        rows = [{name: getattr(record, name) for name in COLUMNS} for record in records if record]
    else:
        rows = json.loads(place.read_text(encoding="utf-8"))["runs"]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.assign(shots=found.shots.fillna(0).astype(int))


def summary(done: pd.DataFrame) -> pd.DataFrame:
    """For each method and number of shots: means over the sets of means over seeds (of seconds, of
    medians), and the standard deviation over seeds of the mean over sets."""
    keys = ["method", "shots"]
    by_set = done.groupby([*keys, "dataset"])
    means = by_set[["accuracy", "trainable_parameters"]].mean().groupby(keys).mean()
    means["fit_seconds"] = by_set.fit_seconds.median().groupby(keys).mean()
    means["spread"] = done.groupby([*keys, "seed"]).accuracy.mean().groupby(keys).std()
    return means


def markdown(means: pd.DataFrame, order: list[str]) -> list[str]:
    """Methods in this order; all of train, then few shots."""
    heads = ["method", "all of train", "5 shots", "trainable", "fit, s"]
    lines = _head(heads)
    for method in order:
        cells = [_accuracy(means, method, shots) for shots in (0, 5)]
        rows = means.loc[[key for key in means.index if key[0] == method]]
        if rows.empty:
            continue
        first: Any = rows.iloc[0]
        cells += [f"{first.trainable_parameters:,.0f}", f"{first.fit_seconds:.1f}"]
        lines.append(f"| {' | '.join([method, *cells])} |")
    return lines


def by_set(done: pd.DataFrame, shots: int, order: list[str]) -> list[str]:
    """Mean accuracy over seeds on each set: methods in this order, sets as columns."""
    table = done[done.shots == shots].pivot_table("accuracy", "method", "dataset")
    lines = _head(["method", *table.columns])
    best = table.max()
    for method in [name for name in order if name in table.index]:
        cells = [
            f"**{one:.3f}**" if one == best[name] else f"{one:.3f}"
            for name, one in table.loc[method].items()
        ]
        lines.append(f"| {' | '.join([method, *cells])} |")
    return lines


def differences(done: pd.DataFrame, against: str, order: list[str]) -> list[str]:
    """For each method the mean over the sets of what it has more than another one, the standard
    error of that over the sets, and on how many sets it is more."""
    shots = sorted(done.shots.unique())
    lines = _head(["method", *(_shots(one).lower() for one in shots)])
    tables = [done[done.shots == one].pivot_table("accuracy", "dataset", "method") for one in shots]
    for method in [name for name in order if name != against]:
        cells = []
        for table in tables:
            more = (table[method] - table[against]).dropna()
            cells.append(
                f"{more.mean():+.3f} ± {more.sem():.3f}, {(more > 0).sum()} of {len(more)}"
            )
        lines.append(f"| {' | '.join([method, *cells])} |")
    return lines


def _shots(count: int) -> str:
    return f"{count} shots" if count else "All of train"


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
    parser.add_argument(
        "--against", default="no prompt, mask + ridge", help="the method that others are set beside"
    )
    given = parser.parse_args()
    found = runs(given.results)
    done = found[found.status == "ok"]
    means = summary(done)
    order = sorted(set(done.method), key=lambda name: -float(means.loc[name].accuracy.mean()))
    print("\n".join(markdown(means, order)))
    for shots in sorted(set(done.shots)):
        print("\n".join(["", f"{_shots(shots)}, by set:", "", *by_set(done, shots, order)]))
    title = f"More than {given.against}, ± standard error over sets, on how many sets:"
    print("\n".join(["", title, "", *differences(done, given.against, order)]))
    for row in found[found.status != "ok"].itertuples():
        print(f"{row.dataset}, {row.method}, {row.shots} shots, seed {row.seed}: {row.error}")
    if given.out:
        kept = json.loads(found.to_json(orient="records"))
        text = json.dumps({"command": "make bench-prompting", "runs": kept}, indent=0)
        write_whole(given.out, text + "\n")


if __name__ == "__main__":
    main()
