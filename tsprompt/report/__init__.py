"""Reports: records of runs become tables, and tables become text or a page. Needs no torch."""

from tsprompt.report.ablations import Ablations, ablations_in, settings_of
from tsprompt.report.as_json import ablation_rows, report_json
from tsprompt.report.contents import Report, make_report
from tsprompt.report.latex import latex
from tsprompt.report.load import LeftOut, Results, load_results
from tsprompt.report.packed import read_packed, write_packed
from tsprompt.report.render import markdown, render
from tsprompt.report.statistics import why_unshown
from tsprompt.report.summary import OVERALL, summarise
from tsprompt.report.terminal import ablation_tables, comparison_tables, cost_table, report_tables

__all__ = [
    "OVERALL",
    "Ablations",
    "LeftOut",
    "Report",
    "Results",
    "ablation_rows",
    "ablation_tables",
    "ablations_in",
    "comparison_tables",
    "cost_table",
    "latex",
    "load_results",
    "make_report",
    "markdown",
    "read_packed",
    "render",
    "report_json",
    "report_tables",
    "settings_of",
    "summarise",
    "why_unshown",
    "write_packed",
]
