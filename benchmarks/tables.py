"""The committed results as Markdown, as docs/results/README.md shows them.

python benchmarks/tables.py benchmarks/results/ucr_default_split.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import wilcoxon


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


def differences(found: dict[str, Any]) -> list[str]:
    """The first method minus each other, over sets: mean with standard error, by seed, wins, and a
    two-sided Wilcoxon signed-rank test (equal sets left out, not corrected)."""
    runs: dict[str, dict[tuple[str, int], float]] = {}
    for run in found["runs"]:
        runs.setdefault(run["method"], {})[run["dataset"], run["seed"]] = run["accuracy"]
    first, *others = (name for name in found["means"] if name in runs)
    lines = ["| without or instead | difference | by seed | better / equal / worse | p |"]
    lines.append("|---" * 5 + "|")
    sets = sorted({dataset for dataset, _ in runs[first]})
    seeds = sorted({seed for _, seed in runs[first]})
    for other in others:
        apart = np.array(
            [[runs[first][one, seed] - runs[other][one, seed] for seed in seeds] for one in sets]
        )
        by_set = apart.mean(axis=1)
        changed = by_set[np.abs(by_set) > 1e-9]
        wins = int((changed > 0).sum())
        error = by_set.std(ddof=1) / np.sqrt(len(sets))
        by_seed = ", ".join(f"{one:+.4f}" for one in apart.mean(axis=0))
        p = float(wilcoxon(changed).pvalue) if len(changed) else 1.0
        count = f"{wins} / {len(sets) - len(changed)} / {len(changed) - wins}"
        mean = f"{by_set.mean():+.4f} ± {error:.4f}"
        lines.append(f"| {other} | {mean} | {by_seed} | {count} | {p:.2f} |")
    return lines


def spread(values: list[float] | None) -> str:
    if not values:
        return ""
    return (
        f"{np.mean(values):.3f} ± {np.std(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
    )


if __name__ == "__main__":
    for file in sys.argv[1:]:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        print("\n".join([file, "", *table(content), "", *differences(content), ""]))
