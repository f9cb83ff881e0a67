"""Methods over many sets, beside published results: the tables of docs/results/README.md.

    python benchmarks/archive.py ucr --data-dir ARCHIVES --seeds 3 \\
        --published ucr112_default_split.csv --columns ROCKET MR-Hydra HC2 --out FILE.json

Each run is a record of its own under --records, so that what is finished is never run
again, and all figures are gathered in one JSON that holds the command. `--resamples 5` runs the
splits 0 to 4, `5:8` those from 5 to 7, with the split's number as the seed; else the archive's own
split is run with each seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from rich.console import Console
from rich.table import Table

from tsprompt.base.files import write_whole
from tsprompt.base.spec import name_in
from tsprompt.baselines import baselines
from tsprompt.benchmark import Cell, Machine, Method, Record, baseline, run_cells
from tsprompt.data import Dataset
from tsprompt.errors import TspromptNotice
from tsprompt_datasets import load_dataset, resample_dataset

GROUPS = {
    "ucr": "ACSF1 ArrowHead BME Beef CBF Coffee ECG200 GunPoint ItalyPowerDemand OSULeaf Plane "
    "ShapeletSim SwedishLeaf SyntheticControl ToeSegmentation1 Trace Wine",
    "uea": "BasicMotions ERing Epilepsy Libras NATOPS RacketSports",
    "uneven": "PickupGestureWiimoteZ GesturePebbleZ1 MelbournePedestrian DodgerLoopWeekend "
    "JapaneseVowels",
}
METHODS: dict[str, dict[str, Any]] = {
    "default": {},
    "per-step": {"strategy": "per-step"},
    "autoencoder": {"strategy": "autoencoder"},
    "shuffled weights": {"backbone": "shuffled:minilm"},
    "random weights": {"backbone": "random:minilm"},
    "no LM": {"backbone": "none:minilm"},
    "no prompt": {"prompt": "none", "tuner": "none"},
}
RECIPES = ("fast", "accurate", "original")
KEPT = ("dataset", "method", "seed", "resample", "status", "error")
KEPT += ("accuracy", "balanced_accuracy", "log_loss")
KEPT += ("fit_seconds", "predict_seconds", "lm_seconds", "fit_tokens", "report", "weights_hash")


def make_method(words: list[str]) -> Method:
    """A method of the table above, a recipe, a baseline, or a name and what differs."""
    name, pairs = words[0], (word.split("=", 1) for word in words[1:])
    changes = {key: int(value) if value.isdigit() else value for key, value in pairs}
    if name_in(name) in baselines:
        return baseline(name)
    if name in RECIPES:
        return Method(name, "model", name, changes)
    if not changes and name not in METHODS:
        raise SystemExit(f"no method is called {name!r}; give KEY=VALUE after it")
    kind = "model" if name in ("default", "per-step", "autoencoder") else "ablation"
    return Method(name, kind, "default", {**METHODS.get(name, {}), **changes})


def run(cell: Cell, data_dir: str | None, records: Path, dtype: str) -> Record:
    def load(cell: Cell) -> Dataset:
        return resample_dataset(load_dataset(cell.dataset, data_dir=data_dir), cell.resample)

    warnings.simplefilter("ignore", TspromptNotice)
    return next(run_cells([cell], load, Machine(dtype=dtype), records))


def splits(text: str) -> range:
    return range(*(int(number) for number in text.split(":")))


def plan(arguments: argparse.Namespace) -> list[Cell]:
    sets = [name for one in arguments.sets for name in GROUPS.get(one, one).split()]
    methods = [make_method(words) for words in arguments.method or [["default"]]]
    if arguments.resamples:
        draws = [(number, number) for number in arguments.resamples]
    else:
        draws = [(seed, 0) for seed in range(arguments.seeds)]
    return [
        Cell(name, method, seed, resample)
        for name in sets
        for method in methods
        for seed, resample in draws
        if method.seeded or resample or seed == 0
    ]


def finish(cells: list[Cell], arguments: argparse.Namespace) -> Iterator[Record]:
    """All cells, several at a time."""
    jobs = (
        delayed(run)(cell, arguments.data_dir, arguments.records, arguments.dtype) for cell in cells
    )
    # One thread each: waiting for each other costs more than a second core gives.
    with parallel_config("loky", inner_max_num_threads=1 if arguments.jobs > 1 else None):
        yield from Parallel(n_jobs=arguments.jobs, return_as="generator_unordered")(jobs)


def published(path: Path | None, columns: list[str]) -> dict[str, dict[str, float]]:
    if path is None:
        return {}
    with path.open(encoding="utf-8") as lines:
        return {
            row["dataset"]: {column: float(row[column]) for column in columns}
            for row in csv.DictReader(lines)
        }


def summarise(
    records: list[Record], reference: dict[str, dict[str, float]]
) -> tuple[dict[str, dict[str, list[float]]], dict[str, Any]]:
    """Accuracies by set and method, and the means over sets, with the spread over seeds."""
    table: dict[str, dict[str, list[float]]] = {}
    by_draw: dict[str, dict[int, list[float]]] = {}
    for record in sorted(records, key=lambda one: one.seed):
        if record.accuracy is None:
            continue
        table.setdefault(record.dataset, {}).setdefault(record.method, []).append(record.accuracy)
        by_draw.setdefault(record.method, {}).setdefault(record.seed, []).append(record.accuracy)
    means: dict[str, Any] = {}
    for method, by_seed in by_draw.items():
        rows = [row[method] for row in table.values() if method in row]
        runs = [one for one in records if one.method == method and one.ok]
        means[method] = {
            "sets": len(rows),
            "mean": float(np.mean([np.mean(row) for row in rows])),
            "means_by_seed": [float(np.mean(values)) for values in by_seed.values()],
            "seconds": float(np.mean([spent(one) for one in runs])),
        }
    for column in next(iter(reference.values()), {}):
        values = [reference[name][column] for name in table]
        means[f"published {column}"] = {"sets": len(values), "mean": float(np.mean(values))}
    return table, means


def spent(record: Record) -> float:
    """Seconds of fit and predict."""
    return (record.fit_seconds or 0.0) + (record.predict_seconds or 0.0)


def show(
    table: dict[str, dict[str, list[float]]],
    means: dict[str, Any],
    reference: dict[str, dict[str, float]],
) -> None:
    methods = list(means)
    view = Table("set", *methods)
    for name in sorted(table):
        cells = []
        for method in methods:
            values = table[name].get(method)
            other = reference.get(name, {}).get(method.removeprefix("published "))
            spread = f" ± {np.std(values):.3f}" if values and len(values) > 1 else ""
            shown = f"{np.mean(values):.3f}{spread}" if values else None
            cells.append(shown or (f"{other:.3f}" if other is not None else ""))
        view.add_row(name, *cells)
    view.add_section()
    view.add_row("mean", *(f"{means[method]['mean']:.4f}" for method in methods))
    view.add_row(
        "fit and predict, s",
        *(f"{means[one]['seconds']:.1f}" if "seconds" in means[one] else "" for one in methods),
    )
    Console(width=max(100, 18 * (len(methods) + 1))).print(view)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sets", nargs="+", help=f"names of sets, or: {', '.join(GROUPS)}")
    parser.add_argument("--data-dir", help="a folder laid out as the archives are")
    parser.add_argument("--method", nargs="+", action="append", metavar=("NAME", "KEY=VALUE"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--resamples", type=splits, default=(), metavar="N or A:B")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--published", type=Path, help="a CSV: dataset, one column for each method")
    parser.add_argument("--columns", nargs="+", default=["ROCKET"])
    parser.add_argument("--records", type=Path, default=Path("archive-records"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    arguments.records.mkdir(parents=True, exist_ok=True)
    cells = plan(arguments)
    records = []
    for record in finish(cells, arguments):
        records.append(record)
        result = f"{record.accuracy:.3f}" if record.accuracy is not None else record.error
        print(
            f"{len(records)}/{len(cells)} {record.dataset} {record.method} seed {record.seed} "
            f"resample {record.resample}: {result}",
            file=sys.stderr,
        )
    reference = published(arguments.published, arguments.columns)
    if reference and not {record.dataset for record in records} <= reference.keys():
        raise SystemExit("a set has no published result: leave the set out, or --published")
    if any(not record.ok for record in records):
        raise SystemExit("some runs failed, so there are no means; their records say why")
    table, means = summarise(records, reference)
    show(table, means, reference)
    if arguments.out:
        kept = [
            {key: record.as_dict()[key] for key in KEPT if record.as_dict()[key] not in (None, {})}
            for record in sorted(records, key=lambda one: (one.dataset, one.method, one.seed))
        ]
        found = {
            "command": shlex.join(["python", "benchmarks/archive.py", *sys.argv[1:]]),
            "means": means,
            "published": {name: reference[name] for name in table if name in reference},
            "versions": records[0].versions,
            "runs": kept,
        }
        lines = json.dumps(found, indent=1)
        write_whole(arguments.out, lines + "\n")


if __name__ == "__main__":
    main()
