"""How predicting and fitting spread over workers, and how far that goes.

    OMP_NUM_THREADS=1 python benchmarks/cluster.py [--only workers,parts,alone,tasks,limits]

`workers`: cases a second of one worker and of two, taken in turns. `parts`: what a fit spends
where, in processor seconds of one core, and what it sends. `alone`: what of it the driver does by
itself, with `fast`, also in processor seconds. `tasks`: tasks a second that a cluster
of two workers hands out. `limits`: by the figures of `parts`, how long a fit of a million cases
takes with so many workers, and what bounds it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 100
"""Timesteps of a case."""
NETWORK = 1e9
"""Bytes a second from one machine to another, in both directions: 10 Gbit/s."""
TASKS = ("workers", "parts", "alone", "tasks", "limits")


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(TASKS), help="default: %(default)s")
    parser.add_argument(
        "--cases", type=int, default=1_536, help="of `workers`; default: %(default)s"
    )
    parser.add_argument(
        "--kept", type=Path, default=Path("cluster.json"), help="default: %(default)s"
    )
    parser.add_argument("--backends", default="ray,dask", help="default: %(default)s")
    options = parser.parse_args()
    places = {name: make for name, make in backends().items() if name in options.backends}
    kept = json.loads(options.kept.read_text()) if options.kept.exists() else {}
    makes: dict[str, Callable[[], Any]] = {
        "workers": lambda: workers(options.cases, places),
        "parts": parts,
        "alone": alone,
        "tasks": lambda: tasks(places),
        "limits": lambda: limits(kept["parts"], max(kept["alone"].values())),
    }
    for name in options.only.split(","):
        kept[name] = makes[name]()
        print(name, json.dumps(kept[name], indent=1), flush=True)
        options.kept.write_text(json.dumps(kept, indent=1) + "\n")


def waves(count: int, seed: int) -> tuple[Any, Any]:
    """Cases (count, STEPS, 1) of three classes, and their labels."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 3, count)
    clean = np.sin(np.arange(STEPS) * (0.1 + 0.1 * number[:, None]))
    return (clean + rng.normal(0, 1, clean.shape)).astype(np.float32)[..., None], number


def fitted(recipe: str = "fast") -> Any:
    """A model of 300 cases."""
    from tsprompt import PromptClassifier

    return PromptClassifier(recipe, device="cpu", random_state=0).fit(*waves(300, 0))


def backends() -> dict[str, Callable[[int], Any]]:
    """Ray and Dask, on this machine."""
    from tsprompt.base.backends import Dask, Ray

    return {"ray": lambda jobs: Ray(None, jobs), "dask": lambda jobs: Dask(None, jobs)}


def workers(cases: int, places: dict[str, Callable[[int], Any]]) -> dict[str, Any]:
    """Cases a second of one worker and of two: start, and the first block of each, apart."""
    import pandas as pd

    from tsprompt.base.tensor_folder import digest_of, read_header
    from tsprompt.blocks.predict import Reads
    from tsprompt.model.saving import MODEL
    from tsprompt_datasets import ReadOptions, blocks_of

    found: dict[str, Any] = {"cases": cases, "load before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as home:
        folder = fitted().save(Path(home) / "model")
        names = [f"t{i}" for i in range(STEPS)]
        file = Path(home) / "cases.parquet"
        pd.DataFrame(waves(cases, 1)[0][..., 0], columns=names).to_parquet(file, row_group_size=128)
        blocks = blocks_of(file, ReadOptions(label="none", layout="wide"), {}, 128)
        digest = digest_of(read_header(folder, MODEL))
        loader, options = "tsprompt_cli.many_cases:load_block", {"options": blocks.options}
        reads = Reads(folder, digest, loader, {**options, "features": ()}, device="cpu", threads=1)
        for name, make in places.items():
            for turn in range(2):
                for jobs in (1, 2):
                    out = Path(home) / f"{name}{turn}{jobs}"
                    found[f"{name}, {jobs}, turn {turn + 1}"] = rate(blocks, reads, out, make, jobs)
    return {**found, "load after": os.getloadavg()[0]}


def rate(blocks: Any, reads: Any, out: Path, make: Callable[[int], Any], jobs: int) -> float:
    """Cases a second, from the first block of each worker on."""
    from tsprompt.blocks.output import Origin, PredictionsFolder
    from tsprompt.blocks.predict import predict_blocks

    origin = Origin(reads.digest, (), {}, tuple(one.cases for one in blocks.blocks))
    folder = PredictionsFolder(out, origin)
    beside = [{"file": "cases", "first": one.first} for one in blocks.blocks]
    times = []
    with folder.claimed():
        for _ in predict_blocks(blocks.blocks, beside, reads, folder, make(jobs)):
            times.append(time.perf_counter())
    if "Ray" in type(make(jobs)).__name__:
        import ray

        ray.shutdown()
    done = sum(one.cases for one in blocks.blocks[jobs:])
    return done / (times[-1] - times[jobs - 1])


def parts() -> dict[str, Any]:
    """What a fit takes: processor seconds of one core, and bytes."""
    import torch

    torch.set_num_threads(1)
    return {recipe: parts_of(recipe) for recipe in ("fast", "default")}


def parts_of(recipe: str) -> dict[str, Any]:
    """The same of one recipe."""
    import torch

    from tsprompt.data import as_cases
    from tsprompt.heads.sums import RidgeSums
    from tsprompt.model.adding import SentModel, read_train

    model = fitted(recipe).fitted_
    X, y = waves(512, 2)
    cases, targets = as_cases(X), torch.from_numpy(2.0 * np.eye(3)[y] - 1)
    choices = {"recipe": recipe, "random_state": 0, "batch_tokens": None, "axes": "BTF"}
    sent = SentModel.of(model, choices, "cpu", 1)
    features, reading = spent(lambda: read_train(model, cases))
    width = features.shape[1]
    sums, other = RidgeSums(width, 3), RidgeSums(width, 3)
    _, adding = spent(lambda: sums.add(features, targets))
    other.add(features[:64], targets[:64])
    _, merging = spent(lambda: sums.merge(other))
    _, solving = spent(lambda: sums.solve(10.0)) if width < 10_000 else (None, None)
    return {
        "features": width,
        "reading a case, ms": 1e3 * reading / len(X),
        "adding a case, ms": 1e3 * adding / len(X),
        "merging two sums, s": merging,
        "solving, s": solving,
        "bytes of a case": X[0].nbytes + 8 * 3,
        "bytes of the model": sum(map(len, sent.files.values())),
        "bytes of sums": 8 * width**2,
    }


class Given:
    """Stands in for workers: sums of random features, at once."""

    def __init__(self, width: int) -> None:
        self.width = width

    def reduce(self, work: Any) -> Any:
        from tsprompt.model.adding import Added

        deciding = np.concatenate([share.deciding + share.first for (share,) in work.tasks])
        features = np.random.default_rng(0).normal(size=(len(deciding), self.width))
        cases, products = sum(len(share.targets) for (share,) in work.tasks), features.T @ features
        zero = {"mean": np.zeros(self.width), "target_mean": np.zeros(3)}
        cross = np.random.default_rng(1).normal(size=(self.width, 3))
        moments = {**zero, "products": products, "cross": cross}
        return Added(float(cases), moments, deciding, features.astype(np.float32), 0, 0.0)


def alone(width: int = 4_608) -> dict[str, float]:
    """Processor seconds of the driver, for train of two sizes."""
    import torch

    from tsprompt import PromptClassifier
    from tsprompt.model.spread import Spread

    torch.set_num_threads(1)
    found = {}
    for cases in (5_000, 50_000):
        data = waves(cases, 3)
        model = PromptClassifier("fast", device="cpu", random_state=0)
        spread = Spread(Given(width), 4_096)
        _, found[f"{cases:,} cases"] = spent(lambda: model.fit(*data, workers=spread))  # noqa: B023
    return found


def spent(what: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the processor seconds that it took."""
    before = time.process_time()
    made = what()
    return made, time.process_time() - before


def nothing(number: int) -> int:
    return number


def tasks(places: dict[str, Callable[[int], Any]], count: int = 1_000) -> dict[str, float]:
    """Tasks a second that do nothing."""
    found = {}
    for name, make in places.items():
        place = make(2)
        results = place.map(nothing, [(i,) for i in range(count)])
        next(results)
        before = time.perf_counter()
        for _ in results:
            pass
        found[name] = (count - 1) / (time.perf_counter() - before)
        if name == "ray":
            import ray

            ray.shutdown()
    return found


def limits(measured: dict[str, Any], lonely: float, cases: int = 1_000_000) -> list[dict[str, Any]]:
    """Seconds of a fit with so many workers of one core, by what they do and wait for.

    Shares are of about 4,096 cases, or of two for each feature where these are more, so that all
    workers have as many; of fewer, where some would have none. A floor of the tree takes one sum to
    the machine of another, and adds it. What the driver does alone (`lonely`, with `fast`) grows
    with the third power of the features as far as it is the solving.
    """
    rows = []
    for recipe, of in measured.items():
        case = (of["reading a case, ms"] + of["adding a case, ms"]) / 1e3
        for count in (1, 2, 10, 30, 100, 300, 1_000):
            usual = max(4_096, 2 * of["features"])
            rounds = max(1, round(cases / (count * usual)))
            share = math.ceil(cases / (count * rounds))
            leaves = math.ceil(cases / share)
            floors = math.ceil(math.log2(leaves))
            floor = of["bytes of sums"] / NETWORK + of["merging two sums, s"]
            giving = (cases * of["bytes of a case"] + count * of["bytes of the model"]) / NETWORK
            more = (of["features"] / measured["fast"]["features"]) ** 3 - 1
            row = {
                "recipe": recipe,
                "workers": count,
                "cases of a share": share,
                "reading and adding, s": rounds * share * case,
                "giving out, s": giving,
                "merging, s": floors * floor,
                "alone, s": lonely + more * measured["fast"]["solving, s"],
                "bytes of all sums": leaves * of["bytes of sums"],
            }
            row["all, s"] = sum(row[name] for name in row if name.endswith(", s"))
            rows.append(row)
    for row in rows:
        one = next(r for r in rows if r["recipe"] == row["recipe"])
        row["speed-up"] = one["all, s"] / row["all, s"]
    return rows


if __name__ == "__main__":
    main()
