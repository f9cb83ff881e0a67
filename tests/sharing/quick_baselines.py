"""Baselines that are fitted quickly, and a mark for each that needs an extra."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from tsprompt.baselines import Baseline, baselines

T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 2}
SMALL: dict[str, Any] = {
    "members": 2,
    "epochs": 20,
    "layers": 1,
    "width": 32,
    "heads": 4,
    "trees": 50,
    "rocket_kernels": 500,
}
"""Options that make a baseline quick, by the option's name; kernels of ROCKET are `KERNELS`."""
KERNELS = {"rocket": 200, "minirocket": 500, "multirocket-hydra": 4}
NETWORKS = [name for name in baselines if baselines[name].extra == "tsai"]
CONVOLUTIONS = list(KERNELS)
NEEDY = [name for name in baselines if baselines[name].extra]


def by_name(names: Iterable[str]) -> Any:
    """A test for each of these baselines, marked with the extra that brings its packages."""
    marks = {name: [pytest.mark.extra(baselines[name].extra)] for name in NEEDY}
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=marks.get(name, [])) for name in names]
    )


each = by_name(baselines)


def made(name: str, seed: int = 0, *, rough: bool = False, **options: Any) -> Baseline:
    """A quick baseline, on the CPU; a rough one hardly learns."""
    kind = baselines[name]
    known = {field.name for field in dataclasses.fields(kind)}
    quick = {key: value for key, value in SMALL.items() if key in known}
    if rough and name in NETWORKS:
        quick["epochs"] = 2
    if name in KERNELS:
        quick["kernels"] = KERNELS[name]
    part = baselines.create(name, {**quick, **options})
    part.random_state, part.device = seed, "cpu"
    return part
