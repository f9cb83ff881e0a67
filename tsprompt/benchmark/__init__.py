"""Benchmarks: which methods to run on which sets, running them, and what each run said.

One record for each run; tables are made of stored records by `tsprompt.report`.
"""

from tsprompt.benchmark.cell import (
    Machine,
    Predictions,
    build,
    check,
    failed,
    measure,
    record_path,
    run_cell,
    run_cells,
)
from tsprompt.benchmark.plan import Cell, Method, baseline, plan_cells, plan_methods, twins
from tsprompt.benchmark.record import Record, read_record
from tsprompt.benchmark.tsml import read_predictions, write_accuracies, write_predictions

__all__ = [
    "Cell",
    "Machine",
    "Method",
    "Predictions",
    "Record",
    "baseline",
    "build",
    "check",
    "failed",
    "measure",
    "plan_cells",
    "plan_methods",
    "read_predictions",
    "read_record",
    "record_path",
    "run_cell",
    "run_cells",
    "twins",
    "write_accuracies",
    "write_predictions",
]
