"""What a command costs before and beside its work: processor time of whole processes, and where
it goes.

    OMP_NUM_THREADS=1 python benchmarks/startup.py

fits the recipe `default` on GunPoint (bundled with sktime), writes ten of its test cases as a CSV
with a row for each, and runs every command several times in a process of its own, in turns. The
least and the median of user and system seconds count, and the median of what a command took more
or less than `import torch` in the same turn: other work on the machine can only add to a time.
Then it says, for one run, which libraries are imported and how long that takes, and times the
stages of a prediction in one process, with a single case at the end.

Our own modules are compiled first, as pip does when it installs them.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

OWN = ("tsprompt", "tsprompt_cli", "tsprompt_datasets")
TORCH = "python -c 'import torch'"
CALL = "from tsprompt_cli.main import main; main()"
IN_PYTHON = (
    "import sys, numpy; from tsprompt import PromptClassifier; "
    "PromptClassifier.load(sys.argv[1]).predict(numpy.zeros((10, 150, 1)))"
)
TIMES = [f"t{number}" for number in range(150)]
LARGEST = 6
"""Libraries that are named."""
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def main() -> None:
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of each command")
    runs = parser.parse_args().runs
    for package in OWN:
        compileall.compile_dir(next(iter(import_module(package).__path__)), quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        model, older, new = prepare(Path(folder))
        commands = {
            "python -c pass": ["-c", "pass"],
            TORCH: ["-c", "import torch"],
            "tsprompt list heads": ["-c", CALL, "list", "heads"],
            "tsprompt show MODEL": ["-c", CALL, "show", str(model)],
            "tsprompt show MODEL, saved by an older release": ["-c", CALL, "show", str(older)],
            "tsprompt predict MODEL, ten cases": ["-c", CALL, "predict", str(model), str(new)],
            "load and predict ten cases in Python": ["-c", IN_PYTHON, str(model)],
        }
        compare(commands, runs)
        for name, command in list(commands.items())[2:]:
            print(f"\n{name}, seconds of imports (slower than without the count): {where(command)}")
        stages(model, new)


def compare(commands: dict[str, list[str]], runs: int) -> None:
    """Print a table of processor times; each turn runs all commands once."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(spent(command))
    loads = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{runs} turns, load of the machine over 1, 5 and 15 minutes {loads}\n")
    print("| command | least, s | median, s | times `import torch` |\n|---|---:|---:|---:|")
    for name, times in taken.items():
        ratio = median(one / torch for one, torch in zip(times, taken[TORCH], strict=True))
        print(f"| `{name}` | {min(times):.2f} | {median(times):.2f} | {ratio:.2f} |")


def prepare(folder: Path) -> tuple[Path, Path, Path]:
    """A fitted model, the same as older releases saved it, and ten new cases; the CSV has been read
    once."""
    import numpy as np

    from tsprompt import PromptClassifier
    from tsprompt_datasets import load_dataset

    data = load_dataset("GunPoint")
    classifier = PromptClassifier(random_state=0).fit(data.train.cases, data.train.labels)
    columns = {"layout": "wide", "label": "label", "values": TIMES}
    model = classifier.save(folder / "model", columns=columns)
    rows = np.stack([np.asarray(case)[:, 0] for case in data.test.cases][:10])
    new = folder / "new.csv"
    np.savetxt(new, rows, delimiter=",", header=",".join(TIMES), comments="")
    os.environ["TSPROMPT_CACHE_DIR"] = str(folder / "cache")
    spent(["-c", CALL, "predict", str(model), str(new)])
    return model, as_older(model, folder / "older"), new


def as_older(model: Path, folder: Path) -> Path:
    """The same model without what `show` prints."""
    from tsprompt.base.tensor_folder import digest_of

    shutil.copytree(model, folder)
    header = json.loads((folder / "model.json").read_text())
    del header["shown"]
    header["digest"] = digest_of(header)
    (folder / "model.json").write_text(json.dumps(header))
    return folder


def spent(command: list[str]) -> float:
    """User and system seconds of a process."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def where(command: list[str]) -> str:
    """The libraries whose imports take longest."""
    asked = [sys.executable, "-X", "importtime", *command]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    taken: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        if found := IMPORTED.match(line):
            taken[found[2].partition(".")[0]] += int(found[1])
    shown = [f"{name} {micro / 1e6:.2f}" for name, micro in taken.most_common(LARGEST)]
    rest = sum(taken.values()) - sum(micro for _, micro in taken.most_common(LARGEST))
    return ", ".join([*shown, f"{len(taken) - LARGEST} others {rest / 1e6:.2f}"])


def stages(model: Path, new: Path) -> None:
    """Processor time of each step of a prediction, in this process."""
    from tsprompt.backbones import load as backbones
    from tsprompt.model.saving import load
    from tsprompt_datasets import read_cases

    backbones._load.cache_clear()
    fitted, seconds = timed(lambda: load(model).fitted)
    print(f"\nload the model: {seconds:.3f} s", end="")
    cases, seconds = timed(lambda: read_cases(str(new)).cases)
    print(f"; read ten cases: {seconds:.3f} s", end="")
    _, seconds = timed(lambda: fitted.probabilities(cases))
    print(f"; predict them: {seconds:.3f} s")
    single = cases.take([0])
    least = min(timed(lambda: fitted.probabilities(single))[1] for _ in range(50))
    print(f"one case, the least of 50: {least * 1e3:.1f} ms")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What work gives, and its processor time."""
    started = time.process_time()
    made = work()
    return made, time.process_time() - started


if __name__ == "__main__":
    main()
