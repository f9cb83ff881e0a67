"""A small share of `make fuzz`, and that a fault would be seen."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tsprompt.errors import DatasetError
from tsprompt_datasets import readers

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
TRIED = 120


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fuzz = load()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSPROMPT_CACHE_DIR", "restored after the test")
    monkeypatch.setattr(fuzz, "SECONDS", 5.0)  # other tests run beside this one


@pytest.mark.parametrize("ending", fuzz.FORMATS)
def test_damaged_files_are_read_right_or_refused(ending: str) -> None:
    verdicts, examples = fuzz.batch(ending, TRIED, 1)
    assert examples == {}
    assert verdicts["read"] > 0
    assert verdicts["refused"] > TRIED / 2


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("reader", "fault"),
    [
        (lambda name, data: _raise(KeyError(name)), "KeyError"),
        (lambda name, data: _raise(DatasetError("somewhere")), "no file's name in the message"),
        (lambda name, data: _raise(DatasetError(f"{name}: {'x' * 2000}")), "long message"),
        (lambda name, data: _raise(DatasetError(f"{name}: \x1b")), "control characters in the mes"),
        (lambda name, data: readers.ucr.read_tsv(name, b"1\t2\n" * 99), "cases that do not fit"),
    ],
)
def test_a_fault_is_seen(
    reader: object, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(readers.READERS, ".tsv", reader)  # type: ignore[misc]
    verdict = fuzz.judge(tmp_path / "x_TEST.tsv", ".tsv", b"1\t2\n")
    assert verdict.startswith(fault)
