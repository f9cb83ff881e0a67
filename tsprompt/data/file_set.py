"""A data set of one's own as a benchmark plans it: where it lies and how it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FileSet"]


@dataclass(frozen=True)
class FileSet:
    """A data set of one's own: a path, and how it is read and parted."""

    name: str
    """What it is called in tables and folders."""
    path: str
    """Where it lies, from the root on."""
    options: dict[str, Any] = field(default_factory=dict)
    """What was said of its columns and its split; JSON."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File name -> hash of the file's bytes: another content makes other runs."""
