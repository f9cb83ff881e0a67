"""What the server writes down: a line of JSON for each event, and nothing of what clients sent."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

__all__ = ["LOG", "JsonLines", "log_event", "log_to"]

LOG = logging.getLogger("tsprompt.serving")


class JsonLines(logging.Formatter):
    """A record as a line of JSON. Of an exception it tells type and place: its text may quote what
    was sent."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **getattr(record, "fields", {"event": record.getMessage().strip()}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line["exception"] = type(error).__name__
            line["at"] = [f"{one.filename}:{one.lineno} {one.name}" for one in frames[-12:]]
        return json.dumps(line)


def log_event(event: str, level: int = logging.INFO, /, **fields: Any) -> None:
    """Write down an event; fields that are None are left out."""
    told = {key: value for key, value in fields.items() if value is not None}
    LOG.log(level, event, extra={"fields": {"event": event, **told}})


class _Lines(logging.StreamHandler[TextIO]):
    """Writes lines as long as somebody reads them."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging calls it so)
        """A line could not be written."""
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


def log_to(stream: TextIO = sys.stdout) -> None:
    """Let the server, and uvicorn where it warns, write to a stream."""
    handler = _Lines(stream)
    handler.setFormatter(JsonLines())
    for name, level in (
        ("tsprompt.serving", logging.INFO),
        ("uvicorn", logging.WARNING),
        ("asyncio", logging.ERROR),
    ):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
