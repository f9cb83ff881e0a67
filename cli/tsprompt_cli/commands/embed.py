"""`tsprompt embed`: what the head of a saved model sees of cases, for others' tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.errors import counted
from tsprompt_cli.commands.predict import Input
from tsprompt_cli.new_cases import NewCases, new_cases
from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.options import DataDir, Digest, Saved, folder_of
from tsprompt_cli.output import say
from tsprompt_cli.own_data import Reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.model.fitted import Fitted

__all__ = ["embed"]

_CHUNK = 256
"""Cases whose features exist at once, where the file takes them part by part."""
_ENDINGS = (".parquet", ".npz")


@flat
def embed(
    model: Saved,
    source: Input,
    *,
    machine: Machine,
    reading: Reading,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file, whose ending is .parquet or .npz.",
            show_default=False,
        ),
    ],
    digest: Digest = None,
    data_dir: DataDir = None,
) -> None:
    """Write the features that the head sees of each case, to be used by other tools.

    A row for each case: its number, its id and its label, where there are any, and R features. In
    Parquet the column `features` holds a list of R numbers; in NPZ the array `features` is (B, R).
    """
    from tsprompt.base.files import check_file, check_not_input
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.errors import ConfigError
    from tsprompt.model.saving import MODEL

    if output.suffix.lower() not in _ENDINGS:
        raise ConfigError(
            f"{output}: features are written as {' or '.join(_ENDINGS)}; give a name that ends so"
        )
    check_file(output)
    folder = folder_of(model)
    check_not_input(output, source, folder)
    fitted = machine.read(folder, digest)
    details = read_header(folder, MODEL).get("details", {})
    cases = new_cases(source, reading, data_dir, details, fitted.classes)
    write = _write_parquet if output.suffix.lower() == ".parquet" else _write_npz
    width = write(output, cases, fitted)
    say(
        "Wrote",
        f"{output}: {counted(len(cases.cases), 'case')} of {counted(width, 'feature')}",
        "green",
    )


def _parts(cases: NewCases, fitted: Fitted) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Features (b, R) of some cases after the others."""
    from tsprompt_cli.display.progress_bars import working

    count = len(cases.cases)
    starts = range(0, count, _CHUNK)
    with working("reading cases", total=len(starts)) as work:
        for start in starts:
            part = slice(start, min(start + _CHUNK, count))
            work.start(f"cases {part.start + 1} to {part.stop}")
            yield part, fitted.features(cases.cases[part]).float().cpu().numpy()
            work.finish(f"cases {part.start + 1} to {part.stop} of {count}")


def _columns(cases: NewCases) -> dict[str, npt.NDArray[Any]]:
    """What tells the cases: each an array (B,) of numbers, days or texts."""
    import numpy as np

    columns: dict[str, npt.NDArray[Any]] = {"case": np.arange(1, len(cases.cases) + 1)}
    if cases.cases.ids is not None:
        columns["id"] = np.array(list(map(str, cases.cases.ids)))
    if cases.labels is not None:
        plain = cases.labels.dtype.kind in "biufUM"
        columns["label"] = cases.labels if plain else cases.labels.astype(str)
    return columns


def _write_parquet(path: Path, cases: NewCases, fitted: Fitted) -> int:
    """Write part by part, so that the features of all cases never exist at once."""
    import pyarrow as pa
    from pyarrow import parquet

    from tsprompt.base.files import written_whole

    columns, width, writer = _columns(cases), 0, None
    with written_whole(path) as partial:
        try:
            for part, features in _parts(cases, fitted):
                width = features.shape[1]
                held = {name: pa.array(values[part]) for name, values in columns.items()}
                flat_values = pa.array(features.reshape(-1))
                held["features"] = pa.FixedSizeListArray.from_arrays(flat_values, width)
                table = pa.table(held)
                writer = writer or parquet.ParquetWriter(partial, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return width


def _write_npz(path: Path, cases: NewCases, fitted: Fitted) -> int:
    import numpy as np

    from tsprompt.base.files import written_whole

    features = np.concatenate([one for _, one in _parts(cases, fitted)])
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez(file, features=features, **_columns(cases))  # type: ignore[arg-type]
    return int(features.shape[1])
