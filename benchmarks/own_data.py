"""What reading a long CSV costs, beside pandas: time, and the most memory a process held.

    python benchmarks/own_data.py --rows 20_000_000

writes a file of that many rows (1 GB for 20 million), then reads it twice, each time in a process
of its own: with `pandas.read_csv(engine="pyarrow")` and the arrays made of its columns, and with
`tsprompt_datasets.read_cases`, nothing of it cached before. Memory is the process's peak without
what its imports take.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 200
"""Timesteps of a case."""


def write(path: Path, rows: int) -> None:
    """Cases of `STEPS` timesteps in long form: id, time, two values, label."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(0)
    with csv.CSVWriter(path, _schema()) as writer:
        for start in range(0, rows, 1_000_000):
            number = np.arange(start, min(start + 1_000_000, rows))
            case = number // STEPS
            columns = {
                "id": pa.array(case).cast("string"),
                "time": pa.array(number % STEPS * 0.02).cast("float32").cast("float64"),
                "ax": pa.array(rng.normal(size=len(number)).round(8)),
                "ay": pa.array(rng.normal(size=len(number)).round(8)),
                "label": pa.array(np.array(["walk", "run"])[case % 2]),
            }
            writer.write_table(pa.table(columns, schema=_schema()))


def _schema():
    import pyarrow as pa

    number, text = pa.float64(), pa.string()
    return pa.schema(
        [("id", text), ("time", number), ("ax", number), ("ay", number), ("label", text)]
    )


def with_pandas(path: Path) -> None:
    """The frame, and from it one array (T, F) for each case, its label beside it."""
    import numpy as np
    import pandas as pd

    frame = pd.read_csv(path, engine="pyarrow", dtype={"id": str})
    values = frame[["ax", "ay"]].to_numpy()
    starts = np.flatnonzero(np.r_[True, (frame.id.to_numpy()[1:] != frame.id.to_numpy()[:-1])])
    series, labels = np.split(values, starts[1:]), frame.label.to_numpy()[starts]
    assert len(series) == len(labels)


def with_tsprompt(path: Path) -> None:
    """The cases, as every command reads them for the first time."""
    from tsprompt_datasets import read_cases

    assert len(read_cases(path))


READERS = {"pandas": with_pandas, "tsprompt": with_tsprompt}


def measure(reader: str, path: Path) -> dict[str, float]:
    """Seconds and bytes of one reading, in a process of its own with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        run = subprocess.run(
            [sys.executable, __file__, "--reader", reader, "--file", str(path)],
            env={**os.environ, "TSPROMPT_CACHE_DIR": cache},
            check=True,
            capture_output=True,
            text=True,
        )
    return json.loads(run.stdout)


def read(reader: str, path: Path) -> None:
    """Read it here, and print what it took."""
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.csv  # noqa: F401

    import tsprompt_datasets  # noqa: F401

    before, started = _peak(), time.perf_counter()
    READERS[reader](path)
    print(json.dumps({"seconds": time.perf_counter() - started, "bytes": _peak() - before}))


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reader", choices=READERS)
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    if asked.reader:
        read(asked.reader, asked.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or Path(folder) / "long.csv"
        if not path.exists():
            write(path, asked.rows)
        print(f"{asked.rows:,} rows, {path.stat().st_size / 1e9:.2f} GB, {os.cpu_count()} cores")
        found = {name: [measure(name, path) for _ in range(asked.rounds)] for name in READERS}
    best = {
        name: {key: min(run[key] for run in runs) for key in ("seconds", "bytes")}
        for name, runs in found.items()
    }
    for name, one in best.items():
        print(f"{name:10} {one['seconds']:7.2f} s  {one['bytes'] / 1e9:6.2f} GB")
    time_, memory = (best["tsprompt"][key] / best["pandas"][key] for key in ("seconds", "bytes"))
    print(f"{'ratio':10} {time_:7.2f}    {memory:6.2f}")


if __name__ == "__main__":
    main()
