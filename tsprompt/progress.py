"""How far long work has come, for whoever listens.

The library says where it is; a front end (the command line, a notebook) listens. Nobody listening
costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["listen", "report"]

Listener = Callable[[str, float, float], None]

_listener: ContextVar[Listener | None] = ContextVar("tsprompt_progress", default=None)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Call ``listener(stage, done, total)`` for all that is reported inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(stage: str, done: float, total: float) -> None:
    """Say that `done` of `total` units of `stage` are finished."""
    listener = _listener.get()
    if listener is not None:
        listener(stage, done, total)
