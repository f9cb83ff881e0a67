"""This process's fork server: started when the first cell comes, and asked from any thread."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from tsprompt.errors import ConfigError

__all__ = ["Ended", "ForkClient", "stop", "worker"]


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    status: str
    """`ended`, `timed out`, `killed` from outside, or `stopped` from here."""
    error: tuple[str, str] | None = None
    """What ended it before its time, and its last words."""


class ForkClient:
    """The near end of a fork server."""

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise ConfigError(
                "this system has no fork, which the runner needs; use Linux, macOS or WSL, or "
                "`tsprompt compare`"
            )
        self._ids = count()
        self._closed = False
        self._waiting: dict[int, Future[Ended]] = {}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tsprompt.benchmark.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the server ends with its standard input
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        atexit.register(self.close)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def run(self, task: dict[str, Any], seconds: float | None) -> Ended:
        """Run the cell of a task in a child, and wait for its end."""
        future: Future[Ended] = Future()
        with self._lock:
            number = next(self._ids)
            self._waiting[number] = future
            with suppress(BrokenPipeError):  # it has ended, and `_listen` says so
                self._send({"id": number, "task": task, "seconds": seconds})
            if not self._listener.is_alive():
                self._give_up()
        return future.result()

    def close(self) -> None:
        """End the fork server and its children."""
        self._closed = True
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                said = json.loads(line)
                error = tuple(said["error"]) if said["error"] else None
                self._waiting.pop(said["id"]).set_result(Ended(said["status"], error))
        self._process.wait()  # its end may be seen here a moment before it can be seen elsewhere
        self._give_up()

    def _give_up(self) -> None:
        """The fork server has ended: it was closed, or else somebody killed it."""
        why = "the process that starts the runs has ended: out of memory?"
        ended = Ended("stopped") if self._closed else Ended("killed", (why, ""))
        while self._waiting:
            self._waiting.popitem()[1].set_result(ended)


_worker: ForkClient | None = None
_starting = threading.Lock()


def worker() -> ForkClient:
    """The only one of this process."""
    global _worker  # noqa: PLW0603
    with _starting:
        if _worker is None or not _worker.alive:
            _worker = ForkClient()
        return _worker


def stop() -> None:
    """End the fork server of this process, and whatever it runs."""
    if _worker is not None:
        _worker.close()
