"""This process's nursery: started when the first cell comes, and asked from any thread."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any

from tsprompt.errors import ConfigError

__all__ = ["Ended", "Worker", "stop", "worker"]


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    status: str
    """`ended`, `timed out`, or `stopped` from here."""
    error: tuple[str, str] | None = None
    """What ended it before its time, and its last words."""


class Worker:
    """The near end of a nursery."""

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise ConfigError(
                "this system has no fork, which the runner needs; use Linux, macOS or WSL, or "
                "`tsprompt compare`"
            )
        self._ids = count()
        self._waiting: dict[int, Future[Ended]] = {}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tsprompt.benchmark.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the nursery ends with its standard input
        )
        threading.Thread(target=self._listen, daemon=True).start()
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
            self._send({"id": number, "task": task, "seconds": seconds})
        return future.result()

    def close(self) -> None:
        """End the nursery and its children."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            error = tuple(said["error"]) if said["error"] else None
            self._waiting.pop(said["id"]).set_result(Ended(said["status"], error))
        while self._waiting:
            _, future = self._waiting.popitem()
            future.set_result(Ended("stopped", ("the process that runs the cells has ended", "")))


_worker: Worker | None = None
_starting = threading.Lock()


def worker() -> Worker:
    """The only one of this process."""
    global _worker  # noqa: PLW0603
    with _starting:
        if _worker is None or not _worker.alive:
            _worker = Worker()
        return _worker


def stop() -> None:
    """End the nursery of this process, and whatever it runs."""
    if _worker is not None:
        _worker.close()
