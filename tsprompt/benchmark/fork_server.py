"""A process that runs each cell in a child of its own: `python -m tsprompt.benchmark.fork_server`.

It imports what takes seconds once, loads each language model once, and forks for every cell, so
that all cells share the memory of the weights. A child may crash, hang or eat its memory: that is
the end of the child, and nothing else. The fork server ends with its standard input, whatever has
become of the process at the other end, and takes its children along.

It talks in lines of JSON. In: `{"id", "task", "seconds"}`, or `{"stop": id}`; out: `{"id",
"status", "error"}` when a child has ended. What a cell has found, its child writes to files itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]

_TICK = 0.02
"""Seconds between two looks at the children."""
_FROM_OUTSIDE = ("SIGHUP", "SIGINT", "SIGKILL", "SIGTERM")
"""What ends a child without a fault of the run's own, as far as can be seen."""
_TAIL = 4_000
"""Characters of a crashed child's last words that are kept."""


@dataclass
class _Child:
    id: int
    log: Path
    deadline: float


def main() -> None:
    """Serve until standard input ends."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # a look for GPUs must not open one here
    import torch

    warnings.simplefilter("ignore")  # what there is to say, each run says in its record
    torch.set_num_threads(1)  # a fork must find no threads; each child then takes its own number
    children: dict[int, _Child] = {}
    lines = _Lines(sys.stdin.fileno())
    while True:
        for request in lines.arrived():
            if "stop" in request:
                for pid in [pid for pid, one in children.items() if one.id == request["stop"]]:
                    _kill(pid)
            else:
                pid, child = _start(request)
                children[pid] = child
        if lines.ended:
            for pid in children:
                _kill(pid)
            return
        now = time.monotonic()
        for pid, child in list(children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del children[pid]
                _say(child, "ended", status)
            elif now > child.deadline:
                _kill(pid)
                os.waitpid(pid, 0)
                del children[pid]
                _say(child, "timed out", 0)


class _Lines:
    """Requests that have arrived, without waiting for more."""

    def __init__(self, source: int) -> None:
        self._source, self._rest, self.ended = source, b"", False

    def arrived(self) -> list[dict[str, Any]]:
        if not select.select([self._source], [], [], _TICK)[0]:
            return []
        data = os.read(self._source, 1 << 16)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


def _start(request: dict[str, Any]) -> tuple[int, _Child]:
    task, seconds = request["task"], request["seconds"]
    log = Path(task["log"])
    _preload(task)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _become_child(log)
            from tsprompt.benchmark.in_child import perform

            perform(task)
            code = 0
        except BaseException:  # the log is all that is left of it
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    return pid, _Child(request["id"], log, deadline)


def _preload(task: dict[str, Any]) -> None:
    """Import and load before the fork. What can't be had is the child's to say."""
    with contextlib.suppress(Exception):
        from tsprompt.benchmark.in_child import warm

        import_module(task["loader"].partition(":")[0])
        warm(task)


def _become_child(log: Path) -> None:
    os.setpgid(0, 0)  # so that it can be ended together with what it starts
    null = os.open(os.devnull, os.O_RDONLY)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for ours, theirs in ((null, 0), (words, 1), (words, 2)):
        os.dup2(ours, theirs)


def _kill(pid: int) -> None:
    for end in (os.killpg, os.kill):  # the group may not be there yet
        with contextlib.suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)


def _say(child: _Child, status: str, code: int) -> None:
    error = None
    if status == "ended" and code:
        error = _cause(code, child.log)
        if os.WIFSIGNALED(code) and signal.Signals(os.WTERMSIG(code)).name in _FROM_OUTSIDE:
            status = "killed"
    with contextlib.suppress(FileNotFoundError):
        child.log.unlink()
    sys.stdout.write(json.dumps({"id": child.id, "status": status, "error": error}) + "\n")
    sys.stdout.flush()


def _cause(code: int, log: Path) -> list[str]:
    """What ended a child, and its last words."""
    words = log.read_text(encoding="utf-8", errors="replace")[-_TAIL:] if log.is_file() else ""
    if os.WIFSIGNALED(code):
        name = signal.Signals(os.WTERMSIG(code)).name
        hint = ": out of memory?" if name == "SIGKILL" else ""
        return [f"the process of the run was ended by {name}{hint}", words]
    return ["the process of the run ended before its time", words]


if __name__ == "__main__":
    main()
