"""What a user may say of a file: which column is what, and how train and test are told apart."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tsprompt.errors import ConfigError, Setting

__all__ = ["NO_LABEL", "ReadOptions", "Resampling", "SplitOptions", "read_resampling"]

Layout = Literal["long", "wide"]

NO_LABEL = "none"
"""What stands for "no column is the label", unless a column has this very name."""


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be understood. What is None is inferred from the file."""

    label: str | None = None
    """The column of the labels; `none`: there is none."""
    id: str | None = None
    """The column that names the case."""
    time: str | None = None
    """The column of the time, in long form."""
    values: tuple[str, ...] = ()
    """The columns that hold the series; none: all numbers that are nothing else."""
    layout: Layout | None = None
    """`long`: a row for each timestep; `wide`: a row for each case."""
    groups: str | None = None
    """The column of what must not stand on both sides of a split."""
    resample: str | None = None
    """Timesteps of each case, such as `100`, or seconds between two, such as `0.02s`."""
    header: bool | None = None
    """Whether the first row names the columns."""

    def __post_init__(self) -> None:
        if self.layout not in (None, "long", "wide"):
            raise ConfigError(f"the layout is long or wide, not {self.layout!r}")
        object.__setattr__(self, "values", _names(self.values))
        if self.resample is not None:
            read_resampling(self.resample)
        roles = [self.label, self.id, self.time, self.groups, *self.values]
        named = [role for role in roles if role is not None and role != self.groups]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise ConfigError(f"the column {twice!r} was given two parts to play; give it one")

    def as_dict(self) -> dict[str, Any]:
        """What was said, as JSON has it: two that are equal mean the same."""
        found = dataclasses.asdict(self) | {"values": list(self.values)}
        return {key: value for key, value in found.items() if value not in (None, [])}


def _names(values: Any) -> tuple[str, ...]:
    """Columns as `a,b`, or as a sequence."""
    if isinstance(values, str):
        values = values.split(",")
    return tuple(name for one in values or () if (name := str(one).strip()))


@dataclass(frozen=True)
class SplitOptions:
    """How cases are parted into train and test."""

    test: str | None = None
    """A file of its own for test."""
    test_size: float | None = None
    """The share of cases that become test."""
    cv: int | None = None
    """Parts of a cross-validation."""
    fold: int = 0
    """Which of these parts is test, from 0 on."""
    seed: int = 0
    """What the draw starts from."""

    def __post_init__(self) -> None:
        chosen = [name for name in ("test", "test_size", "cv") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ConfigError(
                Setting(chosen[0]),
                " and ",
                Setting(chosen[1]),
                " are ways to the same end; give one of them",
            )
        if self.test_size is not None and not 0 < self.test_size < 1:
            raise ConfigError(
                Setting("test_size"), f" is {self.test_size:g}; it is a share, such as 0.3"
            )
        if self.cv is not None and self.cv < 2:
            raise ConfigError(Setting("cv"), f" is {self.cv}; give 2 parts or more")
        if self.cv is not None and not 0 <= self.fold < self.cv:
            raise ConfigError(
                f"part {self.fold + 1} of a cross-validation into {self.cv} was asked for; there "
                f"are {self.cv}"
            )
        if self.test is not None:
            object.__setattr__(self, "test", str(Path(self.test).expanduser()))


@dataclass(frozen=True)
class Resampling:
    """To what even time series are brought: one of the two is given."""

    steps: int | None = None
    """Timesteps of each case."""
    seconds: float | None = None
    """From one timestep to the next; in the file's own unit where its time is a plain number."""


_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def read_resampling(text: str) -> Resampling:
    """Read `100` (timesteps), or `0.02s`, `5min` or `0.5` (the time between two).

    Raises
    ------
    ConfigError
        It is none of these.
    """
    text = str(text).strip().lower()
    if re.fullmatch(r"\d+", text):
        if int(text) < 2:
            raise ConfigError(Setting("resample"), f" is {text}; give 2 timesteps or more")
        return Resampling(steps=int(text))
    found = re.fullmatch(r"(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*(ms|s|min|h|d|)", text)
    if found is None or not float(found[1]) > 0:
        raise ConfigError(
            Setting("resample"),
            f" is {text!r}; give a number of timesteps, such as 100, or the time "
            "between two, such as 0.02s, 5min or 1h",
        )
    return Resampling(seconds=float(found[1]) * _UNITS[found[2]])
