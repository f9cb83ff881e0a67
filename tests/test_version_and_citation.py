"""What the project says of itself: one version, and how to cite it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import tsprompt

ROOT = Path(__file__).parents[1]


def test_the_version_stands_in_one_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "tsprompt.base.version.__version__"
    }


def test_the_citation_is_valid_and_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # What version 1.2.0 of the format asks for, and the values that it allows.
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert all(isinstance(citation[key], str) for key in ("message", "title", "abstract"))
    assert citation["authors"]
    assert all({"name"} <= set(one) or {"family-names"} <= set(one) for one in citation["authors"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]
    assert citation["version"] == tsprompt.__version__
    known = {"abstract", "authors", "cff-version", "keywords", "license", "message", "title"}
    assert set(citation) <= known | {"type", "version", "date-released", "doi", "url"}
