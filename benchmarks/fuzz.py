"""Damaged files of every format: each is read right or refused by the library's own error.

    python benchmarks/fuzz.py --tried 100000 --seed 0 --output docs/results/fuzzing.md

Small valid files are changed by Hypothesis (bytes, pieces of the format, cuts, copies) and read as
`load_file` and `read` do. A fault is an exception that is not `DatasetError`, an error without the
file's name, one that quotes more than a line or holds control characters, cases that do not fit
their labels or the file's lines, a second of processor time, 4 GiB of memory, or a dead process.
"""

from __future__ import annotations

import argparse
import io
import lzma
import os
import resource
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = 1.0
MESSAGE = 1000
MEMORY = 4 << 30
BATCH = 500

TS = """# made\n@problemName X\n@timeStamps false\n@missing true\n@univariate false\n@dimensions 2
@equalLength true\n@seriesLength 3\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n1,?,3:4,NaN,6:b\n"""
ARFF = """% made\n@relation X\n@attribute t0 numeric\n@attribute 't 1' REAL\n@attribute y {a,'b c'}
@data\n1,2,a\n3,?,'b c'\n"""
RELATIONAL = """@relation X\n@attribute r relational\n @attribute t0 numeric\n @attribute t1 numeric
@end r\n@attribute y {a,b}\n@data\n'1,2\\n4,5',a\n"1,2\\n4,?",b\n"""
TSV = "1\t0.5\t2\t3e4\n2\t1.0\tNaN\t3.0\n-1\t1.0\tNaN\tNaN\n"
LONG = "id,time,x,label\n" + "".join(
    f"{i},{t},{i + t / 2},{'ab'[i % 2]}\n" for i in range(4) for t in range(3)
)
WIDE = "label,t1,t2,t3\na,1,2.5,3\nb,4,,6\na,1,2,3\nb,4,5,6\n"
TOKENS = [
    *("1e999", "-inf", "nan", "-nan", "1_0", "0x1", "٣", "?", "", " ", "\u00a0", "\ufeff", "\0"),
    *("\r", "\n", "\t", ",", ":", "'", '"', "{", "}", "\\", "\x1b[31m", "=1+1", "9" * 400),
    *("@data\n", "@dimensions 0\n", "@seriesLength 1\n", "@classLabel true x\n", "@end r\n"),
    *(
        "@attribute z numeric\n",
        "@univariate true\n",
        "true",
        "false",
        "PK\x03\x04",
        "(",
        "'descr'",
    ),
]


def _saved(save: Callable[..., Any], *arrays: Any, **named: Any) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def _table(ending: str) -> bytes:
    import pandas as pd

    frame = pd.read_csv(io.StringIO(LONG))
    return _saved(getattr(frame, f"to_{ending}"))


def _zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("TRAIN", "TEST"):
            info = zipfile.ZipInfo(f"x_{part}.tsv")  # of a fixed date
            archive.writestr(info, TSV, zipfile.ZIP_DEFLATED)
    return file.getvalue()


SERIES = np.arange(24.0).reshape(4, 3, 2)
FORMATS: dict[str, Callable[[], list[bytes]]] = {
    ".ts": lambda: [TS.encode()],
    ".tsv": lambda: [TSV.encode()],
    ".arff": lambda: [ARFF.encode(), RELATIONAL.encode()],
    ".txt": lambda: [TSV.replace("\t", ",").encode(), TSV.replace("\t", "  ").encode()],
    ".npy": lambda: [_saved(np.save, SERIES), _saved(np.save, SERIES[:, :, 0].astype(">i2"))],
    ".tsv.xz": lambda: [lzma.compress(TSV.encode())],
    ".zip": lambda: [_zipped()],
    ".csv": lambda: [LONG.encode(), WIDE.encode()],
    ".npz": lambda: [_saved(np.savez, X=SERIES, y=np.array(list("abab")))],
    ".parquet": lambda: [_table("parquet")],
    ".feather": lambda: [_table("feather")],
}
"""Ending -> valid files to begin with."""


@st.composite
def damaged(draw: st.DrawFn, valid: list[bytes]) -> bytes:
    """One of these files after one to four changes."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        how = draw(st.sampled_from(("byte", "bytes", "token", "cut", "copy", "end", "flip")))
        if how == "byte":
            data[start : start + 1] = bytes([draw(st.integers(0, 255))])
        elif how == "bytes":
            data[start:end] = draw(st.binary(max_size=8))
        elif how == "token":
            data[start:end] = draw(st.sampled_from(TOKENS)).encode()
        elif how == "cut":
            del data[start:end]
        elif how == "copy":
            data[start:start] = data[start:end] * draw(st.integers(1, 50))
        elif how == "end":
            del data[start:]
        elif start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


def lines_of(ending: str, data: bytes) -> int | None:
    """How many cases a text file of the archives must give; None where lines do not tell."""
    comments = {".ts": (b"#", b"%"), ".arff": (b"%",), ".tsv": (), ".txt": ()}.get(ending)
    if comments is None:
        return None
    lines = [
        one.strip(b" \r" if ending == ".tsv" else b" \t\r")
        for one in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    ]
    if ending in (".ts", ".arff"):
        lines = lines[[one.lower() for one in lines].index(b"@data") + 1 :]
    return sum(bool(one) and not (comments and one.startswith(comments)) for one in lines)


def judge(path: Path, ending: str, data: bytes) -> str:
    """`read`, `refused`, or the fault."""
    from tsprompt.errors import DatasetError

    path.write_bytes(data)
    begun = time.process_time()
    try:
        held = _read(path, ending, data)
        verdict = "read" if _sound(held, lines_of(ending, data)) else "cases that do not fit"
    except DatasetError as error:
        verdict = _judge_message(str(error), path)
    except Exception as error:
        verdict = type(error).__name__
    return verdict if time.process_time() - begun < SECONDS else "slow"


def _judge_message(said: str, path: Path) -> str:
    from tsprompt.base.names import visible

    if path.stem.partition(".")[0] not in said:
        return "no file's name in the message"
    if len(said) > MESSAGE:
        return "long message"
    return "refused" if visible(said) == said else "control characters in the message"


def _read(path: Path, ending: str, data: bytes) -> list[Any]:
    """What the library makes of the file: things with cases and labels."""
    from tsprompt_datasets import load_dataset, load_file, read_cases
    from tsprompt_datasets.readers import READERS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if ending in READERS:
            return [READERS[ending](path.name, data)]
        if ending == ".zip":
            dataset = load_dataset(path)
            return [dataset.train, dataset.test]
        return [load_file(path) if ending == ".tsv.xz" else read_cases(path)]


def _sound(held: list[Any], lines: int | None) -> bool:
    return all(
        len(one.cases) > 0
        and all(case.size and not np.isinf(case).any() for case in one.cases)
        and (one.labels is None or len(one.labels) == len(one.cases))
        and lines in (None, len(one.cases))
        for one in held
    )


def batch(ending: str, count: int, number: int) -> tuple[Counter[str], dict[str, bytes]]:
    """Verdicts on so many damaged files, and an example of each fault."""
    verdicts: Counter[str] = Counter()
    examples: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TSPROMPT_CACHE_DIR"] = f"{folder}/a file"  # nothing is to be kept
        (Path(folder) / "a file").touch()
        path = Path(folder) / f"x_TEST{ending}"

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(data=damaged(FORMATS[ending]()))
        def run(data: bytes) -> None:
            if verdicts.total() < count:
                verdict = judge(path, ending, data)
                verdicts[verdict] += 1
                if verdict not in ("read", "refused"):
                    examples.setdefault(verdict, data)

        run()
    return verdicts, examples


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def fuzz(
    tried: int, number: int, formats: list[str], workers: int
) -> dict[str, tuple[Counter[str], dict[str, bytes]]]:
    """The same for each format, in processes of their own: one may die of a file."""
    each = -(-tried // len(formats))
    found: dict[str, tuple[Counter[str], dict[str, bytes]]] = {
        one: (Counter(), {}) for one in formats
    }
    tasks = [
        (one, min(BATCH, each - start), number * 1_000_003 + start)
        for start in range(0, each, BATCH)
        for one in formats
    ]
    while tasks:
        pool = ProcessPoolExecutor(workers, initializer=_limited)
        with pool:
            futures: list[tuple[tuple[str, int, int], Future[Any]]] = []
            for task in tasks:
                futures.append((task, pool.submit(batch, *task)))
            tasks = []
            broken = False
            for task, future in futures:
                try:
                    verdicts, examples = future.result()
                except BrokenProcessPool:
                    if broken:  # it was only waiting its turn
                        tasks.append(task)
                    else:
                        found[task[0]][0]["dead process"] += 1
                    broken = True
                    continue
                found[task[0]][0].update(verdicts)
                for fault, data in examples.items():
                    found[task[0]][1].setdefault(fault, data)
    return found


def table(found: dict[str, tuple[Counter[str], dict[str, bytes]]]) -> str:
    rows = ["| format | tried | read | refused | faults |", "|---|---|---|---|---|"]
    whole: Counter[str] = Counter()
    for ending, (verdicts, _) in found.items():
        rows.append(_row(f"`{ending}`", verdicts))
        whole.update(verdicts)
    return "\n".join([*rows, _row("all", whole)])


def _row(name: str, verdicts: Counter[str]) -> str:
    faults = {what: n for what, n in verdicts.items() if what not in ("read", "refused")}
    said = ", ".join(f"{n} {what}" for what, n in sorted(faults.items())) or "0"
    counts = (verdicts.total(), verdicts["read"], verdicts["refused"])
    return " | ".join([f"| {name}", *(f"{one:,}" for one in counts), f"{said} |"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tried", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="a page to write the figures to")
    options = parser.parse_args()
    begun = time.monotonic()
    found = fuzz(options.tried, options.seed, options.formats, options.workers)
    figures = table(found)
    print(figures)
    print(f"seed {options.seed}, {time.monotonic() - begun:.0f} s on {options.workers} processes")
    for ending, (_, examples) in found.items():
        for fault, data in examples.items():
            print(f"{ending}: {fault}: {data[:400]!r}")
    if options.output is not None:
        before = options.output.read_text("utf-8") if options.output.exists() else ""
        head = before.partition("\n| format |")[0].rstrip() or "# Damaged files"
        options.output.write_text(f"{head}\n\n{figures}\n", "utf-8")
    return int(any(examples or verdicts["dead process"] for verdicts, examples in found.values()))


if __name__ == "__main__":
    sys.exit(main())
