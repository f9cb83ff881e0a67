"""Are explanations faithful? Planted patterns, deletion curves, and shuffled labels.

    python benchmarks/explain.py --data-dir DIR --seed 0 --out FILE.json

1. Series of noise with a short pattern at a random place: how much of it do the stretches with the
   largest shares cover? Beside chance, and beside an occlusion that is written here.
2. Stretches are taken away, those that speak most for the predicted class first: how fast does its
   probability fall? Beside random orders. Every way is judged under two fillings, so that none is
   judged by its own alone.
3. The same model fitted to shuffled labels: do its explanations differ more than those of another
   seed?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from tsprompt import PromptClassifier
from tsprompt.data import as_cases
from tsprompt.explanations import Explainer
from tsprompt_datasets import load_dataset

STRETCHES, CASES, ORDERS, DRAWS = 12, 10, 10, 10
PLANTED, TIMESTEPS = 16, 96
WAYS = {
    "exact": ("exact", None),
    **{
        f"{method}, {reference}": (method, reference)
        for method in ("ablation", "shapley")
        for reference in ("interpolate", "mean", "other")
    },
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="a folder with MANIFEST.csv")
    parser.add_argument("--recipe", default="fast", help="default: %(default)s")
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"planted": planted(options.recipe, options.seed)}
    print(json.dumps(found, indent=1), flush=True)
    names = smallest(options.data_dir, options.sets)
    rows, alike = [], []
    for name in names:
        own, other = one_set(name, options)
        rows.append(own)
        alike.append(other)
        print(name, json.dumps(own), json.dumps(other), flush=True)
    found["sets"] = names
    found["deletion"] = {
        filling: {way: [row[filling][way] for row in rows] for way in rows[0][filling]}
        for filling in rows[0]
    }
    found["alike"] = {kind: [row[kind] for row in alike] for kind in alike[0]}
    for line in summary(found):
        print(line)
    if options.out:
        command = f"python benchmarks/explain.py --data-dir DIR --recipe {options.recipe}"
        told = {
            "command": f"{command} --sets {options.sets} --seed {options.seed} --out FILE.json",
            "found": found,
        }
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def summary(found: dict[str, Any]) -> list[str]:
    """A line for each way: planted overlap, and areas with their standard errors over sets."""
    lines = []
    for way in [*WAYS, "random order"]:
        cells = []
        for filling, areas in found["deletion"].items():
            own, chance = np.array(areas[way]), np.array(areas["random order"])
            apart = own - chance
            se = apart.std(ddof=1) / np.sqrt(len(apart))
            cells.append(f"{filling} {own.mean():.3f} ({apart.mean():+.3f} ± {se:.3f})")
        lines.append(f"{way:24} {' | '.join(cells)}")
    alike = {kind: np.array(values) for kind, values in found["alike"].items()}
    lines += [f"{kind}: {values.mean():.2f}" for kind, values in alike.items()]
    return lines


def smallest(folder: Path, count: int) -> list[str]:
    """The univariate sets of one length, of 60 timesteps or more, with the fewest train values."""
    known = pd.read_csv(folder / "MANIFEST.csv")
    known = known[(known.channels == 1) & known.equal_length & (known.missing == 0)]
    known = known[known.length >= 60]
    return list(known.name[(known.n_train * known.length).sort_values(kind="stable").index][:count])


def explained(model: PromptClassifier, train: Any, X: Any, way: str) -> list[Any]:
    method, reference = WAYS[way]
    explainer = Explainer(
        model.fitted_,
        train,
        method=method,
        reference=reference,
        stretches=None if method == "exact" else STRETCHES,
        orders=ORDERS,
        nearest=0,
    )
    return list(explainer.explain(as_cases(X)))


def shares(found: list[Any]) -> np.ndarray:
    """(n, STRETCHES) shares of equally long stretches."""
    parts = [np.array_split(one.by_timestep(), STRETCHES) for one in found]
    return np.array([[part.sum() for part in one] for one in parts])


# --- planted patterns ---


def noise_with_pattern(
    rng: np.random.Generator, count: int, features: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series (n, T, F), classes (n,), and where the pattern starts (n,): it is in feature 0."""
    X = rng.standard_normal((count, TIMESTEPS, features))
    y, at = np.arange(count) % 2, rng.integers(0, TIMESTEPS - PLANTED + 1, count)
    time = np.arange(PLANTED)
    kinds = 3 * np.sin(2 * np.pi * time / PLANTED), 3 * np.sign(np.sin(4 * np.pi * time / PLANTED))
    for i in range(count):
        X[i, at[i] : at[i] + PLANTED, 0] += kinds[y[i]]
    return X, y, at


def planted(recipe: str, seed: int) -> dict[str, Any]:
    """Share of the pattern's timesteps among as many with the largest shares."""
    rng, told = np.random.default_rng(seed), {}
    for features in (1, 3):
        X, y, _ = noise_with_pattern(rng, 80, features)
        new, truth, at = noise_with_pattern(rng, 2 * CASES, features)
        model = PromptClassifier(recipe, device="cpu", random_state=seed).fit(X, y)
        train = as_cases(X), y
        row: dict[str, Any] = {"accuracy": float((model.predict(new) == truth).mean())}
        for way in WAYS:
            found = explained(model, train, new, way)
            row[way] = float(
                np.mean([_covered(one.by_timestep(), a) for one, a in zip(found, at, strict=True)])
            )
            if features > 1 and len(found[0].by_feature) == features:
                hits = [int(one.by_feature.argmax()) == 0 for one in found]
                row[f"{way}: feature"] = float(np.mean(hits))
        row["occlusion, written here"] = float(
            np.mean([_covered(one, a) for one, a in zip(occlusion(model, new), at, strict=True)])
        )
        row["chance"] = PLANTED / TIMESTEPS
        told[f"{features} features"] = row
    return told


def _covered(by_timestep: np.ndarray, start: int) -> float:
    found = np.argsort(-by_timestep, kind="stable")[:PLANTED]
    return float(np.isin(np.arange(start, start + PLANTED), found).mean())


def occlusion(model: PromptClassifier, X: np.ndarray) -> np.ndarray:
    """(n, T) what the probability loses where windows are set to nought (Zeiler, Fergus 2014)."""
    width, stride = PLANTED, PLANTED // 2
    starts = range(0, TIMESTEPS - width + 1, stride)
    own = model.predict_proba(X)
    said, rows = own.argmax(axis=1), np.arange(len(X))
    heat, seen = np.zeros((2, len(X), TIMESTEPS))
    for start in starts:
        gone = X.copy()
        gone[:, start : start + width] = 0
        loss = own[rows, said] - model.predict_proba(gone)[rows, said]
        heat[:, start : start + width] += loss[:, None]
        seen[:, start : start + width] += 1
    return heat / seen


# --- real sets ---


def one_set(name: str, options: Any) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Areas under deletion curves by filling and way; rank correlations with other models."""
    data = load_dataset(name, data_dir=options.data_dir)
    rng = np.random.default_rng(options.seed)
    X, y = np.stack(list(data.train.cases)), np.asarray(data.train.labels)
    test = np.stack(list(data.test.cases))
    new = test[np.sort(rng.permutation(len(test))[:CASES])]
    train = as_cases(X), y

    def fitted(labels: np.ndarray, seed: int) -> PromptClassifier:
        return PromptClassifier(options.recipe, device="cpu", random_state=seed).fit(X, labels)

    model = fitted(y, options.seed)
    ranked = {way: shares(explained(model, train, new, way)) for way in WAYS}
    orders = {way: np.argsort(-each, axis=1, kind="stable") for way, each in ranked.items()}
    mean = X.mean(axis=0)
    fillings: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "mean": lambda series, gone: np.where(gone[:, None], mean, series),
        "interpolate": _interpolated,
    }
    areas: dict[str, dict[str, float]] = {}
    for filling, fill in fillings.items():
        areas[filling] = {way: area(model, new, order, fill) for way, order in orders.items()}
        drawn = [np.array([rng.permutation(STRETCHES) for _ in new]) for _ in range(DRAWS)]
        chance = [area(model, new, order, fill) for order in drawn]
        areas[filling]["random order"] = float(np.mean(chance))
        areas[filling]["sd of random orders"] = float(np.std(chance, ddof=1))
    way = "shapley, mean"
    shuffled = shares(explained(fitted(rng.permutation(y), options.seed), train, new, way))
    again = shares(explained(fitted(y, options.seed + 1), train, new, way))
    alike = {
        "rank correlation, shuffled labels": _alike(ranked[way], shuffled),
        "rank correlation, another seed": _alike(ranked[way], again),
    }
    return areas, alike


def area(
    model: PromptClassifier,
    X: np.ndarray,
    orders: np.ndarray,
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """Mean probability of the first answer while stretches are taken away in these orders."""
    own = model.predict_proba(X).argmax(axis=1)
    edges = np.array_split(np.arange(X.shape[1]), STRETCHES)
    asked, rows = [], []
    for i, series in enumerate(X):
        gone = np.zeros(len(series), dtype=bool)
        for stretch in orders[i]:
            gone[edges[stretch]] = True
            asked.append(fill(series, gone))
            rows.append(i)
    chances = model.predict_proba(np.stack(asked))
    return float(chances[np.arange(len(rows)), own[rows]].mean())


def _interpolated(series: np.ndarray, gone: np.ndarray) -> np.ndarray:
    if gone.all():
        return np.repeat(series.mean(axis=0, keepdims=True), len(series), axis=0)
    time = np.arange(len(series))
    columns = [np.interp(time, time[~gone], one[~gone]) for one in series.T]
    return np.stack(columns, axis=1)


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean([spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]))


if __name__ == "__main__":
    main()
