"""A folder of tiny models, and a server of it in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="session")
def client(folder: Path) -> Iterator[Any]:
    """A client of a server that many tests share."""
    with server(folder) as client:
        yield client
