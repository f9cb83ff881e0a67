"""How much a server takes on, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from tsprompt.base.part import require
from tsprompt.serving.refusals import RefusalError

__all__ = ["Limits", "check_count", "check_size"]


@dataclass(frozen=True)
class Limits:
    """What the server refuses more of. Seconds and bytes, where nothing else is said."""

    body_bytes: int = 16 << 20
    """The body of one request."""
    held_bytes: int = 256 << 20
    """All bodies that are held at once."""
    cases: int = 1000
    """Cases of one request."""
    timesteps: int = 100_000
    """Timesteps of one case."""
    values: int = 4_000_000
    """Numbers of one request: cases times timesteps times features."""
    queue: int = 256
    """Requests that wait for the language model."""
    timeout: float = 30.0
    """From the end of a request's body to its answer."""
    body_seconds: float = 10.0
    """Until a body must be there."""
    header_seconds: float = 10.0
    """Until the first request of a connection must have begun with all its headers."""
    header_bytes: int = 16 << 10
    """Request line and headers."""
    connections: int = 1000
    """Clients that are connected at once."""
    wait_ms: float = 2.0
    """Milliseconds that a request waits for others to share a pass with."""
    batch_cases: int = 64
    """Cases of a pass: a request with more of them gives way to others in between."""
    stop_seconds: float = 30.0
    """For what still runs when the server is told to stop."""

    def __post_init__(self) -> None:
        for name in ("body_bytes", "cases", "timesteps", "values", "queue", "batch_cases"):
            require(getattr(self, name) >= 1, f"{name} must be 1 or more")
        for name in ("timeout", "body_seconds", "header_seconds", "stop_seconds"):
            require(getattr(self, name) > 0, f"{name} must be more than 0")
        require(self.wait_ms >= 0, "wait_ms must be 0 or more")


def check_count(count: int, limits: Limits) -> None:
    """See that cases are not too many.

    Raises
    ------
    RefusalError
        They are.
    """
    if count > limits.cases:
        text = f"{count:,} cases, and {limits.cases:,} are taken at once; send fewer"
        raise RefusalError(413, text)


def check_size(count: int, longest: int, features: int, limits: Limits) -> None:
    """See that cases are not too many, and none too long.

    Raises
    ------
    RefusalError
        They are.
    """
    check_count(count, limits)
    if longest > limits.timesteps:
        raise RefusalError(
            413, f"a case has {longest:,} timesteps, and {limits.timesteps:,} are taken; shorten it"
        )
    if count * longest * features > limits.values:
        raise RefusalError(413, f"more than {limits.values:,} numbers; send fewer cases at once")
