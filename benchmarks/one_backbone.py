"""Ten tasks on one language model, beside ten models apart and ten fine-tuned copies.

    python benchmarks/one_backbone.py --data-dir DATA --work FOLDER

The ten smallest sets of a folder are fitted with recipes that read to different depths, and once
more with the whole language model fine-tuned (what is fitted already in FOLDER is not fitted
again). Each way of holding ten models is then measured in a process of its own, all of them in one
run: weights and other tensors in memory by their storage, each counted once; resident memory above
that of the process before the first model; bytes on disk; seconds of processor time to load, and to
answer 1,000 requests of one case each, to models in random order, one after the other and in groups
of 16. Before memory is read, what the allocator holds and nobody uses is given back, in all ways;
what it held is told too. Set OMP_NUM_THREADS=1: seconds are then those of one core.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TASKS = 10
REQUESTS = 1_000
GROUP = 16
CHOICES: tuple[dict[str, Any], ...] = (
    {"recipe": "fast"},
    {"recipe": "default"},
    {"recipe": "accurate"},
    {"recipe": "manual", "head": "ridge"},
    {"recipe": "default", "readout": "pooled:first=6", "n_prompts": 1},
)
"""In turn, so that two sets share each: 1, 2, 3 and 6 layers are read."""
TUNED = {
    "recipe": "default",
    "n_prompts": 1,
    "train": "lm",
    "tuner": "gradient:epochs=2",
    "readout": "pooled:layers=6",
}
DEEPEST = 4
"""The place of one that reads all six layers."""
WAYS = ("socket", "apart", "fine-tuned")
ALONE = "alone"
"""A socket with the deepest model and no other: what the first model costs."""


def main() -> None:
    """Fit what is missing, measure the three ways, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="data sets; default: TSPROMPT_DATA_DIR")
    parser.add_argument("--work", type=Path, required=True, help="where models are kept")
    parser.add_argument("--dtype", help="default: that of the fit")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--way", choices=(*WAYS, ALONE), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.work, options.dtype, options.requests)))
        return
    fit_all(options.work, options.data_dir)
    figures = {}
    for way in (*WAYS, ALONE):
        own = ["--work", str(options.work), "--way", way, "--requests", str(options.requests)]
        own += ["--dtype", options.dtype] if options.dtype else []
        done = subprocess.run(
            [sys.executable, __file__, *own], stdout=subprocess.PIPE, text=True, check=True
        )
        figures[way] = json.loads(done.stdout.splitlines()[-1])
        print(way, json.dumps(figures[way]), file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    show(figures, options.requests)
    first = figures[ALONE]["resident_bytes"] / 2**20
    print(f"a socket with one model, of six layers, alone: {first:,.1f} MiB resident")
    for line in differences(options.work):
        print(line)


# --- the models ---


def smallest(data_dir: str | None) -> list[str]:
    """The sets with the fewest numbers among those whose files are the smallest, of one length."""
    from tsprompt_datasets import list_datasets, load_dataset

    entries = [one for one in list_datasets(data_dir) if one.source == "data-dir"]
    entries.sort(key=lambda one: one.train.path.stat().st_size + one.test.path.stat().st_size)
    sizes = {}
    for entry in entries[: 3 * TASKS]:
        data = load_dataset(entry.name, data_dir=data_dir, download=False)
        parts = [data.train.cases, data.test.cases]
        if all(one.equal_length for one in parts):
            sizes[entry.name] = sum(
                len(one) * int(one.lengths.max()) * one.n_features for one in parts
            )
    return sorted(sizes, key=lambda name: (sizes[name], name))[:TASKS]


def fit_all(work: Path, data_dir: str | None) -> None:
    """Ten models for the socket, and ten fine-tuned ones, each with its test cases beside it."""
    import numpy as np

    from tsprompt import PromptClassifier
    from tsprompt_datasets import load_dataset

    list_file = work / "sets.json"
    if not list_file.exists():
        work.mkdir(parents=True, exist_ok=True)
        list_file.write_text(json.dumps(smallest(data_dir)), encoding="utf-8")
    for number, name in enumerate(json.loads(list_file.read_text(encoding="utf-8"))):
        plans = {"prompted": CHOICES[number % len(CHOICES)], "fine-tuned": TUNED}
        data = load_dataset(name, data_dir=data_dir, download=False)
        np.save(work / f"{name}.npy", np.stack(list(data.test.cases)))
        for kind, plan in plans.items():
            if (work / kind / name / "model.json").exists():
                continue
            began = time.process_time()
            model = PromptClassifier(**plan, device="cpu", random_state=0)
            model.fit(data.train.cases, data.train.labels).save(work / kind / name)
            print(kind, name, f"{time.process_time() - began:.1f} s", file=sys.stderr, flush=True)


# --- one way of holding them ---

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def measure(way: str, work: Path, dtype: str | None, requests: int) -> dict[str, float]:
    """The figures of one way, in this process."""
    import numpy as np
    import psutil

    import tsprompt.serving.socket  # noqa: F401  (what all ways import is not counted)
    from tsprompt.serving.allocator import give_back

    names = json.loads((work / "sets.json").read_text(encoding="utf-8"))
    names = names[DEEPEST : DEEPEST + 1] if way == ALONE else names
    kind = "fine-tuned" if way == "fine-tuned" else "prompted"
    folders = {name: work / kind / name for name in names}
    X = {name: np.load(work / f"{name}.npy") for name in names}
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    began = time.process_time()
    ask, models = apart(folders, dtype) if way in WAYS[1:] else in_socket(folders, dtype)
    loaded = time.process_time() - began
    for name, one in X.items():  # what the first answer takes is not the stream's
        ask({name: one[:1]})
    asked = list(stream(X, requests))
    gc.collect()
    give_back()
    resident = process.memory_info().rss - before
    single_seconds, singly = timed(ask, asked, 1)
    grouped_seconds, grouped = timed(ask, asked, GROUP)
    pair = {"singly": np.concatenate(singly), "grouped": np.concatenate(grouped)}
    np.savez(work / f"answers-{way}.npz", **pair)
    gc.collect()
    held = process.memory_info().rss - before
    give_back()
    return {
        "weights_bytes": sum(tensors(models, own=False).values()),
        "own_bytes": sum(tensors(models, own=True).values()),
        "resident_bytes": resident,
        "disk_bytes": sum(size_of(one) for one in folders.values()),
        "load_seconds": loaded,
        "single_seconds": single_seconds,
        "grouped_seconds": grouped_seconds,
        "held_after_bytes": held,
        "resident_after_bytes": process.memory_info().rss - before,
        "cores": os.cpu_count() or 1,
    }


def in_socket(folders: dict[str, Path], dtype: str | None) -> tuple[Ask, list[Any]]:
    """All on one language model."""
    from tsprompt import Socket

    socket = Socket(device="cpu", dtype=dtype)
    for path in folders.values():
        socket.add(path)
    return socket.predict_proba, [socket.model(name) for name in folders]


def apart(folders: dict[str, Path], dtype: str | None) -> tuple[Ask, list[Any]]:
    """Each with a language model of its own, as if it were in a process of its own."""
    from tsprompt import PromptClassifier
    from tsprompt.backbones import load, shared_weights

    models = {}
    for name, path in folders.items():
        load._load.cache_clear()
        shared_weights._LOADED.clear()
        models[name] = PromptClassifier.load(path, device="cpu", dtype=dtype)

    def ask(asked: dict[str, Any]) -> dict[str, Any]:
        return {name: models[name].predict_proba(one) for name, one in asked.items()}

    return ask, list(models.values())


def tensors(models: list[Any], *, own: bool) -> dict[int, int]:
    """Bytes by where they lie: of the language models, or of what models have besides."""
    from tsprompt.serving.plugged import learned_tensors

    found = {}
    for model in models:
        backbone = model.fitted_.reader.backbone
        weights = [*backbone.model.parameters(), backbone.word_vectors]
        for one in learned_tensors(model.fitted_) if own else weights:
            at = one.data_ptr() if hasattr(one, "data_ptr") else id(one)
            found[at] = max(found.get(at, 0), int(one.nbytes))
    return found


def stream(X: dict[str, Any], requests: int) -> Iterator[tuple[str, Any]]:
    """Requests of one case each, to models in random order."""
    rng = random.Random(0)
    names = sorted(X)
    for _ in range(requests):
        name = rng.choice(names)
        number = rng.randrange(len(X[name]))
        yield name, X[name][number : number + 1]


def timed(ask: Ask, asked: list[tuple[str, Any]], group: int) -> tuple[float, list[Any]]:
    """Seconds for all requests, `group` of them at once; and all answers, in the same order."""
    import numpy as np

    answers = []
    began = time.process_time()
    for start in range(0, len(asked), group):
        together: dict[str, list[Any]] = {}
        for name, one in asked[start : start + group]:
            together.setdefault(name, []).append(one)
        said = ask({name: np.concatenate(ones) for name, ones in together.items()})
        left = {name: iter(one) for name, one in said.items()}
        answers += [next(left[name]) for name, _ in asked[start : start + group]]
    return time.process_time() - began, answers


def differences(work: Path) -> Iterator[str]:
    """How far the socket's answers are from those of the models apart."""
    import numpy as np

    own, others = (np.load(work / f"answers-{way}.npz") for way in ("socket", "apart"))
    for how in ("singly", "grouped"):
        most = float(np.abs(own[how] - others["singly"]).max())
        yield f"the socket's answers, {how}, beside those of models apart: {most:.1g} apart at most"


def size_of(folder: Path) -> int:
    """Bytes of the files of a model."""
    return sum(one.stat().st_size for one in folder.iterdir())


def show(figures: dict[str, dict[str, float]], requests: int) -> None:
    """One table; behind each figure its ratio to the socket's."""
    mib = {
        "weights_bytes": "weights of language models in memory, MiB",
        "own_bytes": "prompts, tokenizers, readouts, heads in memory, MiB",
        "resident_bytes": "resident memory above the imports, MiB",
        "resident_after_bytes": "the same after all requests, MiB",
        "held_after_bytes": "the same with what the allocator held then, MiB",
        "disk_bytes": "folders of models, MiB",
    }
    seconds = {
        "load_seconds": "loading, s of processor time",
        "single_seconds": f"{requests:,} requests one by one, s of it",
        "grouped_seconds": f"the same in groups of {GROUP}, s of it",
    }
    print(f"| | {' | '.join(WAYS)} |\n|---|{'---:|' * len(WAYS)}")
    for keys, scale in ((mib, 1 / 2**20), (seconds, 1.0)):
        for key, label in keys.items():
            first = figures[WAYS[0]][key]
            cells = [f"{figures[way][key] * scale:,.1f}" for way in WAYS]
            ratios = [f" ({figures[way][key] / first:.1f}x)" for way in WAYS[1:]]
            row = [cells[0], *(a + b for a, b in zip(cells[1:], ratios, strict=True))]
            print(f"| {label} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
