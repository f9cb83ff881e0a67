"""A server from its start to its end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from tsprompt.errors import ConfigError, Setting
from tsprompt.serving.access import Access
from tsprompt.serving.app import make_app
from tsprompt.serving.batching import Batcher
from tsprompt.serving.connections import bounded_protocol
from tsprompt.serving.limits import Limits
from tsprompt.serving.logs import log_event, log_to
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.model_folder import ModelFolder
from tsprompt.serving.named_models import NamedModel
from tsprompt.serving.notes import notes_apart
from tsprompt.serving.service import Service
from tsprompt.serving.socket import Socket
from tsprompt.serving.tables import TableReader

__all__ = ["make_service", "serve"]


_BACKLOG = 1024
"""Connections that the system holds until they are accepted."""


def make_service(
    folder: Path | None,
    models: Socket,
    limits: Limits,
    metrics: Metrics,
    read_table: TableReader,
    *,
    named: Sequence[NamedModel] = (),
) -> Service:
    """What answers about the models of a folder, and about those that were named.

    Raises
    ------
    ConfigError
        There is no such folder.
    """
    batcher = Batcher(models.predict_proba, limits, metrics)
    held = ModelFolder(folder, models, named=named, busy=batcher.busy)
    service = Service(held, batcher, limits, metrics, read_table)
    held.tell = service.tell
    return service


def serve(
    folder: Path | None,
    named: Sequence[NamedModel] = (),
    *,
    host: str,
    port: int,
    models: Socket,
    read_table: TableReader,
    limits: Limits,
    token: str | None,
    listening: Callable[[str], None],
) -> None:
    """Serve models until a signal says to stop; what runs then is finished.

    Parameters
    ----------
    folder
        Those below it are served and followed; None: those that were `named` alone.
    port
        0: one that is free.
    listening
        Hears the address once clients are answered.

    Raises
    ------
    ConfigError
        There is no such folder, or nothing can listen there, or it would be open to all.
    """
    access = Access(host, token)
    metrics = Metrics()
    service = make_service(folder, models, limits, metrics, read_table, named=named)
    app = make_app(service, access, metrics)
    with _listener(host, port) as opened, notes_apart(), _signals_heard_once():
        log_to()
        address = _address(host, opened.getsockname()[1])
        where = {} if folder is None else {"folder": str(folder)}
        log_event("listening", address=address, **where, token=token is not None)
        listening(address)
        _Server(_config(app, limits), service).run(sockets=[opened])
        log_event("stopped")


def _config(app: Any, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        backlog=_BACKLOG,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(limits.stop_seconds)),
        h11_max_incomplete_event_size=limits.header_bytes,
    )


class _Server(uvicorn.Server):
    """Says to the service that it stops, when it is told to."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal says to stop."""
        self._service.stopping = True
        super().handle_exit(sig, frame)


@contextmanager
def _signals_heard_once() -> Iterator[None]:
    """While the block runs, signals that stop the server have no other effect: uvicorn raises them
    again once it has stopped, and the process would end as one that was killed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens there."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unheard(host, port, error) from None
    with opened:
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(place)
            opened.listen(_BACKLOG)
        except OSError as error:
            raise _unheard(host, port, error) from None
        yield opened


def _unheard(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"nothing can listen at {_address(host, port)} ({error.strerror}); give another ",
        Setting("port"),
        " or ",
        Setting("host"),
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
