"""Runs of a packed file take the place of cells that would make the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tsprompt.base.version import __version__
from tsprompt.benchmark import (
    Cell,
    Job,
    Machine,
    Method,
    Plan,
    Record,
    adopt,
    baseline,
    finished,
    made_elsewhere,
)
from tsprompt.benchmark.measure import choices_of, options_of
from tsprompt.report import read_packed, write_packed

ORIGINAL = Method("original", "model", "original")
"""It leaves open what reads a text."""


def cells(*methods: Method, resamples: int = 1) -> list[Cell]:
    return Plan(("A",), methods, resamples=tuple(range(resamples))).cells()


def made(cell: Cell, **more: Any) -> Record:
    """What a run of the cell would leave."""
    method = cell.method
    about: dict[str, Any] = {
        "settings": choices_of(method),
        "options": options_of(method),
        "versions": {"tsprompt": __version__},
    }
    record = Record(
        cell.dataset, method.name, method.kind, cell.seed, cell.resample, "ok", accuracy=0.5
    )
    return replace(record, **{**about, **more})


def test_runs_that_were_made_elsewhere_are_not_made_again(tmp_path: Path) -> None:
    """But those of a method that has other choices are, and those that are there are kept."""
    three = cells(baseline("ridge"), resamples=3)
    packed = write_packed(tmp_path / "packed.json", [made(one) for one in three[:2]], "bench run")
    read = [one for _, one in read_packed(packed) if isinstance(one, Record)]
    other = replace(three[0], method=Method(three[0].method.name, "model", "fast"))
    job = Job(tmp_path / "results", "bench_loader:load", machine=Machine("cpu", "float32"))
    assert adopt(read, [*three, other], job) == 2
    found, left = finished([*three, other], job)
    assert [one.accuracy for one in found] == [0.5, 0.5]
    assert left == [three[2], other]
    assert adopt(read, three, job) == 0


@pytest.mark.parametrize(
    "options", [{"baseline": "ridge:low=-9.0"}, {}], ids=["of another default", "not known"]
)
def test_a_run_of_other_options_is_made_again(options: dict[str, str]) -> None:
    (cell,) = cells(baseline("ridge"))
    assert made_elsewhere([made(cell)], [cell]) == [(cell, made(cell))]
    assert made_elsewhere([made(cell, options=options)], [cell]) == []


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({}, True),
        ({"scope": "series"}, True),
        ({"scope": "series", "head": "ridge"}, False),
        ({"prompts": ["0" * 64]}, False),
    ],
    ids=["as it was asked", "what was left open is settled", "another head", "other prompts"],
)
def test_what_a_method_leaves_open_may_have_been_settled(
    changed: dict[str, Any], taken: bool
) -> None:
    (cell,) = cells(ORIGINAL)
    asked = options_of(ORIGINAL)
    assert asked["scope"] == "auto"
    record = made(cell, options={**asked, **changed})
    assert made_elsewhere([record], [cell]) == ([(cell, record)] if taken else [])


@pytest.mark.parametrize("versions", [{"tsprompt": "0.0.9"}, {}])
def test_a_run_of_another_version_is_made_again(versions: dict[str, str]) -> None:
    (cell,) = cells(baseline("ridge"))
    assert made_elsewhere([made(cell, versions=versions)], [cell]) == []


def test_failed_runs_are_made_again() -> None:
    (cell,) = cells(baseline("ridge"))
    assert made_elsewhere([made(cell, status="failed", accuracy=None)], [cell]) == []
