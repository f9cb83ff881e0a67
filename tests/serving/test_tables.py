"""Tables are read in a process of their own: what happens to it, the server survives."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from tsprompt.errors import DatasetError

pytestmark = [pytest.mark.slow, pytest.mark.extra("serve")]

READER = """
import os, signal, time
import numpy as np
from tsprompt.data import Cases
from tsprompt.errors import DatasetError


def reader(sent, details, classes):
    told = sent.held.decode()
    if told == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if told == "hang":
        time.sleep(60)
    if told == "burst":
        np.zeros(1 << 33, np.uint8).fill(1)
    if told == "refuse":
        raise DatasetError("it is no table")
    return Cases([np.array([[float(told)]])])
"""
"""Does what it is told: in place of a library that a file has got the better of."""


def test_what_ends_the_reader_does_not_end_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt.serving.refusals import RefusalError
    from tsprompt.serving.tables import Sent, TableProcess

    (tmp_path / "told_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(tmp_path)
    reader = importlib.import_module("told_reader").reader

    async def work() -> list[Any]:
        tables = TableProcess(reader, 10)
        found: list[Any] = []
        try:
            for told in ("1", "refuse", "die", "2", "burst", "3", "hang", "4"):
                try:
                    cases = await tables.read(Sent(told.encode(), ".csv", {}, 1), {}, [])
                    found.append(float(cases[0][0, 0]))
                except RefusalError as refusal:
                    found.append(refusal.status)
                except DatasetError as error:
                    found.append(str(error))
        finally:
            tables.stop()
        return found

    assert asyncio.run(work()) == [1.0, "it is no table", 422, 2.0, 413, 3.0, 413, 4.0]
