"""Benchmarks: which methods to run on which sets, running them, and what each run said.

One record for each run; tables are made of stored records by `tsprompt.report`.
"""

from tsprompt.benchmark.plan import Cell, Method, plan_cells, plan_methods, twins
from tsprompt.benchmark.record import Record, read_record
from tsprompt.benchmark.run import Machine, build, check, measure, run_cells

__all__ = [
    "Cell",
    "Machine",
    "Method",
    "Record",
    "build",
    "check",
    "measure",
    "plan_cells",
    "plan_methods",
    "read_record",
    "run_cells",
    "twins",
]
