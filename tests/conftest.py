"""What the tests share: an environment without a network, extras and records; the rest of it is in
`tests/sharing/`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# torch, transformers and huggingface_hub read these when they are imported: nothing above may
# import them, and below they are imported inside functions only.
_HOME = Path(tempfile.mkdtemp(prefix="tsprompt-tests-"))
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HOME=str(_HOME / "huggingface"),
    TSPROMPT_CACHE_DIR=str(_HOME / "cache"),
    OMP_NUM_THREADS="1",  # tensors are tiny: threads would only wait for each other
)

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests of it would
# wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["classifiers", "command_line", "hub_standin", "tiny_data", "tiny_models"]

settings.register_profile("tsprompt", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("tsprompt")


@pytest.fixture(scope="session", autouse=True)
def _remove_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extra", help="run the tests of this extra alone; none of them may be skipped"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Python runs aeon's loops over tiny series at once, and numba compiles them for minutes first:
    where all tests are run they are not compiled. They are with `--extra`, as `make test-extras`
    has it, and in `tests/baselines/test_compiled.py`."""
    if config.getoption("--extra") is None:
        os.environ["NUMBA_DISABLE_JIT"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is not of the extra that was asked for; skip what this machine can't run."""
    wanted = config.getoption("--extra")
    if wanted is not None:
        others = [item for item in items if wanted not in _extras(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if wanted in _extras(item)]
    for item in items:
        missing = next((one for one in _extras(item) if not _is_installed(one)), None)
        if missing is not None and missing != wanted:
            item.add_marker(pytest.mark.skip(reason=f"the extra {missing} is not installed"))
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


def pytest_collection_finish() -> None:
    """Modules stay: looking through them for garbage takes a tenth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _extras(item: pytest.Item) -> list[str]:
    """The extras of tsprompt that a test needs."""
    return [mark.args[0] for mark in item.iter_markers("extra")]


@cache
def _is_installed(extra: str) -> bool:
    """Whether all packages of an extra are there."""
    return not lacking(f"tsprompt[{extra}]")


def lacking(requirement: str) -> list[str]:
    """Packages that an installed distribution asks for with an extra, and that are not there."""
    from packaging.requirements import Requirement

    asked = Requirement(requirement)
    found = []
    for text in distribution(asked.name).requires or []:
        one = Requirement(text)
        if one.marker and not any(one.marker.evaluate({"extra": name}) for name in asked.extras):
            continue
        try:
            distribution(one.name)
        except PackageNotFoundError:
            found.append(one.name)
    return found


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Any]:
    """A record of a run: `make_record("GunPoint", "shared", 0.9, seed=1, ...)`."""
    from tsprompt.benchmark import Record

    def make(dataset: str, method: str, accuracy: float | None, **more: Any) -> Record:
        figures: dict[str, Any] = {"status": "ok", "fit_seconds": 1.0, "predict_seconds": 0.5}
        if accuracy is None:
            figures = {"status": "failed", "error": "broken"}
        about = {"kind": "model", "seed": 0, "resample": 0, "accuracy": accuracy}
        return Record(dataset=dataset, method=method, **{**about, **figures, **more})

    return make


@pytest.fixture
def write_records(tmp_path: Path) -> Callable[..., Path]:
    """Write records into a folder of results: `write_records([...])` gives the folder."""

    def write(records: list[Any]) -> Path:
        folder = tmp_path / "results"
        for number, record in enumerate(records):
            record.write(folder / "records" / f"{number:05}.json")
        return folder

    return write


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands print 200 columns wide, whatever was printed before."""
    from tsprompt_cli.output import console

    console.cache_clear()
    monkeypatch.setenv("COLUMNS", "200")
    yield
    console.cache_clear()
