"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    GC_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server: two servers in one process do not share them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        for one in (PROCESS_COLLECTOR, GC_COLLECTOR):
            registry.register(one)
        self.requests = Counter(
            "tsprompt_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "tsprompt_request_seconds",
            "From a request's headers to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.cases = Counter("tsprompt_cases", "Cases predicted", ["model"], registry=registry)
        self.batch_requests = Histogram(
            "tsprompt_batch_requests",
            "Requests that shared a pass of the language model",
            buckets=_COUNTS,
            registry=registry,
        )
        self.batch_models = Histogram(
            "tsprompt_batch_models", "Models in a pass", buckets=_COUNTS, registry=registry
        )
        self.batch_cases = Histogram(
            "tsprompt_batch_cases", "Cases in a pass", buckets=_COUNTS, registry=registry
        )
        self.pass_seconds = Histogram(
            "tsprompt_pass_seconds", "A pass, heads included", buckets=_SECONDS, registry=registry
        )
        self.waiting = Gauge(
            "tsprompt_queue_requests", "Requests that wait for a pass", registry=registry
        )
        self.wait_seconds = Histogram(
            "tsprompt_queue_seconds",
            "From a request's place in the queue to its first pass",
            buckets=_SECONDS,
            registry=registry,
        )
        self.models = Gauge("tsprompt_models", "Models that can be asked", registry=registry)
        self.problems = Gauge(
            "tsprompt_model_problems", "Models that can't be read", registry=registry
        )
        self.loads = Counter(
            "tsprompt_model_loads",
            "Models read: added, replaced, failed; and removed",
            ["result"],
            registry=registry,
        )
        self.held_bytes = Gauge(
            "tsprompt_body_bytes", "Bodies of requests in memory", registry=registry
        )

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)
