"""A report as one page that opens from disk: no network, no other file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from tsprompt.benchmark.record import Record
from tsprompt.data import Dataset
from tsprompt.errors import counted
from tsprompt.page import render
from tsprompt.report.ablations import ABOUT, by_part, survivors
from tsprompt.report.contents import Report
from tsprompt.report.page.cases import study_cases
from tsprompt.report.page.figures import (
    ablation_bars,
    accuracy_against_time,
    critical_differences,
)
from tsprompt.report.statistics import ALPHA, Comparison
from tsprompt.report.summary import OVERALL

__all__ = ["page"]


def page(report: Report, load: Callable[[str], Dataset]) -> str:
    """A report as HTML.

    Parameters
    ----------
    load
        Gives a data set by its name, to draw the hardest cases; where it raises `TspromptError`,
        the page says so instead.
    """
    return render(files(__name__), "page.html", script="scatter.js", **_contents(report, load))


def _contents(report: Report, load: Callable[[str], Dataset]) -> dict[str, Any]:
    kinds = {record.method: record.kind for record in report.records}
    rows = report.overall
    comparison = report.comparison
    return {
        "alpha": ALPHA,
        "report": report,
        "kinds": kinds,
        "overall": rows.to_dict("records"),
        "pairs": report.listed_pairs.to_dict("records"),
        "groups": [] if comparison is None else comparison.groups,
        "unshown": None if comparison is None else comparison.unshown,
        "cd": _diagram(comparison, kinds),
        "time": accuracy_against_time(rows),
        "about_ablations": ABOUT,
        "ablations": [
            (one.model, one.table.to_dict("records"), ablation_bars(one, f"ablation{number}"))
            for number, one in enumerate(report.ablations)
        ],
        "by_part": [(part, table.to_dict("records")) for part, table in by_part(report.ablations)]
        if len(report.ablations) > 1
        else [],
        "survivors": survivors(report.ablations),
        "scatter": _scatter(report),
        "sets": _sets(report, load),
        "made_with": _environment(report.records),
    }


def _diagram(comparison: Comparison | None, kinds: dict[str, str]) -> Markup | None:
    """None where a bar over all methods would pass for a finding."""
    if comparison is None or comparison.unshown is not None:
        return None
    return critical_differences(comparison, kinds)


def _scatter(report: Report) -> Markup:
    """What the script draws: methods, sets and accuracies."""
    values = [
        [None if math.isnan(value) else round(value, 6) for value in row]
        for row in report.accuracy.to_numpy().tolist()
    ]
    data = {
        "methods": report.methods,
        "sets": [str(name) for name in report.accuracy.index],
        "accuracy": values,
        "first": report.reference,
    }
    # No text of a name may end the element that holds it.
    text = json.dumps(data).replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    return Markup(text)


def _sets(report: Report, load: Callable[[str], Dataset]) -> list[dict[str, Any]]:
    records: dict[str, list[Record]] = {}
    for record in report.records:
        records.setdefault(record.dataset, []).append(record)
    rows = report.summary[report.summary["dataset"] != OVERALL]
    by_set = dict(iter(rows.groupby("dataset", sort=False)))
    found = []
    for number, name in enumerate(report.accuracy.index):
        own, identity = by_set[name], f"set{number}"
        found.append(
            {
                "name": name,
                "id": identity,
                "rows": own.sort_values("rank", kind="stable").to_dict("records"),
                "best": own["accuracy"].max(),
                "about": _about(records[name]),
                "accuracy": report.accuracy.loc[name].to_dict(),
                "study": study_cases(
                    str(name),
                    records[name],
                    identity=identity,
                    folder=report.folder,
                    reference=report.reference,
                    load=load,
                ),
            }
        )
    return found


def _about(records: Iterable[Record]) -> str:
    """The sizes of a set, as its runs saw it."""
    for record in records:
        if record.n_train is not None:
            return (
                f"{record.n_train:,} train and {counted(record.n_test or 0, 'test case')}, "
                f"{counted(record.n_classes or 0, 'class')}"
            )
    return ""


def _environment(records: Iterable[Record]) -> list[tuple[str, str]]:
    """What the runs were made with; several values where they differ."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        if record.kind == "published":
            continue
        facts = {
            **record.versions,
            **record.hardware,
            "device": record.device,
            "dtype": record.dtype,
            "backbone": record.backbone,
            "commit": record.commit,
        }
        for key, value in facts.items():
            if value is not None:
                found.setdefault(str(key), {})[_fact(key, value)] = None
    return [(key.replace("_", " "), ", ".join(values)) for key, values in found.items()]


def _fact(key: str, value: Any) -> str:
    if key == "memory_bytes" and isinstance(value, int):
        return f"{value / 2**30:.0f} GiB"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
