"""Ctrl-C, as often as somebody presses it: the first ends the command, the others hurry nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["one_interrupt"]

_SAME = 5.0
"""Seconds within which a further Ctrl-C is taken for the same: long enough to tidy up in."""


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Inside the block a Ctrl-C that comes while an earlier one is being obeyed is not heard; after
    it, none is.

    Python raises KeyboardInterrupt for each, also in the midst of what tidies up after the first,
    and as it shuts down: the end would be a traceback, and what was to be tidied up would be left.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # whoever started us has ideas of its own
        return
    last = -_SAME

    def interrupt(*_: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SAME:
            last = now
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
