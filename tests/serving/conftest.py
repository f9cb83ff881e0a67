"""A folder of tiny models, and a server of it in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-more-than-16"


@pytest.fixture(scope="session")
def folder(tiny: dict[str, Any], separable: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: `two/waves` of 2 features, and `one` of 1 feature with names of its columns."""
    from tsprompt import PromptClassifier

    place = tmp_path_factory.mktemp("served")
    X, y = separable.X, separable.y
    PromptClassifier(**tiny).fit(X, y).save(place / "two" / "waves", dataset="waves")
    columns = {"layout": "wide", "label": "label", "values": [f"t{i}" for i in range(20)]}
    details = {"dataset": "table.csv", "columns": columns, "test": {"accuracy": 0.5, "cases": 15}}
    PromptClassifier(**tiny).fit(X[:, :, :1], y).save(place / "one", **details)
    return place


@contextmanager
def server(
    folder: Path, *, token: str | None = None, host: str = "127.0.0.1", **limits: Any
) -> Iterator[Any]:
    """A client of a server in this process, once its models are loaded."""
    from starlette.testclient import TestClient

    from tsprompt import Socket
    from tsprompt.serving.access import Access
    from tsprompt.serving.app import make_app
    from tsprompt.serving.limits import Limits
    from tsprompt.serving.metrics import Metrics
    from tsprompt.serving.notes import notes_apart
    from tsprompt.serving.run import make_service
    from tsprompt_cli.sent_tables import read_sent

    bounds, metrics = Limits(**limits), Metrics()
    service = make_service(folder, Socket(device="cpu"), bounds, metrics, read_sent)
    app = make_app(service, Access(host, token), metrics)
    with notes_apart(), TestClient(app, base_url="http://127.0.0.1:8000") as client:
        assert service.folder.looked.wait(30)
        client.service = service  # type: ignore[attr-defined]
        yield client


@pytest.fixture
def serving() -> Callable[..., Any]:
    """Start a server: `with serving(folder, queue=1) as client: ...`."""
    return server


@pytest.fixture
def starting() -> Callable[..., Any]:
    """Start a server in a process of its own: `with starting(folder) as process: ...`."""
    return start


@pytest.fixture
def where() -> Callable[..., str]:
    """Where such a process listens, once its models are loaded."""
    return address_of


@pytest.fixture(scope="session")
def client(folder: Path) -> Iterator[Any]:
    """A client of a server that many tests share."""
    with server(folder) as client:
        yield client


@contextmanager
def start(folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`tsprompt serve` in a process of its own, at a port that is free; it ends with the block,
    also where a test fails in it."""
    roots = os.pathsep.join(str(ROOT / part) for part in ("", "cli", "datasets"))
    code = "from tsprompt_cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(folder), "--port", "0", *options],
        env={**os.environ, "PYTHONPATH": roots, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    """Where a server listens, once its models are loaded."""
    import httpx2

    assert process.stdout is not None
    address = str(json.loads(process.stdout.readline())["address"])
    until = time.monotonic() + 60
    while httpx2.get(f"{address}/readyz").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)
    return address


@pytest.fixture(scope="session")
def address(folder: Path) -> Iterator[str]:
    """Where a server in a process of its own is, which many tests share."""
    with start(folder, "--device", "cpu") as process:
        yield address_of(process)
