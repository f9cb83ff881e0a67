"""Groups of data sets that have a name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from tsprompt_datasets.locate import data_folder, list_datasets

__all__ = ["GROUPS", "expand_names"]

_SMALL = (
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "UnitTest",
)
GROUPS = {
    "ucr-small": "eight small sets that come with sktime: no download",
    "ucr112": "the 112 univariate sets of one length with published results",
    "uea26": "the 26 multivariate sets of one length with published results",
    "multiverse": "the 71 multivariate sets of the Multiverse archive with published results",
    "all": "every set of the data folder",
}
"""Names of groups, with what each is."""


def expand_names(names: Iterable[str], data_dir: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of sets, each once, for names of sets and groups.

    Raises
    ------
    DatasetError
        `all` is asked for, and there is no such folder.
    """
    found: list[str] = []
    for name in names:
        found += _members(name, data_dir) if name in GROUPS else [name]
    return list(dict.fromkeys(found))


def _members(group: str, data_dir: str | os.PathLike[str] | None) -> list[str]:
    if group == "ucr-small":
        return list(_SMALL)
    if group == "all":
        entries = list_datasets(data_dir)
        here = data_folder(data_dir) is not None
        return [one.name for one in entries if one.source == "data-dir" or not here]
    return _listed(group)


@cache
def _listed(group: str) -> list[str]:
    """The names in the group's own file, one a line."""
    return (files("tsprompt_datasets") / "sets" / f"{group}.txt").read_text("utf-8").split()
