"""Kill `bench run` and the saving of models at random moments: nothing may be lost.

    python benchmarks/kill_and_resume.py --kills 100 --seed 0 --out FILE.json

A benchmark is killed (with all that it started) and started again until it is done: each planned
run must be there exactly once, and whole. A process that saves two models in turn to one place is
killed: what lies there must be one of the two, to the last bit, and the next save must go through.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from tsprompt.base.files import write_whole
from tsprompt.benchmark import Machine, ResultsFolder, cell_name, read_plan, read_record
from tsprompt.errors import TspromptError

PLAN = """
sets = ["UnitTest", "GunPoint", "BasicMotions"]
seeds = 20
[methods.ridge]
[methods.prior]
[methods."no LM"]
recipe = "fast"
backbone = "none:minilm"
n_prompts = 1
"""
COMMAND = [sys.executable, "-c", "from tsprompt_cli.main import main; main()"]
SAVER = """
import sys
from pathlib import Path
from tsprompt import PromptClassifier
models = [PromptClassifier.load(folder, device="cpu") for folder in sys.argv[1:3]]
print("ready", flush=True)
while True:
    for model in models:
        model.save(Path(sys.argv[3]))
"""


def kill(process: subprocess.Popen[str]) -> None:
    """The process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def records(results: Path) -> int:
    return len(list((results / "records").glob("*.json")))


def benchmark(kills: int, seed: int, home: Path) -> dict[str, int]:
    """Kill a benchmark, and count what is lost, doubled or damaged."""
    moments = random.Random(seed)
    plan_file, results = home / "plan.toml", home / "results"
    plan_file.write_text(PLAN, encoding="utf-8")
    run = [*COMMAND, "bench", "run", str(plan_file), "--results", str(results), "--jobs", "2"]
    done = lost = 0
    for number in range(kills):
        process = start(*run)
        if number % 4:  # else while it starts
            while process.poll() is None and records(results) == done:
                time.sleep(0.05)
        time.sleep(moments.uniform(0.0, 4.0))
        kill(process)
        there = records(results)
        lost += there < done
        done = there
        if number % 10 == 9:
            print(f"{number + 1} kills: {done} runs done", file=sys.stderr)
        if done == len(read_plan(plan_file).cells()):  # start afresh, for the kills that are left
            subprocess.run(["rm", "-r", str(results)], check=True)
            done = 0
    code = start(*run).wait()
    folder = ResultsFolder(results)
    names = {cell_name(cell, Machine()) for cell in read_plan(plan_file).cells()}
    kept = {file.stem for file in folder.records.iterdir()}
    damaged = 0
    for name in names & kept:
        try:
            record = read_record(folder.record_file(name))
            damaged += not (record.ok and (results / str(record.predictions)).is_file())
        except TspromptError:
            damaged += 1
    return {
        "kills": kills,
        "planned": len(names),
        "records lost by a kill": lost,
        "missing at the end": len(names - kept),
        "not planned": len(kept - names),
        "damaged or failed": damaged,
        "last start failed": int(code != 0),
    }


def saving(kills: int, seed: int, home: Path) -> dict[str, int]:
    """Kill a process that saves, and count what can't be loaded, or is neither model."""
    from tsprompt import PromptClassifier

    moments = random.Random(seed)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(24, 30, 1)).cumsum(axis=1)
    y = np.arange(24) % 2
    said = []
    for number in range(2):
        model = PromptClassifier("fast", backbone="none:minilm", n_prompts=1, random_state=number)
        model.fit(X, y).save(home / f"model-{number}")
        said.append(model.predict_proba(X))
    place = home / "place"
    PromptClassifier.load(home / "model-0").save(place)
    process, unreadable, neither = None, 0, 0
    for number in range(kills):
        process = start(
            sys.executable, "-c", SAVER, *(str(home / f"model-{k}") for k in (0, 1)), str(place)
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.3))
        kill(process)
        try:
            found = PromptClassifier.load(place, device="cpu").predict_proba(X)
            neither += not any(np.array_equal(found, one) for one in said)
        except TspromptError as error:
            print(error, file=sys.stderr)
            unreadable += 1
        if number % 10 == 9:
            print(f"{number + 1} kills", file=sys.stderr)
    PromptClassifier.load(home / "model-0").save(place)
    left = len(list(home.glob(".*"))) + len(list(place.iterdir())) - 3
    return {
        "kills": kills,
        "unreadable": unreadable,
        "neither of the two": neither,
        "left-overs after the next save": left,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["bench", "save"])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.only != "bench":
            found["saving a model"] = saving(asked.kills, asked.seed, Path(folder))
        if asked.only != "save":
            found["bench run"] = benchmark(asked.kills, asked.seed, Path(folder))
    for what, figures in found.items():
        print(what)
        for name, figure in figures.items():
            print(f"  {name:32} {figure}")
    if asked.out:
        command = shlex.join(["python", "benchmarks/kill_and_resume.py", *sys.argv[1:]])
        write_whole(asked.out, json.dumps({"command": command, "found": found}, indent=1) + "\n")
    counts = ("kills", "planned")
    sys.exit(any(n for one in found.values() for name, n in one.items() if name not in counts))


if __name__ == "__main__":
    main()
