"""Where a run took place: packages, machine, and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tsprompt.base.version import __version__

__all__ = ["commit", "hardware", "versions"]

_PACKAGES = ("torch", "transformers", "numpy", "scikit-learn", "scipy", "sktime", "aeon", "tsai")


@cache
def versions() -> dict[str, str]:
    """Versions of tsprompt, Python, and of what computes."""
    found = {"tsprompt": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, and GPUs."""
    import torch

    found: dict[str, Any] = {"processor": _processor(), "cores": len(os.sched_getaffinity(0))}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
        found["gpus"] = names
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@cache
def commit() -> str | None:
    """The commit that tsprompt runs from, `+` behind it where files differ; None if none."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # a folder of another project may lie around site-packages
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(root), *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for words in (
                ("rev-parse", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no"),
            )
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changes else "")
