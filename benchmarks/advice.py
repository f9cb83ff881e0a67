"""Is the advice any good? On ten sets, what `tsprompt advise` chooses inside train, scored on test
beside always taking the default, and beside the best in hindsight.

    python benchmarks/advice.py --data-dir DATA --records results/advice \
        --output docs/results/advice.md

The sets are chosen by size alone: of those in the folder with 10 train cases of each class or more,
the ten with the fewest values in train (cases x timesteps x features). Goes on where it was
stopped. With --limit N it stops after N new runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsprompt.advice import DEFAULT, AdvicePlan, Level, training_strategies
from tsprompt.advice.means import mean_of
from tsprompt.advice.subsets import cut, few_of_each
from tsprompt.benchmark import Cell, Machine, Record, record_file, run_cells
from tsprompt.data import Dataset, Split
from tsprompt.errors import TspromptNotice
from tsprompt_datasets import list_datasets, load_dataset

SETS, LEAST = 10, 10
SHARED = {"tokenizer": "kernels:steps=24"}
EPOCHS, LAYER, SPLITS = 10, 2, 4
FEWER_SPLITS = {"ECG200": 2}
"""The largest of the ten, with four levels."""
TESTED = 200
"""Cases of test at the most, drawn at random: a prediction in context takes a tenth of a second."""
MACHINE = Machine(device="cpu", dtype="float32")


def chosen_sets(data_dir: str) -> list[Dataset]:
    """The ten, by size alone."""
    sized = []
    for entry in list_datasets(data_dir):
        dataset = load_dataset(entry.name, data_dir=data_dir, download=False)
        counts = Counter(dataset.train.labels.tolist())
        if min(counts.values()) >= LEAST:
            values = sum(one.size for one in dataset.train.cases)
            sized.append((values, dataset.name, dataset))
    return [dataset for _, _, dataset in sorted(sized, key=lambda one: one[:2])[:SETS]]


def tested(dataset: Dataset) -> Dataset:
    """The set with at most `TESTED` cases of test."""
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(len(dataset.test))[:TESTED])
    test = Split(dataset.test.cases.take(kept), dataset.test.labels[kept])
    return dataclasses.replace(dataset, test=test, sha256={**dataset.sha256, "tested": str(TESTED)})


def plan_of(dataset: Dataset) -> AdvicePlan:
    strategies = training_strategies(SHARED, epochs=EPOCHS, layer=LAYER)
    splits = FEWER_SPLITS.get(dataset.name, SPLITS)
    return AdvicePlan.of(dataset, strategies, splits=splits, seed=0)


def test_cells(plan: AdvicePlan) -> Iterator[tuple[Cell, Dataset]]:
    """Each strategy, fitted on as many train cases as the level says, scored on test."""
    whole = tested(plan.dataset)
    labels = whole.train.labels
    for few in dict.fromkeys(few for few, _ in plan.parts):
        learn = few_of_each(labels, np.arange(len(labels)), few, seed=0)
        assert learn is not None
        part = cut(whole, f"{whole.name}, on test", learn)
        for one in plan.strategies:
            yield Cell(part.name, one.method, seed=0, shots=few), part


class Runner:
    """Runs cells, keeps records, and counts what is new."""

    def __init__(self, folder: Path, limit: int | None) -> None:
        self.folder, self.limit, self.new = folder, limit, 0

    def run(self, cell: Cell, dataset: Dataset) -> Record:
        made = not record_file(self.folder, cell, dataset, MACHINE).is_file()
        [record] = run_cells([cell], lambda _: dataset, MACHINE, self.folder)
        self.new += made
        if made:
            seconds = (record.fit_seconds or 0) + (record.predict_seconds or 0)
            said = f"{record.accuracy:.3f}" if record.ok else record.error
            print(
                f"{time.strftime('%H:%M:%S')} {record.dataset}, {record.method}, "
                f"{record.shots or 'all'}, split {record.resample}: {said} ({seconds:.1f} s)",
                flush=True,
            )
        if self.limit is not None and self.new >= self.limit:
            sys.exit(f"{self.new} new runs; start again to go on")
        return record


def study(dataset: Dataset, runner: Runner) -> list[dict[str, Any]]:
    """A row for each level: what was chosen, and what test says of it."""
    plan = plan_of(dataset)
    advice = plan.read([runner.run(cell, plan.load(cell)) for cell in plan.cells()])
    scored: dict[int | None, dict[str, float]] = {}
    for cell, part in test_cells(plan):
        record = runner.run(cell, part)
        if record.ok:
            scored.setdefault(cell.shots, {})[record.method] = float(record.accuracy or 0)
    return [row_of(dataset, level, scored[level.few]) for level in advice.levels]


def row_of(dataset: Dataset, level: Level, on_test: dict[str, float]) -> dict[str, Any]:
    best = max(on_test.values())
    return {
        "set": dataset.name,
        "level": level.called,
        "few": level.few,
        "cases": level.n_learn,
        "chosen": level.chosen,
        "near": level.level,
        "highest": level.best,
        "on_test": on_test,
        "advice": on_test[level.chosen],
        "default": on_test[DEFAULT],
        "highest_mean": on_test[level.best],
        "hindsight": best,
        "best": [name for name, value in on_test.items() if value == best],
    }


# --- in words ---


def report(rows: list[dict[str, Any]]) -> str:
    """Tables in Markdown."""
    rows = sorted(rows, key=lambda row: row["few"] or np.inf)
    parts = [over_sets(rows)]
    for level in dict.fromkeys(row["level"] for row in rows):
        own = [row for row in rows if row["level"] == level]
        parts.append(f"### {level[0].upper()}{level[1:]}\n\n{set_by_set(own)}")
    return "\n\n".join(parts) + "\n"


def over_sets(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| cases to learn from | sets | advice | always the default | highest mean | best in "
        "hindsight | advice minus default | better / same / worse |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    levels = list(dict.fromkeys(row["level"] for row in rows))
    for level in [*levels, "every level"]:
        own = [row for row in rows if level in (row["level"], "every level")]
        apart = [row["advice"] - row["default"] for row in own]
        counts = "/".join(str(sum(sign(one) == wanted for one in apart)) for wanted in (1, 0, -1))
        columns = [
            f"{np.mean([row[name] for row in own]):.4f}"
            for name in ("advice", "default", "highest_mean", "hindsight")
        ]
        difference = mean_of(apart)
        interval = (
            ""
            if difference.low is None or level == "every level"
            else f" ({difference.low:+.4f} to {difference.high:+.4f})"
        )
        columns.append(f"{difference.value:+.4f}{interval}")
        lines.append(f"| {level} | {len(own)} | {' | '.join(columns)} | {counts} |")
    return "\n".join(lines)


def sign(value: float) -> int:
    return 0 if abs(value) < 1e-9 else 1 if value > 0 else -1


def set_by_set(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0]["on_test"])
    lines = [
        "| set | cases to learn from | chosen | " + " | ".join(names) + " |",
        "|---|---:|---|" + "---:|" * len(names),
    ]
    for row in rows:
        cells = []
        for name in names:
            value = row["on_test"].get(name)
            text = "failed" if value is None else f"{value:.3f}"
            cells.append(f"**{text}**" if name == row["chosen"] else text)
        lines.append(
            f"| {row['set']} | {row['cases']:.0f} | {row['chosen']} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--records", type=Path, default=Path("results/advice"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--output", type=Path, help="a page whose tables are written anew")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", TspromptNotice)
    runner = Runner(asked.records, asked.limit)
    sets = chosen_sets(asked.data_dir)
    print(", ".join(one.name for one in sets), flush=True)
    text = report([row for one in sets for row in study(one, runner)])
    print(text)
    if asked.output:
        page = asked.output.read_text(encoding="utf-8")
        head, mark, _ = page.partition("<!-- made by benchmarks/advice.py -->\n")
        asked.output.write_text(f"{head}{mark}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
