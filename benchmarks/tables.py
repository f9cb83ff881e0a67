"""The committed results as Markdown, as docs/results.md shows them.

python benchmarks/tables.py benchmarks/results/ucr_default_split.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def table(found: dict[str, Any]) -> list[str]:
    """One row for each set, one column for each method, and the means."""
    runs: dict[str, dict[str, list[float]]] = {}
    for run in found["runs"]:
        runs.setdefault(run["dataset"], {}).setdefault(run["method"], []).append(run["accuracy"])
    means = found["means"]
    own = [name for name in means if not name.startswith("published ")]
    others = [name for name in means if name not in own]
    names = [*own, *(name.removeprefix("published ") for name in others)]
    lines = [f"| set | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for dataset, by_method in sorted(runs.items()):
        cells = [spread(by_method.get(method)) for method in own]
        cells += [f"{found['published'][dataset][name]:.3f}" for name in names[len(own) :]]
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    total = " | ".join(f"**{means[name]['mean']:.4f}**" for name in [*own, *others])
    lines.append(f"| **mean of {len(runs)} sets** | {total} |")
    seeds = (f"{np.std(means[name]['means_by_seed']):.4f}" for name in own)
    lines.append(f"| spread of the mean over seeds | {' | '.join(seeds)} |{' |' * len(others)}")
    return lines


def spread(values: list[float] | None) -> str:
    if not values:
        return ""
    return (
        f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
    )


if __name__ == "__main__":
    for file in sys.argv[1:]:
        rows = table(json.loads(Path(file).read_text(encoding="utf-8")))
        print("\n".join([file, "", *rows, ""]))
