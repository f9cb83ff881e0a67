"""Results as tsml, tsml-eval and aeon lay them out: files of predictions, and files of accuracies.

A file of predictions::

    GunPoint,shared - no LM,TEST,0,SECONDS,tsprompt 0.1.0
    {"classes": ["1", "2"], "seed": 0, ...}
    accuracy,fit time,predict time,benchmark time,memory,classes,train estimate,its time,both times
    true,predicted,,chance of class 0,chance of class 1

Classes are numbers there; the JSON in the second line, which is free, says what they are called.
"""

from __future__ import annotations

import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.files import write_whole
from tsprompt.base.names import for_csv, for_file
from tsprompt.benchmark.record import Record
from tsprompt.errors import ModelFileError

if TYPE_CHECKING:
    from tsprompt.benchmark.measure import Predictions

__all__ = ["read_predictions", "write_accuracies", "write_predictions"]

Labels = npt.NDArray[np.str_]


def write_predictions(path: Path, record: Record, predictions: Predictions) -> Path:
    """Write what a run predicted of test, all of it or nothing.

    Raises
    ------
    TspromptError
        It can't be written.
    """
    version = record.versions.get("tsprompt", "")
    about = {
        "classes": predictions.classes,
        "method": record.method,
        "seed": record.seed,
        "shots": record.shots,
        "options": record.options,
    }
    memory = -1 if record.peak_memory_bytes is None else record.peak_memory_bytes
    times = [-1 if one is None else one for one in (record.fit_seconds, record.predict_seconds)]
    lines = [
        f"{_plain(record.dataset)},{_plain(record.method)},TEST,{record.resample},SECONDS,"
        f"tsprompt {version}",
        json.dumps(about),
        f"{record.accuracy!r},{times[0]!r},{times[1]!r},-1,{memory},{len(predictions.classes)},"
        "N/A,-1,-1",
        *_rows(predictions),
    ]
    return write_whole(path, "\n".join(lines) + "\n")


def _plain(name: str) -> str:
    """A comma ends a field there, and nothing can quote it."""
    return for_csv(" ".join(name.replace(", ", " - ").replace(",", "-").split()))


def _rows(predictions: Predictions) -> Iterable[str]:
    numbers = {label: number for number, label in enumerate(predictions.classes)}
    for true, predicted, chances in zip(
        predictions.truth.tolist(),
        predictions.predicted.tolist(),
        predictions.chances.tolist(),
        strict=True,
    ):
        shares = ",".join(f"{chance:.9g}" for chance in chances)
        yield f"{numbers[true]},{numbers[predicted]},,{shares}"


def read_predictions(path: Path) -> tuple[Labels, Labels, npt.NDArray[np.float64], list[str]]:
    """Read a file of predictions, ours or that of another program.

    Returns
    -------
    tuple
        True labels (B,), predicted labels (B,), probabilities (B, C), and the C classes; they are
        called 0, 1, ... where the file doesn't say what they are called.

    Raises
    ------
    ModelFileError
        The file can't be read, or holds no predictions.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        width = int(lines[2].split(",")[5])
        classes = _classes(lines[1], width)
        numbers, chances = _parse(lines[3:], width)
    except (OSError, ValueError, IndexError, RecursionError) as error:
        raise ModelFileError(f"{path} holds no predictions as tsml has them ({error})") from None
    labels = np.array(classes)
    return labels[numbers[:, 0]], labels[numbers[:, 1]], chances, classes


def _classes(line: str, width: int) -> list[str]:
    if not line.startswith("{"):
        return [str(number) for number in range(width)]
    classes: Any = json.loads(line).get("classes")
    if classes is None:
        return [str(number) for number in range(width)]
    if not isinstance(classes, list) or [str(one) for one in classes] != classes:
        raise ValueError(f"the classes are {classes!r}")
    if len(classes) != width:
        raise ValueError(f"{len(classes)} names for {width} classes")
    return classes


def _parse(lines: list[str], width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    import pandas as pd

    if not lines:
        raise ValueError("it has no cases")
    table = pd.read_csv(io.StringIO("\n".join(lines)), header=None, dtype=str).to_numpy()
    if table.shape[1] != 3 + width:
        raise ValueError(f"{table.shape[1]} columns instead of {3 + width}")
    numbers = table[:, :2].astype(np.intp)
    chances = table[:, 3:].astype(np.float64)
    if numbers.min() < 0 or numbers.max() >= width:
        raise ValueError(f"a class is none of 0 to {width - 1}")
    if not np.isfinite(chances).all():
        raise ValueError("a probability is no number")
    return numbers, chances


def write_accuracies(folder: Path, records: Iterable[Record]) -> list[Path]:
    """Write a file of accuracies for each method, as `aeon.benchmarking` reads them.

    They lie in `folder/classification/accuracy/METHOD_accuracy.csv`: a row for each set, a column
    for each resample, means over seeds; empty where there is none.

    Raises
    ------
    TspromptError
        A file can't be written.
    """
    found: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for record in records:
        if record.ok and record.accuracy is not None:
            found[record.method][record.dataset][record.resample].append(record.accuracy)
    paths = []
    for method, sets in found.items():
        last = max(resample for runs in sets.values() for resample in runs)
        lines = [",".join(["Resamples:", *(str(number) for number in range(last + 1))])]
        for name, runs in sorted(sets.items()):
            means = (
                repr(math.fsum(runs[number]) / len(runs[number])) if number in runs else ""
                for number in range(last + 1)
            )
            lines.append(",".join([_plain(name), *means]))
        file = folder / "classification" / "accuracy" / f"{for_file(method)}_accuracy.csv"
        paths.append(write_whole(file, "\n".join(lines) + "\n"))
    return paths
