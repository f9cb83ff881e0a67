"""What the tests of commands share: one process that forks runs, as to start it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def one_fork_server() -> Iterator[None]:
    """`bench run` in this process leaves its fork server to the next test."""
    from tsprompt.benchmark.fork_client import stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tsprompt.benchmark.run.stop", lambda: None)
        yield
    stop()
