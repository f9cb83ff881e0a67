"""Rounds of designs on the development sets: heads on the same features, views beside each other.

    python benchmarks/rounds.py heads --data-dir DATA --cache FOLDER    which head, for few cases?
    python benchmarks/rounds.py views --data-dir DATA --cache FOLDER    do other views add anything?
    python benchmarks/rounds.py views --cache FOLDER --report           what is there so far

A view is what one method makes of the cases: features (B, R), computed once for each content of a
split and kept in the folder. A design makes labels of views and sees train alone. Sets and
resamples are those of `development.toml`; what is done is kept in `results/rounds.json`, and is not
done again. The table has a line for each design: the mean difference to the first one over sets,
and over families of sets, with standard errors, and Wilcoxon's p over families with Holm's
correction over the designs of the round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rounds.json"
FEW = 150
"""The most train cases of a set in the round of heads."""
FOLDS = 5
TREES = 200

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class View:
    """What one method makes of a split."""

    train: Floats
    """(B, R)"""
    test: Floats
    """(V, R)"""
    optional: npt.NDArray[np.bool_]
    """(R,) features that a head may weigh down."""


def main() -> None:
    """Run what is missing of a round, and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("round", choices=ROUNDS)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--sets", nargs="+", help="default: those of development.toml")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    plan = tomllib.loads((HERE / "development.toml").read_text())
    done = json.loads(options.results.read_text()) if options.results.exists() else {}
    runs = done.setdefault(options.round, {})
    if not options.report:
        for name in options.sets or plan["sets"]:
            for resample in plan["resamples"]:
                key = f"{name} {resample}"
                if key in runs:
                    continue
                found = run(options.round, name, resample, options.data_dir, options.cache)
                if found is None:
                    break
                runs[key] = found
                options.results.write_text(json.dumps(done, indent=1, sort_keys=True) + "\n")
                print(key, {one: round(value, 3) for one, value in found.items()}, flush=True)
    show(runs)


def run(
    kind: str, name: str, resample: int, data_dir: Path | None, cache: Path
) -> dict[str, float] | None:
    """The accuracy of each design of a round on one split; None: the set has no part in it."""
    from tsprompt_datasets import load_dataset, resample_dataset

    dataset = resample_dataset(load_dataset(name, data_dir=data_dir), resample)
    train, test = dataset.train, dataset.test
    lengths = {*train.cases.lengths.tolist(), *test.cases.lengths.tolist()}
    if len(lengths) > 1 or (kind == "heads" and len(train.labels) > FEW):
        return None
    X, X_test = (
        np.stack([np.asarray(one, np.float64) for one in part.cases]) for part in (train, test)
    )
    numbers = {label: number for number, label in enumerate(dataset.classes)}
    y, y_test = (np.array([numbers[one] for one in part.labels]) for part in (train, test))
    names, designs = ROUNDS[kind]
    views = {one: _kept(cache, one, (X, y, X_test), resample) for one in names}
    return {
        design: float((make(views, y, resample) == y_test).mean())
        for design, make in designs.items()
    }


# --- views ---


def _kept(cache: Path, name: str, split: tuple[Any, Labels, Any], seed: int) -> View:
    """A view of train, its labels and test, from the folder or into it."""
    content = hashlib.sha256(f"{name} {seed}".encode())
    for one in split:
        content.update(np.ascontiguousarray(one).data)
    path = cache / name / f"{content.hexdigest()}.npz"
    if not path.exists():
        view = VIEWS[name](*split, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, train=view.train, test=view.test, optional=view.optional)
        part.replace(path)
    with np.load(path) as held:
        return View(held["train"], held["test"], held["optional"])


def _prompted(**choices: Any) -> Callable[..., View]:
    """What the default's head sees, or another recipe's of its kind."""

    def view(X: Any, y: Labels, X_test: Any, seed: int) -> View:
        import torch

        from tsprompt import PromptClassifier
        from tsprompt.data import as_cases

        model = PromptClassifier(random_state=seed, device="cpu", **choices).fit(X, y)
        train, test = (model.fitted_.features(as_cases(one)).float().numpy() for one in (X, X_test))
        width = train.shape[1] // len(model.readings_)
        optional = torch.cat([one.readout.optional(width) for one in model.readings_])
        return View(train, test, optional.numpy())

    return view


def _of_aeon(make: Callable[[int], Any]) -> Callable[..., View]:
    """What a transformation of aeon makes."""

    def view(X: Any, y: Labels, X_test: Any, seed: int) -> View:
        from tsprompt.baselines.aeon_isolation import isolated

        with isolated():
            transform = make(seed)
            train = np.asarray(transform.fit_transform(X.transpose(0, 2, 1), y))
            test = np.asarray(transform.transform(X_test.transpose(0, 2, 1)))
        train, test = (np.nan_to_num(one.astype(np.float32)) for one in (train, test))
        return View(train, test, np.zeros(train.shape[1], dtype=bool))

    return view


def _quant(seed: int) -> Any:
    from aeon.transformations.collection.interval_based import QUANTTransformer

    return QUANTTransformer()


def _hydra(seed: int) -> Any:
    from aeon.transformations.collection.convolution_based import HydraTransformer

    return HydraTransformer(random_state=seed, output_type="numpy")


def _shapelets(seed: int) -> Any:
    from aeon.transformations.collection.shapelet_based import RandomDilatedShapeletTransform

    return RandomDilatedShapeletTransform(random_state=seed)


VIEWS: dict[str, Callable[..., View]] = {
    "prompt": _prompted(),
    "no language model": _prompted(backbone="none:minilm"),
    "random weights": _prompted(backbone="random:minilm"),
    "quant": _of_aeon(_quant),
    "hydra": _of_aeon(_hydra),
    "shapelets": _of_aeon(_shapelets),
}


# --- heads ---

Views = dict[str, View]
Design = Callable[[Views, Labels, int], Labels]


def _ridge(view: View, y: Labels, seed: int, **more: Any) -> tuple[Any, Any]:
    """Our head: probabilities of train where each case is left out, and of test."""
    import torch

    from tsprompt.heads import Lesson
    from tsprompt.heads.ridge import Ridge

    features, test = torch.from_numpy(view.train), torch.from_numpy(view.test)
    optional = torch.from_numpy(view.optional)
    lesson = Lesson(features, y, int(y.max()) + 1, seed, optional=optional, **more)
    head = Ridge().fit(lesson)
    assert head.judged is not None
    held = np.full((len(y), lesson.n_classes), 1 / lesson.n_classes)
    held[head.judged.rows] = head.judged.chances
    return held, head.probabilities(test)


def _plain(view: View, y: Labels, seed: int) -> Labels:
    return np.asarray(_ridge(view, y, seed)[1].argmax(axis=1))


def _balanced(view: View, y: Labels, seed: int) -> Labels:
    weights = len(y) / len(np.unique(y)) / np.bincount(y)[y]
    return np.asarray(_ridge(view, y, seed, weights=weights)[1].argmax(axis=1))


def _coordinates(view: View) -> tuple[Any, Any]:
    """Train and test in as many numbers as train has cases: inner products, and with them all that
    a linear head or one of distances can learn, are those of the standardised features."""
    mean, unit = view.train.mean(axis=0), view.train.std(axis=0)
    unit[unit < 1e-6 * (1 + np.abs(mean))] = 1
    weight = np.where(view.optional, 0.3, 1.0) ** 0.5 / np.sqrt(len(mean))
    x, x_test = ((one - mean) / unit * weight for one in (view.train, view.test))
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    kept = values > 1e-8 * values[-1]
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, x_test @ (x.T @ vectors[:, kept]) / roots


def _folds(y: Labels, seed: int) -> Any:
    from sklearn.model_selection import StratifiedKFold

    count = min(FOLDS, int(np.bincount(y).min()))
    return StratifiedKFold(count, shuffle=True, random_state=seed) if count > 1 else None


def _searched(make: Callable[[int], Any], grid: dict[str, list[Any]]) -> Callable[..., Labels]:
    """A head of scikit-learn, its options chosen by folds of train."""

    def design(view: View, y: Labels, seed: int) -> Labels:
        from sklearn.model_selection import GridSearchCV

        x, x_test = _coordinates(view)
        folds, model = _folds(y, seed), make(seed)
        if grid and folds is not None:
            model = GridSearchCV(model, grid, cv=folds, scoring="neg_log_loss")
        return np.asarray(model.fit(x, y).predict(x_test))

    return design


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300)


def _support(seed: int) -> Any:
    from sklearn.svm import SVC

    return SVC(probability=True, random_state=seed)


def _discriminant(seed: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _gaussian(seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    return GaussianProcessClassifier(ConstantKernel(10.0) * RBF(1.0), random_state=seed)


def _on(head: Callable[[View, Labels, int], Labels], name: str = "prompt") -> Design:
    return lambda views, y, seed: head(views[name], y, seed)


_STRENGTHS = [float(one) for one in np.logspace(-2, 4, 7)]
HEADS: dict[str, Design] = {
    "ridge (the default)": _on(_plain),
    "ridge, classes balanced": _on(_balanced),
    "logistic": _on(_searched(_logistic, {"C": _STRENGTHS})),
    "support vectors, RBF": _on(
        _searched(_support, {"C": [1.0, 10.0, 100.0], "gamma": [0.1, 0.3, 1.0, 3.0]})
    ),
    "discriminant, Ledoit-Wolf": _on(_searched(_discriminant, {})),
    "Gaussian process, RBF": _on(_searched(_gaussian, {})),
}


# --- several views ---


def _trees(view: View, y: Labels, seed: int) -> tuple[Any, Any]:
    """Extra trees: probabilities of train from folds, and of test."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import cross_val_predict

    made = ExtraTreesClassifier(
        TREES, max_features=0.1, criterion="entropy", random_state=seed, n_jobs=1
    )
    folds, classes = _folds(y, seed), int(y.max()) + 1
    held = np.full((len(y), classes), 1 / classes)
    if folds is not None:
        held = cross_val_predict(made, view.train, y, cv=folds, method="predict_proba")
    return held, made.fit(view.train, y).predict_proba(view.test)


_LEARNERS = {"prompt": _ridge, "hydra": _ridge, "shapelets": _ridge, "quant": _trees}
"""Who learns from a view."""


def _alone(name: str) -> Design:
    return lambda views, y, seed: np.asarray(
        _LEARNERS[name](views[name], y, seed)[1].argmax(axis=1)
    )


def _weighed(*names: str) -> Design:
    """Probabilities weighed by the accuracy on left-out train cases to the fourth power (Large,
    Lines and Bagnall 2019)."""

    def design(views: Views, y: Labels, seed: int) -> Labels:
        total = 0.0
        for name in names:
            held, said = _LEARNERS[name](views[name], y, seed)
            total = total + (held.argmax(axis=1) == y).mean() ** 4 * said
        return np.asarray(np.asarray(total).argmax(axis=1))

    return design


def _stacked(*names: str) -> Design:
    """A logistic regression on the logarithms of what each view says of left-out train cases."""

    def design(views: Views, y: Labels, seed: int) -> Labels:
        from sklearn.linear_model import LogisticRegression

        said = [_LEARNERS[name](views[name], y, seed) for name in names]
        x, x_test = (
            np.concatenate([np.log(np.maximum(one[part], 1e-3)) for one in said], axis=1)
            for part in (0, 1)
        )
        return np.asarray(LogisticRegression(C=0.1, max_iter=300).fit(x, y).predict(x_test))

    return design


def _together(*names: str) -> Design:
    """One ridge on the features of several views, each view's scaled to count alike."""

    def design(views: Views, y: Labels, seed: int) -> Labels:
        train, test, optional = [], [], []
        for name in names:
            own = views[name]
            mean, unit = own.train.mean(axis=0), own.train.std(axis=0)
            kept = unit > 1e-6 * (1 + np.abs(mean))
            train.append(((own.train - mean) / unit)[:, kept])
            test.append(((own.test - mean) / unit)[:, kept])
            optional.append(own.optional[kept])
        joined = View(*(np.concatenate(one, axis=-1) for one in (train, test, optional)))
        return _plain(joined, y, seed)

    return design


COMBINED: dict[str, Design] = {
    "prompt (the default)": _alone("prompt"),
    "quant": _alone("quant"),
    "hydra": _alone("hydra"),
    "shapelets": _alone("shapelets"),
    "prompt + hydra, one ridge": _together("prompt", "hydra"),
    "prompt + shapelets, one ridge": _together("prompt", "shapelets"),
    "prompt + quant, weighed": _weighed("prompt", "quant"),
    "all four, weighed": _weighed("prompt", "quant", "hydra", "shapelets"),
    "all four, stacked": _stacked("prompt", "quant", "hydra", "shapelets"),
}

ROUNDS: dict[str, tuple[tuple[str, ...], dict[str, Design]]] = {
    "heads": (("prompt",), HEADS),
    "views": (("prompt", "quant", "hydra", "shapelets"), COMBINED),
}
"""Name -> the views that its designs need, and the designs, the first of which all others are
compared with."""


def show(runs: dict[str, dict[str, float]]) -> None:
    """Print the table of a round."""
    from statsmodels.stats.multitest import multipletests

    from tsprompt.report.statistics import compare_methods
    from tsprompt_datasets import family_of

    table = pd.DataFrame(runs).T
    sets = table.groupby(lambda key: key.split()[0]).mean()
    families = sets.groupby(family_of).mean()
    first, *others = sets.columns
    p = [compare_methods(families[[first, one]]).pairs["p"].iloc[0] for one in others]
    corrected = multipletests(p, method="holm")[1]
    print(f"{len(table)} splits of {len(sets)} sets, {len(families)} families")
    print(f"| design | mean | sets, to `{first}` | families | p | Holm |")
    print("|---|---:|---:|---:|---:|---:|")
    print(f"| {first} | {sets[first].mean():.4f} | | | | |")
    for one, own, holm in zip(others, p, corrected, strict=True):
        told = [_difference(each[one] - each[first]) for each in (sets, families)]
        print(f"| {one} | {sets[one].mean():.4f} | {' | '.join(told)} | {own:.3f} | {holm:.3f} |")


def _difference(values: pd.Series[float]) -> str:
    return f"{values.mean():+.4f} ± {values.std() / np.sqrt(len(values)):.4f}"


if __name__ == "__main__":
    main()
