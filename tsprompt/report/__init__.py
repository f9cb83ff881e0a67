"""Reports: records of runs become tables, and tables become text. Needs no torch."""

from tsprompt.report.render import render
from tsprompt.report.summary import OVERALL, summarise
from tsprompt.report.terminal import comparison_tables

__all__ = ["OVERALL", "comparison_tables", "render", "summarise"]
