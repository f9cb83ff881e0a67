"""Benchmarks: which methods to run on which sets, running them, and what each run said.

One record for each run; tables are made of stored records by `tsprompt.report`.
"""

from tsprompt.benchmark.estimate import estimate_run
from tsprompt.benchmark.folds import measure_folds
from tsprompt.benchmark.measure import (
    Machine,
    Predictions,
    build,
    cell_name,
    check,
    failed,
    measure,
    record_file,
    run_cell,
    run_cells,
)
from tsprompt.benchmark.plan import Cell, Method, baseline, plan_cells, plan_methods, twins
from tsprompt.benchmark.plan_file import Plan, named_methods, read_plan
from tsprompt.benchmark.record import Record, read_record
from tsprompt.benchmark.results import ResultsFolder
from tsprompt.benchmark.run import (
    Job,
    State,
    adopt,
    finished,
    made_elsewhere,
    run_benchmark,
    states,
)
from tsprompt.benchmark.tsml import read_predictions, write_accuracies, write_predictions

__all__ = [
    "Cell",
    "Job",
    "Machine",
    "Method",
    "Plan",
    "Predictions",
    "Record",
    "ResultsFolder",
    "State",
    "adopt",
    "baseline",
    "build",
    "cell_name",
    "check",
    "estimate_run",
    "failed",
    "finished",
    "made_elsewhere",
    "measure",
    "measure_folds",
    "named_methods",
    "plan_cells",
    "plan_methods",
    "read_plan",
    "read_predictions",
    "read_record",
    "record_file",
    "run_benchmark",
    "run_cell",
    "run_cells",
    "states",
    "twins",
    "write_accuracies",
    "write_predictions",
]
