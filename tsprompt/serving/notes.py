"""What the library remarks on a request's cases goes into its answer, and into no log."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tsprompt.errors import TspromptNotice
from tsprompt.serving.refusals import told

__all__ = ["collected", "notes_apart"]

_here = threading.local()


@contextmanager
def collected() -> Iterator[list[str]]:
    """Notices of this thread while the block runs; within `notes_apart`."""
    _heard()  # others who put filters aside for a while, in other threads, may have lost it
    _here.notes = found = list[str]()
    try:
        yield found
    finally:
        _here.notes = None


@contextmanager
def notes_apart() -> Iterator[None]:
    """While the block runs, notices go to whoever collects them in their thread; those that nobody
    collects, and warnings of other libraries, go nowhere: they may quote what clients sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _heard()
        yield


def _heard() -> None:
    warnings.simplefilter("always", TspromptNotice)
    warnings.showwarning = _keep


def _keep(message: Warning | str, *_: Any, **__: Any) -> None:
    notes = getattr(_here, "notes", None)
    if notes is not None and isinstance(message, TspromptNotice):
        text = told(message)
        if text not in notes:
            notes.append(text)
