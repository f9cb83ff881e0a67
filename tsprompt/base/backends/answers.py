"""Whether a cluster is there, and what is said where it is not."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from urllib.parse import urlsplit

from tsprompt.errors import ConfigError, Setting, TspromptError

__all__ = ["ANSWER_SECONDS", "absent", "check_answers", "not_started", "require_package"]

ANSWER_SECONDS = 10.0
"""How long a cluster may take to answer."""
_STARTED = {"ray": "`ray start --head`", "dask": "`dask scheduler` and `dask worker`"}


def check_answers(backend: str, address: str | None) -> None:
    """See that something listens at a cluster's address, such as `HOST:PORT` or
    `tcp://HOST:PORT`.

    Ray ends the process where nothing does, after most of a minute.

    Raises
    ------
    ConfigError
        Nothing answers, or it is no such address.
    """
    if address is None or (backend == "ray" and address in ("auto", "local")):
        return
    try:
        found = urlsplit(address if "://" in address else f"//{address}")
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise ConfigError(Setting("address"), f" is {address!r}; give HOST:PORT")
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise absent(backend, address, error.strerror or "no answer") from None


def not_started(name: str, error: Exception) -> TspromptError:
    """What is raised where a cluster of this machine does not start."""
    why = str(error).strip().partition("\n")[0]
    return TspromptError(
        f"{name} can't start a cluster on this machine ({why}); where it is only busy, try again "
        "later, or with fewer ",
        Setting("jobs"),
    )


def absent(backend: str, address: str, why: str) -> ConfigError:
    """What is raised where no cluster is at an address."""
    why = why.strip().partition("\n")[0]
    return ConfigError(
        f"no {backend.capitalize()} cluster answers at {address} ({why}); start one with "
        f"{_STARTED[backend]}, correct ",
        Setting("address"),
        ", or leave it out to use this machine alone",
    )


def require_package(package: str) -> None:
    """See that a cluster's package is installed.

    Raises
    ------
    ConfigError
        It is not.
    """
    if find_spec(package) is None:
        extra = {"distributed": "dask"}.get(package, package)
        raise ConfigError(f'the backend {extra} needs {package}: pip install "tsprompt[{extra}]"')
